//! A server of these tests: in a thread, or as the target of `lameduck check`, for which the test program starts again.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::thread;

/// Set for the target alone: the address that it serves on, or the path of a Unix socket.
#[allow(dead_code, reason = "not every test has a use for it")]
pub const SERVE_ON: &str = "LAMEDUCK_TEST_SERVE_ON";

/// What can be read from and written to.
pub trait Connection: Read + Write {}

impl<T: Read + Write> Connection for T {}

/// Makes of a head what is written as its answer, with what follows it still to be read; `None` ends the connection.
pub type Answer = fn(&str, &mut dyn Connection) -> Option<String>;

/// Serves for ever, if another test has started this program for that; else does nothing. To be called by the test that
/// [`itself`] names.
#[allow(dead_code, reason = "not every test has a use for it")]
pub fn serve_if_asked(answer: Answer) {
    let Ok(place) = std::env::var(SERVE_ON) else {
        return;
    };
    if place.starts_with('/') {
        // What the round before left behind.
        let _ = std::fs::remove_file(&place);
        let listener = UnixListener::bind(place).expect("a socket");
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer_all(stream, answer));
        }
    } else {
        let listener = TcpListener::bind(place).expect("a port");
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer_all(stream, answer));
        }
    }
}

/// The command that starts this program as such a server, by its test `serves_when_another_test_asks_for_it`.
#[allow(dead_code, reason = "not every test has a use for it")]
pub fn itself() -> [String; 3] {
    let program = std::env::current_exe().expect("this program's own file");
    let program = program.to_str().expect("UTF-8").to_owned();
    let test = "serves_when_another_test_asks_for_it".to_owned();
    [program, "--exact".to_owned(), test]
}

/// Answers one request after the other.
pub fn answer_all(
    mut stream: impl Connection,
    mut answer: impl FnMut(&str, &mut dyn Connection) -> Option<String>,
) {
    let mut head = Vec::new();
    let mut byte = [0u8; 1];
    while let Ok(1) = stream.read(&mut byte) {
        head.push(byte[0]);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8_lossy(&std::mem::take(&mut head)).into_owned();
        let Some(answer) = answer(&text, &mut stream) else {
            return;
        };
        if stream.write_all(answer.as_bytes()).is_err() || answer.contains("\r\nconnection: close")
        {
            return;
        }
    }
}
