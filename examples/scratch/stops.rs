//! What both services are put to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

pub fn answers_and_exits_zero_at_sigterm(program: &str) {
    let mut service = Command::new(program)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(service.stdout.take().unwrap())
        .read_line(&mut address)
        .unwrap();
    let mut stream = TcpStream::connect(address.trim()).unwrap();
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("hello"),
        "{answer}"
    );
    let told = Command::new("kill")
        .arg(service.id().to_string())
        .status()
        .unwrap();
    assert!(told.success());
    assert_eq!(service.wait().unwrap().code(), Some(0));
}
