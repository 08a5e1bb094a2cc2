//! `lameduck check --from`: an earlier report once more, byte for byte, without running anything.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lameduck");

fn check(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .arg("check")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the command line starts")
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").to_string()
}

fn is_the_same(folder: &Path, first: &str, again: &str) {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect(name);
    let (first_text, again_text) = (read(first), read(again));
    assert!(!first_text.is_empty(), "{first} is empty");
    assert!(first_text == again_text, "{first} and {again} differ");
}

#[test]
fn an_earlier_report_comes_out_as_it_did_then_in_all_its_forms() {
    let folder = tempfile::tempdir().expect("a folder");
    let (listen, admin) = (free_address(), free_address());
    let url = format!("http://{listen}");
    let run = "--get /work?ms=5 --rounds 2 --rtt 0ms --startup-rounds 1 --idle 0 --clients 4 --expect-exit 7 --strict \
               --json out.json --html out.html --junit out.xml --url";
    let mut arguments: Vec<&str> = run.split_whitespace().collect();
    arguments.extend([
        &url, "--", PROGRAM, "shop", "--listen", &listen, "--admin", &admin,
    ]);
    let first = check(folder.path(), &arguments);
    // Something has to be broken, so that there is evidence.
    assert_eq!(first.status.code(), Some(1), "{first:?}");
    let again = "--from out.json --json again.json --html again.html --junit again.xml";
    let again: Vec<&str> = again.split_whitespace().collect();
    let again = check(folder.path(), &again);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(text(&first), text(&again));
    for ending in ["json", "html", "xml"] {
        is_the_same(
            folder.path(),
            &format!("out.{ending}"),
            &format!("again.{ending}"),
        );
    }
    let page = std::fs::read_to_string(folder.path().join("again.html")).expect("a page");
    assert!(page.contains("\"began_ms\""), "without its pictures");
}

#[test]
fn of_a_run_that_came_to_no_verdict_it_is_told_why_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let none = [
        "--url",
        "http://127.0.0.1:1",
        "--get",
        "/",
        "--json",
        "out.json",
        "--junit",
        "out.xml",
        "--",
        "false",
    ];
    let first = check(folder.path(), &none);
    assert_eq!(first.status.code(), Some(2), "{first:?}");
    let again = [
        "--from",
        "out.json",
        "--json",
        "again.json",
        "--junit",
        "again.xml",
    ];
    let again = check(folder.path(), &again);
    assert_eq!(again.status.code(), Some(2), "{again:?}");
    let errors = String::from_utf8_lossy(&again.stderr);
    assert!(errors.contains("exit code 1"), "{errors}");
    is_the_same(folder.path(), "out.json", "again.json");
    is_the_same(folder.path(), "out.xml", "again.xml");
}

#[test]
fn what_is_no_report_is_an_error_that_says_what_was_expected() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("out.json"), "{\"a\": 1}").expect("it is there");
    for (arguments, says) in [
        (&["--from", "out.json"][..], "check --json FILE"),
        (&["--from", "nowhere.json"], "nowhere.json"),
        (
            &["--from", "out.json", "--url", "http://127.0.0.1:1"],
            "--from",
        ),
    ] {
        let output = check(folder.path(), arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(says), "should say {says}: {errors}");
    }
}
