//! Where the messages of HTTP/1.1 end, on one side of a connection.

/// Follows one side of a connection.
#[derive(Default)]
pub struct Messages {
    at: At,
    line: Vec<u8>,
    /// The first line of the message that is coming.
    pub first_line: String,
}

#[derive(Default)]
enum At {
    #[default]
    Head,
    Body(u64),
    ChunkSize,
    Chunk(u64),
    Trailer,
}

/// What the head so far says of the body.
impl Messages {
    /// How many messages end within these bytes. Interim answers (1xx) are none.
    pub fn feed(&mut self, mut bytes: &[u8]) -> u32 {
        let mut ended = 0;
        while let Some((first, rest)) = bytes.split_first() {
            match &mut self.at {
                At::Body(left) | At::Chunk(left) => {
                    let taken = (*left).min(bytes.len() as u64);
                    *left -= taken;
                    bytes = &bytes[taken as usize..];
                    if *left == 0 {
                        let is_body = matches!(self.at, At::Body(_));
                        ended += u32::from(is_body);
                        self.at = if is_body { At::Head } else { At::ChunkSize };
                    }
                    continue;
                }
                _ => {}
            }
            bytes = rest;
            self.line.push(*first);
            let is_over = match self.at {
                At::Head => self.line.ends_with(b"\r\n\r\n"),
                _ => *first == b'\n',
            };
            if is_over {
                let line = std::mem::take(&mut self.line);
                ended += u32::from(self.over(&String::from_utf8_lossy(&line)));
            }
        }
        ended
    }

    /// A head, or a line of a chunked body, is whole. Whether a message is, too.
    fn over(&mut self, text: &str) -> bool {
        self.at = match self.at {
            At::ChunkSize => {
                let size = text.split(';').next().unwrap_or_default().trim();
                match u64::from_str_radix(size, 16).unwrap_or(0) {
                    0 => At::Trailer,
                    size => At::Chunk(size + 2),
                }
            }
            At::Trailer if text.trim().is_empty() => At::Head,
            At::Trailer => At::Trailer,
            _ => {
                self.first_line = text.lines().next().unwrap_or_default().to_owned();
                if self.first_line.starts_with("HTTP/1.1 1") {
                    return false;
                }
                match framing(text) {
                    Some(0) => return true,
                    Some(length) => At::Body(length),
                    None => At::ChunkSize,
                }
            }
        };
        matches!(self.at, At::Head)
    }
}

/// The length of the body, or `None` if it is chunked.
fn framing(head: &str) -> Option<u64> {
    let mut length = 0;
    for field in head.lines() {
        let Some((name, value)) = field.split_once(':') else {
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return None;
        }
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[u8] =
        b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nhost: x\r\n\r\n";

    #[test]
    fn messages_are_counted_however_they_are_cut() {
        for cut in 0..=TWO.len() {
            let mut messages = Messages::default();
            let (one, other) = TWO.split_at(cut);
            assert_eq!(messages.feed(one) + messages.feed(other), 2, "cut at {cut}");
            assert_eq!(messages.first_line, "GET /b HTTP/1.1");
        }
    }

    #[test]
    fn half_a_message_is_none() {
        assert_eq!(Messages::default().feed(&TWO[..TWO.len() - 1]), 1);
        assert_eq!(Messages::default().feed(&TWO[..40]), 0);
    }

    #[test]
    fn a_chunked_message_ends_with_its_last_chunk() {
        let whole = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        for cut in 0..whole.len() {
            let mut messages = Messages::default();
            assert_eq!(messages.feed(&whole[..cut]), 0);
            assert_eq!(messages.feed(&whole[cut..]), 1);
        }
    }

    #[test]
    fn an_interim_answer_is_none() {
        let both = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(Messages::default().feed(both), 1);
    }
}
