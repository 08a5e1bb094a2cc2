//! An embedded lifecycle asks the environment nothing; one that was made so does, and so does one that owns the process.
//!
//! A process has one environment, so each case is a process: this one again, with one of the tests that are ignored.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::process::Command;
use std::time::Duration;

use lameduck_core::{Exit, LameDuck, Lifecycle, Report};

/// Runs one of the ignored tests below with these variables.
fn in_a_process_of_its_own(test: &str, variables: &[(&str, &str)]) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", test, "--nocapture"])
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{stdout}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(stdout.contains("1 passed"), "{stdout}");
}

async fn ended(life: Lifecycle) -> (Exit, Report) {
    let handle = life.handle();
    handle.shutdown("test");
    life.run_with_report().await
}

#[test]
fn an_embedded_lifecycle_asks_the_environment_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let variables = [
        ("LAMEDUCK_GRACE", "10s"),
        ("LAMEDUCK_LAME_DUCK", "soon"),
        ("LAMEDUCK_SIGNALS", "KILL"),
        ("LAMEDUCK_REPORT", report.to_str().unwrap()),
        ("LISTEN_FDS", "many"),
    ];
    in_a_process_of_its_own("one_that_asks_nothing", &variables);
    assert!(!report.exists(), "no report of a part of a process");
}

#[tokio::test]
#[ignore = "run by the test above"]
async fn one_that_asks_nothing() {
    let (exit, report) = ended(Lifecycle::embedded()).await;
    assert_eq!((exit, report.grace), (Exit::CLEAN, Duration::from_secs(30)));
}

#[test]
fn the_environment_wins_over_the_code_where_it_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let variables = [
        ("LAMEDUCK_GRACE", "10s"),
        ("LAMEDUCK_LAME_DUCK", "1s"),
        ("LAMEDUCK_REPORT", report.to_str().unwrap()),
    ];
    in_a_process_of_its_own("those_that_ask", &variables);
    assert!(report.exists());
}

#[tokio::test]
#[ignore = "run by the test above"]
async fn those_that_ask() {
    for life in [Lifecycle::embedded_with_env(), Lifecycle::new()] {
        // What the code says is too long for the grace of the environment, and does not count.
        let life = life
            .grace(Duration::from_secs(20))
            .lame_duck(LameDuck::from(Duration::from_secs(9)));
        let (exit, report) = ended(life).await;
        assert_eq!((exit, report.grace), (Exit::CLEAN, Duration::from_secs(10)));
    }
}

#[test]
fn what_is_wrong_in_the_environment_is_refused_where_it_is_asked() {
    for variable in [("LAMEDUCK_GRACE", "soon"), ("LISTEN_FDS", "many")] {
        in_a_process_of_its_own("those_that_refuse", &[variable]);
    }
}

#[tokio::test]
#[ignore = "run by the test above"]
async fn those_that_refuse() {
    for life in [Lifecycle::embedded_with_env(), Lifecycle::new()] {
        assert_eq!(ended(life).await.0, Exit::BAD_CONFIGURATION);
    }
}
