//! A test that did nothing is seen by whoever ran it, and counted.
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

use std::process::{Command, Output};

use real_servers::{REQUIRED, Run, skip};

/// Set in the process that skips.
const INNER: &str = "REAL_SERVERS_TEST_SKIPS";
const REASON: &str = "a server of the future not installed (wait)";

/// This very test in a process of its own, with its output captured by the harness as usual.
fn run_again(name: &str, required: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(INNER, "yes")
        .env(REQUIRED, required)
        .output()
        .unwrap()
}

#[test]
fn a_skip_is_seen_past_the_harness_and_counted_for_its_run() {
    if std::env::var_os(INNER).is_some() {
        skip(REASON);
        return;
    }
    let output = run_again(
        "a_skip_is_seen_past_the_harness_and_counted_for_its_run",
        "",
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&format!("SKIPPED: {REASON}\n")), "{said}");
    assert!(output.status.success(), "{output:?}");
    // Started by this process, so it is no part of the run that this one belongs to.
    let skipped = Run::this().skipped();
    assert_eq!(skipped.count(), 1, "{skipped}");
    assert!(skipped.to_string().contains(REASON), "{skipped}");
    assert!(!Run::parent().skipped().to_string().contains(REASON));
}

#[test]
fn a_skip_fails_where_nothing_may_be_missing() {
    if std::env::var_os(INNER).is_some() {
        skip(REASON);
        return;
    }
    let output = run_again("a_skip_fails_where_nothing_may_be_missing", "1");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains(REASON), "{said}");
}
