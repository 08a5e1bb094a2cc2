//! The same before the eyes of a client that shares no line of code with the server: Google's, from
//! Python.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use real_servers::{or_skip, python};

use crate::service::{PENCIL, Shop};

#[test]
fn grpc_lossless_to_the_python_client() {
    let python = python("grpc", "grpcio", "pip install grpcio");
    let Some(mut python) = or_skip(python) else {
        return;
    };
    let lame_duck = [("LAMEDUCK_LAME_DUCK", "2s")];
    let shop = Shop::start_with(&["--grace", "25s"], &lame_duck);
    assert_eq!(shop.order(PENCIL).0, 201);
    let mut client = python
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shop/grpc_client.py"))
        .arg(&shop.http)
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
