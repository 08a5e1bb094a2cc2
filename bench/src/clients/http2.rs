//! Where the messages of HTTP/2 end, on one side of a connection.

/// How many bytes a client sends before its first frame (RFC 9113, 3.4).
const PREFACE: usize = 24;
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const REFUSED_STREAM: u32 = 7;

/// What a frame says about requests.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// This side's message on a stream is whole.
    Whole(u32),
    /// A stream ends before that; `refused` if it was not looked at.
    Reset { stream: u32, refused: bool },
    /// Nothing after this stream was, or will be, looked at.
    GoAway { last: u32 },
}

/// Follows one side of a connection.
pub struct Frames {
    bytes: Vec<u8>,
    skip: usize,
}

impl Frames {
    /// What a client sends.
    pub fn of_client() -> Frames {
        Frames {
            bytes: Vec::new(),
            skip: PREFACE,
        }
    }

    /// What a server sends.
    pub fn of_server() -> Frames {
        Frames {
            bytes: Vec::new(),
            skip: 0,
        }
    }

    /// What is said within these bytes, in order.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Said> {
        self.bytes.extend(bytes);
        let mut said = Vec::new();
        let mut at = self.skip.min(self.bytes.len());
        self.skip -= at;
        while let Some(head) = self.bytes.get(at..at + HEAD) {
            let number = |bytes: &[u8]| bytes.iter().fold(0, |n, it| n << 8 | u32::from(*it));
            let length = number(&head[..3]) as usize;
            let (kind, flags, stream) = (head[3], head[4], number(&head[5..]) & 0x7fff_ffff);
            let Some(payload) = self.bytes.get(at + HEAD..at + HEAD + length) else {
                break;
            };
            match kind {
                DATA | HEADERS if flags & END_STREAM != 0 => said.push(Said::Whole(stream)),
                RST_STREAM => said.push(Said::Reset {
                    stream,
                    refused: number(payload) == REFUSED_STREAM,
                }),
                GOAWAY if length >= 4 => said.push(Said::GoAway {
                    last: number(&payload[..4]) & 0x7fff_ffff,
                }),
                _ => {}
            }
            at += HEAD + length;
        }
        self.bytes.drain(..at);
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let mut it = vec![0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream];
        it.extend(payload);
        it
    }

    #[test]
    fn frames_are_read_however_they_are_cut() {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(4, 0, 0, &[0; 6]));
        bytes.extend(frame(HEADERS, 4, 1, b"head"));
        bytes.extend(frame(DATA, END_STREAM, 1, b"body"));
        bytes.extend(frame(RST_STREAM, 0, 3, &[0, 0, 0, 7]));
        bytes.extend(frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]));
        let expected = [
            Said::Whole(1),
            Said::Reset {
                stream: 3,
                refused: true,
            },
            Said::GoAway { last: 1 },
        ];
        for cut in 0..=bytes.len() {
            let mut frames = Frames::of_client();
            let mut said = frames.feed(&bytes[..cut]);
            said.extend(frames.feed(&bytes[cut..]));
            assert_eq!(said, expected, "cut at {cut}");
        }
    }
}
