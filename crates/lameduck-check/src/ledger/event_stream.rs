//! What came of an event stream, read as the HTML standard reads it (9.2.6): lines end with CRLF, LF or CR, a blank
//! line ends an event, and what is not ended when the stream ends is thrown away.

/// Bytes kept for evidence.
const TAIL: usize = 120;
/// Bytes of a line that are enough to know its field.
const FIELD: usize = 8;

/// What has come of an event stream.
#[derive(Clone, Debug, Default)]
pub struct EventStream {
    events: u64,
    has_retry: bool,
    /// A field of an event has come since the last blank line.
    is_pending: bool,
    /// The beginning of the line that has not ended.
    line: Vec<u8>,
    after_cr: bool,
    tail: Vec<u8>,
}

impl EventStream {
    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let is_second = std::mem::take(&mut self.after_cr) && byte == b'\n';
            match byte {
                b'\n' if is_second => {}
                b'\n' => self.end_line(),
                b'\r' => {
                    self.after_cr = true;
                    self.end_line();
                }
                _ if self.line.len() < FIELD => self.line.push(byte),
                _ => {}
            }
        }
        self.tail.extend_from_slice(bytes);
        let surplus = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..surplus);
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let field = line.split(|byte| *byte == b':').next().unwrap_or_default();
        match field {
            _ if line.is_empty() => self.events += u64::from(std::mem::take(&mut self.is_pending)),
            b"data" | b"event" | b"id" => self.is_pending = true,
            // Heard as soon as its line ends, whatever follows.
            b"retry" => self.has_retry = true,
            // A comment, or a field that means nothing.
            _ => {}
        }
    }

    /// Nothing of an event is pending that would be thrown away if the stream ended now.
    pub fn is_at_boundary(&self) -> bool {
        !self.is_pending && self.line.is_empty()
    }

    /// Events that have ended.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Whether it has said after which time to come back (`retry:`).
    pub fn has_retry(&self) -> bool {
        self.has_retry
    }

    /// The last of what has come, fit to be shown.
    pub fn tail(&self) -> String {
        String::from_utf8_lossy(&self.tail)
            .escape_debug()
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stream after these bytes, that come at once or one by one.
    fn stream(text: &str) -> EventStream {
        let (mut whole, mut single) = (EventStream::default(), EventStream::default());
        whole.pass(text.as_bytes());
        text.bytes().for_each(|byte| single.pass(&[byte]));
        assert_eq!(whole.is_at_boundary(), single.is_at_boundary());
        assert_eq!(whole.events(), single.events());
        whole
    }

    #[test]
    fn an_event_ends_with_a_blank_line_however_lines_end() {
        for text in [
            "data: 1\n\n",
            "data: 1\r\n\r\n",
            "data: 1\r\r",
            "id:1\ndata\n\n",
            "",
        ] {
            assert!(stream(text).is_at_boundary(), "{text:?}");
        }
        for text in [
            "data: 1\n",
            "data: 1",
            "da",
            "data: 1\r\n",
            "data: 1\n\nid: 2\n",
        ] {
            assert!(!stream(text).is_at_boundary(), "{text:?}");
        }
        assert_eq!(stream("data: 1\r\n\r\ndata: 2\n\n").events(), 2);
    }

    #[test]
    fn a_comment_and_a_retry_are_nothing_that_could_be_lost() {
        let text = stream("data: 1\n\n: still here\nretry: 2000\n");
        assert!(text.is_at_boundary() && text.has_retry());
        assert_eq!(text.events(), 1);
    }

    #[test]
    fn the_tail_is_the_end_of_it_on_one_line() {
        let text = format!("{}data: 41\n\n", "x".repeat(500));
        assert!(stream(&text).tail().ends_with("xdata: 41\\n\\n"));
        assert!(stream(&text).tail().len() < 130);
    }
}
