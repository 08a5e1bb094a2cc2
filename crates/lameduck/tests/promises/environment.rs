//! A value that cannot be is refused before any port is bound: by variable, value and a good
//! example, with exit code 2.

use std::net::TcpListener;

use crate::service::{Ended, Start};

/// Runs the service with a port that is taken: had it tried to bind it, it would have said so and
/// exited with 1.
fn refused(name: &str, value: &str) -> Ended {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let ended = Start::new(&["--listen", &addr]).env(name, value).run();
    drop(taken);
    ended.exit(2);
    assert!(!ended.stderr.contains("cannot listen"), "{}", ended.stderr);
    ended
}

#[track_caller]
fn refused_with_example(name: &str, value: &str, example: &str) {
    let ended = refused(name, value);
    let line = ended
        .stderr
        .lines()
        .find(|line| line.contains(&format!("{name}={value}")))
        .unwrap_or_else(|| panic!("{name}={value} is not told: {}", ended.stderr));
    assert!(line.contains(example), "{line}");
}

#[test]
fn a_bad_grace_is_refused() {
    refused_with_example("LAMEDUCK_GRACE", "soon", "30s");
    refused_with_example("LAMEDUCK_GRACE", "30", "30s");
    refused_with_example("LAMEDUCK_GRACE", "0s", "30s");
    refused_with_example("LAMEDUCK_GRACE", "-5s", "30s");
    refused_with_example("LAMEDUCK_GRACE", "10years", "30s");
}

#[test]
fn a_bad_lame_duck_is_refused() {
    refused_with_example("LAMEDUCK_LAME_DUCK", "on", "2s..10s");
    refused_with_example("LAMEDUCK_LAME_DUCK", "2..10", "2s..10s");
    refused_with_example("LAMEDUCK_LAME_DUCK", "10s..2s", "2s..10s");
}

#[test]
fn bad_probers_are_refused() {
    refused_with_example("LAMEDUCK_PROBERS", "/up?deep=1", "/up,MyChecker/");
    refused_with_example("LAMEDUCK_PROBERS", "/up,,", "/up,MyChecker/");
}

#[test]
fn a_lame_duck_that_leaves_no_time_to_drain_is_refused() {
    let ended = refused("LAMEDUCK_LAME_DUCK", "5s");
    assert!(
        ended.stderr.contains("LAMEDUCK_LAME_DUCK"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("a grace of 2s"), "{}", ended.stderr);
}

#[test]
fn a_bad_admin_address_is_refused() {
    refused_with_example("LAMEDUCK_ADMIN", "9090", "0.0.0.0:9090");
    refused_with_example("LAMEDUCK_ADMIN", "0.0.0.0:port", "0.0.0.0:9090");
}

#[test]
fn a_report_that_cannot_be_written_is_refused() {
    refused_with_example(
        "LAMEDUCK_REPORT",
        "/no/such/folder/report.json",
        "/no/such/folder",
    );
    refused_with_example("LAMEDUCK_REPORT", "/tmp", "expected a file");
}

#[test]
fn bad_inherited_sockets_are_refused() {
    refused_with_example("LISTEN_FDS", "two", "for example 1");
    refused_with_example("LISTEN_FDS", "-1", "for example 1");
    refused_with_example("LISTEN_FDS", "99999", "for example 1");
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let ended = Start::new(&[])
        .env("LAMEDUCK_GRACE", "soon")
        .env("LAMEDUCK_ADMIN", "here")
        .run();
    ended.exit(2);
    assert!(
        ended.stderr.contains("LAMEDUCK_GRACE=soon"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("LAMEDUCK_ADMIN=here"),
        "{}",
        ended.stderr
    );
}

#[test]
fn an_address_that_is_none_is_refused() {
    let ended = Start::new(&["--listen", "localhost"]).run();
    ended.exit(2);
    assert!(ended.stderr.contains("localhost"), "{}", ended.stderr);
    assert!(ended.stderr.contains("127.0.0.1:8080"), "{}", ended.stderr);
}
