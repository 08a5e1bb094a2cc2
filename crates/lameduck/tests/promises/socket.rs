//! The other end of a WebSocket, frame by frame: blocking, and without a will of its own.

use crate::client::Client;
use crate::service::Service;

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CONTINUATION: u8 = 0;
pub const CLOSE: u8 = 8;

/// One frame (RFC 6455, 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub fin: bool,
    pub opcode: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }
}

/// One WebSocket.
pub struct Socket {
    pub client: Client,
}

impl Socket {
    pub fn open(service: &Service, path: &str) -> Socket {
        let socket = Socket::over(service.client(), path);
        let path = path.split('?').next().unwrap();
        service.in_flight("websocket", path, 1);
        socket
    }

    /// The opening handshake, with the key of the example in RFC 6455, 1.3.
    pub fn over(mut client: Client, path: &str) -> Socket {
        client.send(format!(
            "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ));
        let answer = client.answer();
        assert_eq!(answer.status, 101, "{answer:?}");
        assert_eq!(
            answer.header("sec-websocket-accept"),
            Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
        Socket { client }
    }

    /// A frame as a client sends it: masked (RFC 6455, 5.3).
    pub fn bytes(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
        const MASK: [u8; 4] = [7, 11, 13, 17];
        let mut bytes = vec![u8::from(fin) << 7 | opcode];
        match payload.len() {
            n @ 0..=125 => bytes.push(0x80 | n as u8),
            n @ 126..=0xffff => {
                bytes.push(0x80 | 126);
                bytes.extend((n as u16).to_be_bytes());
            }
            n => {
                bytes.push(0x80 | 127);
                bytes.extend((n as u64).to_be_bytes());
            }
        }
        bytes.extend(MASK);
        bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
        bytes
    }

    pub fn send(&mut self, fin: bool, opcode: u8, payload: &[u8]) {
        self.client.send(Socket::bytes(fin, opcode, payload));
    }

    pub fn say(&mut self, text: &str) {
        self.send(true, TEXT, text.as_bytes());
    }

    pub fn frame(&mut self) -> Frame {
        let mut exactly = |n| self.client.exactly(n).unwrap();
        let head = exactly(2);
        assert_eq!(head[1] & 0x80, 0, "a server does not mask");
        let length = match head[1] {
            126 => u16::from_be_bytes(exactly(2).try_into().unwrap()).into(),
            127 => u64::from_be_bytes(exactly(8).try_into().unwrap()),
            n => n.into(),
        };
        Frame {
            fin: head[0] & 0x80 != 0,
            opcode: head[0] & 0x0f,
            payload: exactly(length as usize),
        }
    }

    /// The next frame, which is a whole text.
    #[track_caller]
    pub fn hears(&mut self) -> String {
        let frame = self.frame();
        assert_eq!((frame.fin, frame.opcode), (true, TEXT), "{frame:?}");
        frame.text()
    }

    /// The next frame, which is Close: its code and its reason.
    #[track_caller]
    pub fn hears_close(&mut self) -> (u16, String) {
        let frame = self.frame();
        assert_eq!((frame.fin, frame.opcode), (true, CLOSE), "{frame:?}");
        let (code, reason) = frame.payload.split_at(2);
        let code = u16::from_be_bytes(code.try_into().unwrap());
        (code, String::from_utf8(reason.to_vec()).unwrap())
    }

    pub fn says_close(&mut self, code: u16) {
        self.send(true, CLOSE, &code.to_be_bytes());
    }

    /// It is told to go, so it does, and the connection ends as it should.
    #[track_caller]
    pub fn goes(mut self, code: u16, reason: &str) {
        assert_eq!(self.hears_close(), (code, reason.to_owned()));
        self.says_close(code);
        self.client.ends_with_fin();
    }
}
