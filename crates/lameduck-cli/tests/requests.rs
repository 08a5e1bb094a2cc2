//! Servers that want more of a request than a path: a token, a name of the host, a base path, a method and a body.

mod server;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use server::Connection;

const TOKEN: &str = "s3cret-token";

#[test]
fn serves_when_another_test_asks_for_it() {
    server::serve_if_asked(answer);
}

/// 401 without the token, 404 elsewhere, 405 with another method, 400 with another body or without a user agent.
fn answer(text: &str, stream: &mut dyn Connection) -> Option<String> {
    let lower = text.to_lowercase();
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0u8; length];
    stream.read_exact(&mut body).ok()?;
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
    Some(format!(
        "HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok"
    ))
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
        .args(server::itself())
        .env(server::SERVE_ON, &address)
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
