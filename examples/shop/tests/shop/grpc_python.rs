//! The same before the eyes of a client that shares no line of code with the server: Google's, from
//! Python.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use real_servers::{or_skip, python};

use crate::service::{PENCIL, Shop};

/// The client, if it can run here.
fn client() -> Option<Command> {
    let mut python = or_skip(python("grpc", "grpcio", "pip install grpcio"))?;
    python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shop/grpc_client.py"));
    Some(python)
}

fn start(args: &[&str]) -> Shop {
    let args = [&["--grace", "25s"], args].concat();
    Shop::start_with(&args, &[("LAMEDUCK_LAME_DUCK", "2s")])
}

/// Stops the shop when the client says so, and sees what it has seen.
fn sees_nothing_lost(mut client: Command, shop: Shop) {
    let mut client = client
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seen = Vec::new();
    for line in BufReader::new(client.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if line == "in flight" {
            shop.term();
        }
        seen.push(line);
    }
    assert!(client.wait().unwrap().success(), "{seen:?}");
    let expected = [
        "health SERVING",
        "watched pencil",
        "in flight",
        "health NOT_SERVING",
        "late call pencil",
        "late health NOT_SERVING",
        "slow call pencil",
        "watch ended OK",
        "health ended OK",
    ];
    assert_eq!(seen, expected);
    assert_eq!(shop.ended(), Some(0));
}

#[test]
fn grpc_lossless_to_the_python_client() {
    let Some(mut client) = client() else {
        return;
    };
    let shop = start(&[]);
    assert_eq!(shop.order(PENCIL).0, 201);
    client.arg(&shop.http);
    sees_nothing_lost(client, shop);
}

#[test]
fn grpc_lossless_to_the_python_client_over_tls() {
    let Some(mut client) = client() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (cert, key, data) = (file("tls.crt"), file("tls.key"), file("orders"));
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&cert, pair.cert.pem()).unwrap();
    std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    // An order placed in the clear, before: nobody here speaks HTTPS.
    let before = Shop::in_folder(Path::new(&data));
    assert_eq!(before.order(PENCIL).0, 201);
    assert_eq!(before.stop(), Some(0));
    let shop = start(&["--data", &data, "--tls-cert", &cert, "--tls-key", &key]);
    client.arg(&shop.http).arg(&cert);
    sees_nothing_lost(client, shop);
}
