//! `curl`, which says with its exit code whether a response was whole.

use std::process::Command;

use real_servers::{or_skip, runs};

use super::{Client, Served};

/// With the protocol as the connection's first word over cleartext, by ALPN over TLS.
const PROTOCOLS: [(&str, bool); 4] = [
    ("--http1.1", false),
    ("--http2-prior-knowledge", false),
    ("--http1.1", true),
    ("--http2", true),
];

fn is_here() -> bool {
    let check = &mut Command::new("curl");
    let check = check.arg("--version");
    or_skip(runs(check, "curl", "apt-get install curl")).is_some()
}

fn curl(served: &Served, protocol: &str, path: &str) -> Client {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--insecure", "--no-buffer"]);
    command.args([
        protocol,
        "--write-out",
        "\n%{http_version} %{http_code} %{size_download}",
    ]);
    Client::start(command.arg(served.url("http", path)))
}

fn version(protocol: &str) -> &str {
    if protocol == "--http1.1" { "1.1" } else { "2" }
}

#[test]
fn download_completes_as_curl_sees_it() {
    if !is_here() {
        return;
    }
    for (protocol, tls) in PROTOCOLS {
        let served = Served::start(tls);
        let mut client = curl(&served, protocol, "/stream?ms=1000");
        let first = client.line();
        assert_eq!(first, "chunk 1 of 10");
        served.shop.term();
        let (rest, code) = client.ended();
        assert_eq!(code, Some(0), "{protocol}, tls: {tls}: {rest}");
        let end = format!("\n{} 200 {}", version(protocol), 10 * 1024);
        assert!(rest.ends_with(&end), "{rest}");
        assert_eq!(served.shop.ended(), Some(0));
    }
}

#[test]
fn sse_ends_as_curl_sees_it() {
    if !is_here() {
        return;
    }
    for (protocol, tls) in PROTOCOLS {
        let served = Served::start(tls);
        let mut client = curl(&served, protocol, "/events");
        while !client.line().starts_with("data: ") {}
        served.shop.term();
        let (rest, code) = client.ended();
        assert_eq!(code, Some(0), "{protocol}, tls: {tls}: {rest}");
        let (events, answer) = rest.rsplit_once('\n').unwrap();
        assert!(events.ends_with("\n\n"), "{events}");
        assert!(events.contains("\nretry: "), "{events}");
        let expected = format!("{} 200 ", version(protocol));
        assert!(answer.starts_with(&expected), "{answer}");
        assert_eq!(served.shop.ended(), Some(0));
    }
}
