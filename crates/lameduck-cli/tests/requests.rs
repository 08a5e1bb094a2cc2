//! Servers that want more of a request than a path: a token, a name of the host, a base path, a method and a body.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

/// Set for the target alone, which is this program.
const SERVE_ON: &str = "LAMEDUCK_TEST_SERVE_WITH_AUTHORIZATION_ON";
const TOKEN: &str = "s3cret-token";

#[test]
fn serves_when_another_test_asks_for_it() {
    let Ok(address) = std::env::var(SERVE_ON) else {
        return;
    };
    for stream in TcpListener::bind(address).unwrap().incoming() {
        thread::spawn(move || answer_all(stream.unwrap()));
    }
}

/// 401 without the token, 404 elsewhere, 405 with another method, 400 with another body or without a user agent.
fn answer_all(mut stream: TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0u8; 1];
    while let Ok(1) = stream.read(&mut byte) {
        head.push(byte[0]);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8_lossy(&std::mem::take(&mut head)).into_owned();
        let lower = text.to_lowercase();
        let length = lower
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .and_then(|length| length.parse().ok())
            .unwrap_or(0);
        let mut body = vec![0u8; length];
        if stream.read_exact(&mut body).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(5));
        let status = match () {
            () if !lower.contains(&format!("\r\nauthorization: bearer {TOKEN}\r\n")) => 401,
            () if !lower.contains("\r\nhost: shop.example\r\n") => 421,
            () if !text
                .split(' ')
                .nth(1)
                .is_some_and(|path| path.starts_with("/api/")) =>
            {
                404
            }
            () if lower.starts_with("get /api/ready") => 200,
            () if !text.starts_with("PUT ") => 405,
            () if body != b"hello" || !lower.contains("\r\nuser-agent: lameduck-check/") => 400,
            () => 200,
        };
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn check(folder: &Path, flags: &[&str]) -> Output {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address").to_string();
    drop(listener);
    let ready = format!("http://{address}/api/ready");
    let small = "--rtt 0ms --clients 4 --per-request 2 --rounds 1 --startup-rounds 0 --idle 0 --only within-grace";
    Command::new(env!("CARGO_BIN_EXE_lameduck"))
        .args(["check", "--url", &format!("http://{address}/api")])
        .args([
            "--get",
            "/quick?x=1",
            "--ready",
            &ready,
            "--json",
            "out.json",
        ])
        .args(small.split(' '))
        .args(flags)
        .arg("--")
        .arg(std::env::current_exe().expect("this program's own file"))
        .args(["--exact", "serves_when_another_test_asks_for_it"])
        .env(SERVE_ON, &address)
        .env("TOKEN", TOKEN)
        .current_dir(folder)
        .output()
        .expect("the command line starts")
}

#[test]
fn a_server_that_wants_a_token_is_tried_and_the_token_is_never_printed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rest = [
        "--host",
        "shop.example",
        "--method",
        "PUT",
        "--body",
        "hello",
    ];
    let file = folder.path().join("headers");
    std::fs::write(&file, format!("Authorization: Bearer {TOKEN}\n")).unwrap();
    let from_environment = ["--header", "Authorization: Bearer ${TOKEN}"];
    for token in [from_environment, ["--header-file", "headers"]] {
        let output = check(folder.path(), &[&rest[..], &token].concat());
        let json = std::fs::read(folder.path().join("out.json")).unwrap_or_default();
        let told = [&output.stdout[..], &output.stderr, &json].concat();
        let told = String::from_utf8_lossy(&told);
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert!(!told.contains(TOKEN), "{told}");
    }
}

#[test]
fn without_what_the_server_wants_nothing_is_tested() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let token = ["--header", "Authorization: Bearer ${TOKEN}"];
    for (flags, status) in [
        (vec!["--host", "shop.example"], "401"),
        ([&token[..], &["--host", "shop.example"]].concat(), "405"),
        (token.to_vec(), "421"),
    ] {
        let output = check(
            folder.path(),
            &[&flags[..], &["--start-timeout", "1s"]].concat(),
        );
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {error}");
        assert!(
            error.contains(status),
            "{flags:?} should say {status}: {error}"
        );
        assert!(!error.contains(TOKEN), "{error}");
    }
}
