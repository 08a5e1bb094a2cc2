//! Rust's clients, from crates.io. They are a workspace of their own: they are measured, not linked.

use std::process::Command;

use super::{Client, Protocol, source};
use crate::kit::{Kit, run};

pub const CLIENTS: &[Client] = &[
    Client {
        name: "reqwest",
        protocol: Protocol::Http1,
        by_itself: "watches idle connections; repeats only what was not sent",
        own_fault: None,
        prepare,
        command: |kit| built(kit, "reqwest"),
        variant: None,
    },
    Client {
        name: "reqwest-h2",
        protocol: Protocol::Http2,
        by_itself: "repeats only what a GOAWAY says was not looked at",
        own_fault: None,
        prepare,
        command: |kit| built(kit, "reqwest"),
        variant: Some("h2"),
    },
    Client {
        name: "hyper-util",
        protocol: Protocol::Http1,
        by_itself: "watches idle connections; repeats only what was not sent",
        own_fault: None,
        prepare,
        command: |kit| built(kit, "hyper-util"),
        variant: None,
    },
];

fn prepare(kit: &Kit) -> anyhow::Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--locked", "--manifest-path"])
        .arg(source("rust/Cargo.toml"))
        .arg("--target-dir")
        .arg(kit.folder("rust"));
    run(&mut cargo)
}

fn built(kit: &Kit, program: &str) -> Command {
    Command::new(kit.folder("rust").join("debug").join(program))
}
