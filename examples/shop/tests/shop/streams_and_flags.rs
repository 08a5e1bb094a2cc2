//! Streams, folders and flags.

use std::io::Read;
use std::path::Path;

use crate::service::{PENCIL, Shop, run};

#[test]
fn sse_ends_on_an_event_boundary_and_says_when_to_come_back() {
    let shop = Shop::start(&[]);
    let mut stream = shop.ask("GET /events", "");
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("data: event 3\n\n") {
        let mut some = [0; 1024];
        let n = stream.read(&mut some).unwrap();
        assert!(n > 0);
        seen.extend(&some[..n]);
    }
    shop.term();
    stream.read_to_end(&mut seen).unwrap();
    let text = String::from_utf8(seen).unwrap();
    // The last chunk of the encoding, after the last line of the stream.
    let stream = text.strip_suffix("\n\n\r\n0\r\n\r\n");
    let stream = stream.unwrap_or_else(|| panic!("{text}"));
    let (events, retry) = stream.rsplit_once("retry: ").unwrap();
    let retry: u64 = retry.parse().unwrap();
    assert!((1000..=3000).contains(&retry), "{retry}");
    // Its own chunk begins where an event has ended.
    let (_, before) = events.trim_end().rsplit_once("data: event ").unwrap();
    assert!(before.contains("\n\n\r\n"), "{text}");
    assert_eq!(shop.ended(), Some(0));
}

#[test]
fn a_temporary_folder_is_gone_with_the_shop() {
    let shop = Shop::start(&[]);
    assert_eq!(shop.order(PENCIL).0, 201);
    let folder = shop.temporary.clone().unwrap();
    assert!(Path::new(&folder).is_dir());
    assert_eq!(shop.stop(), Some(0));
    assert!(!Path::new(&folder).exists(), "no-orphans: {folder}");
}

#[test]
fn a_ledger_of_nothing_is_refused_with_the_fix() {
    let output = run(&["ledger"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--data DIR"));

    let empty = tempfile::tempdir().unwrap();
    let output = run(&["ledger", "--data", empty.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no shop.sqlite"));
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let output = run(&["--data", "/dev/null/orders"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--data /dev/null/orders"), "{said}");
}

#[test]
fn a_flag_that_cannot_be_is_told_with_exit_2() {
    for bad in [
        ["--grace", "soon"],
        ["--grace", "0s"],
        ["--listen", "nowhere"],
    ] {
        let mut args = vec!["--admin", "127.0.0.1:0"];
        args.extend(bad);
        let output = run(&args);
        assert_eq!(output.status.code(), Some(2), "{bad:?}: {output:?}");
        assert!(!output.stderr.is_empty());
    }
}
