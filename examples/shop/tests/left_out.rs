//! What a shop says that was built without something, when it is asked for it. One that has everything is asked
//! nothing here; `.ci/run` runs this with `--no-default-features` too.
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

use std::process::{Command, Output};

/// A feature, whether it is in, and what is asked for.
const CASES: [(&str, bool, [&str; 4]); 6] = [
    ("nats", cfg!(feature = "nats"), queue("nats://127.0.0.1:1")),
    (
        "postgres",
        cfg!(feature = "postgres"),
        queue("postgresql://127.0.0.1:1/x"),
    ),
    (
        "postgres",
        cfg!(feature = "postgres"),
        ["--database", "postgres://127.0.0.1:1/x", "--workers", "1"],
    ),
    (
        "rabbitmq",
        cfg!(feature = "rabbitmq"),
        queue("amqp://127.0.0.1:1"),
    ),
    (
        "redis",
        cfg!(feature = "redis"),
        queue("redis://127.0.0.1:1"),
    ),
    (
        "tls",
        cfg!(feature = "tls"),
        ["--tls-cert", "/nowhere/crt", "--tls-key", "/nowhere/key"],
    ),
];

const fn queue(url: &str) -> [&str; 4] {
    ["--queue", url, "--workers", "1"]
}

fn shop(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shop"))
        .env_clear()
        .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .args(args)
        .output()
        .unwrap()
}

#[test]
fn what_was_left_out_is_refused_by_the_name_of_its_feature() {
    for (feature, is_in, args) in CASES {
        if is_in {
            continue;
        }
        let output = shop(&args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(args[0]) && said.contains(args[1]), "{said}");
        let fix = format!("without the feature `{feature}`; build it with `--features {feature}`");
        assert!(said.contains(&fix), "{args:?}: {said}");
    }
}

#[test]
fn an_address_that_no_shop_knows_is_refused_by_the_flag() {
    for (flag, fix) in [("--queue", "amqp://…"), ("--database", "--data DIR")] {
        let output = shop(&[flag, "mysql://127.0.0.1:1/x"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(flag) && said.contains(fix), "{said}");
        assert!(!said.contains("feature"), "{said}");
    }
}
