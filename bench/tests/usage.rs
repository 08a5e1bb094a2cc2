//! Bad usage is told by name, and nothing is measured.
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

use std::process::Command;

#[test]
fn bad_usage_names_the_flag_with_exit_2() {
    for (arguments, named) in [
        (["websockets", "--sockets", "0"], "--sockets"),
        (["instructions", "--requests", "0"], "--requests"),
        (["hostile", "--kinds", "polite"], "polite"),
        (["jobs", "--rounds", "none"], "--rounds"),
        (["queues", "--on", "paper"], "paper"),
        (["surroundings", "--only", "paradise"], "paradise"),
        (["matrix", "--only", "paradise"], "paradise"),
    ] {
        let program = env!("CARGO_BIN_EXE_lameduck-bench");
        let output = Command::new(program).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(named), "{said}");
    }
}
