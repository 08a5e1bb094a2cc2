//! The WebSocket.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::service::{PATIENCE, Shop};

fn exactly(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

#[test]
fn websocket_closed_with_1001_after_it_has_echoed() {
    let shop = Shop::start(&[]);
    let mut stream = TcpStream::connect(&shop.http).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(
            b"GET /ws HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(exactly(&mut stream, 1));
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");

    // A mask of zeros leaves the payload as it is.
    stream.write_all(b"\x81\x85\0\0\0\0hello").unwrap();
    assert_eq!(exactly(&mut stream, 7), b"\x81\x05hello");
    shop.term();
    let close = b"\x88\x0f\x03\xe9shutting down";
    assert_eq!(exactly(&mut stream, close.len()), close);
    stream.write_all(b"\x88\x82\0\0\0\0\x03\xe9").unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
    assert_eq!(shop.ended(), Some(0));
}
