//! Nothing of ours makes a failing test binary look good.

use std::process::Command;
use std::time::Duration;

use lameduck::Lifecycle;

/// Set where this binary runs itself, for the tests that are parts of another.
const PART: &str = "LAMEDUCK_TEST_PART";

fn is_part() -> bool {
    std::env::var_os(PART).is_some()
}

#[test]
fn exits_zero_only_if_every_test_went_well() {
    let parts = [
        "harness::part_one_runs_a_lifecycle_that_owns_the_process",
        "harness::part_two_fails_later",
    ];
    for threads in ["1", "4"] {
        let ended = Command::new(std::env::current_exe().unwrap())
            .args(parts)
            .args(["--exact", "--test-threads", threads])
            .env(PART, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert_eq!(ended.status.code(), Some(101), "{said}");
        assert!(said.contains("1 passed; 1 failed"), "{said}");
    }
}

#[test]
fn part_one_runs_a_lifecycle_that_owns_the_process() {
    if !is_part() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let life = Lifecycle::new().grace(Duration::from_secs(1));
        life.handle().shutdown("the test is over");
        assert_eq!(life.run().await.code(), 0);
    });
}

#[test]
fn part_two_fails_later() {
    if !is_part() {
        return;
    }
    // Longer than the grace of the other.
    std::thread::sleep(Duration::from_millis(1500));
    panic!("a bug that this test finds");
}
