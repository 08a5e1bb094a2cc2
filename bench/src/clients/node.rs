//! Node's clients: its own `fetch`, and those from npm.

use std::fs;
use std::process::Command;

use anyhow::Context;

use super::{Client, Protocol, source};
use crate::kit::{Kit, run};

pub const CLIENTS: &[Client] = &[
    Client {
        name: "fetch",
        protocol: Protocol::Http1,
        by_itself: "watches idle connections; repeats nothing",
        own_fault: None,
        prepare: |kit| prepare(kit, None),
        command: |kit| node(kit, "fetch.mjs"),
        variant: None,
    },
    Client {
        name: "undici",
        protocol: Protocol::Http1,
        by_itself: "watches idle connections; repeats nothing",
        own_fault: None,
        prepare: |kit| prepare(kit, Some("undici@7.30.2")),
        command: |kit| node(kit, "undici.mjs"),
        variant: None,
    },
    Client {
        name: "got",
        protocol: Protocol::Http1,
        by_itself: "watches idle connections; repeats a GET twice, after a second",
        own_fault: None,
        prepare: |kit| prepare(kit, Some("got@14.6.6")),
        command: |kit| node(kit, "got.mjs"),
        variant: None,
    },
    Client {
        name: "axios",
        protocol: Protocol::Http1,
        by_itself: "watches idle connections; repeats nothing",
        own_fault: None,
        prepare: |kit| prepare(kit, Some("axios@1.21.1")),
        command: |kit| node(kit, "axios.mjs"),
        variant: None,
    },
    Client {
        name: "grpc-js",
        protocol: Protocol::Grpc,
        by_itself: "repeats only what a GOAWAY says was not looked at",
        own_fault: None,
        prepare: |kit| prepare(kit, Some("@grpc/grpc-js@1.14.7")),
        command: |kit| node(kit, "grpc-js.mjs"),
        variant: None,
    },
];

fn prepare(kit: &Kit, package: Option<&str>) -> anyhow::Result<()> {
    run(Command::new("node").arg("--version"))?;
    if let Some(package) = package {
        kit.npm(package)?;
    }
    // A module looks for packages beside its own file.
    let folder = kit.folder("node");
    fs::create_dir_all(&folder)?;
    for file in fs::read_dir(source("node")).context("bench/clients/node")? {
        let file = file?;
        fs::copy(file.path(), folder.join(file.file_name()))?;
    }
    Ok(())
}

fn node(kit: &Kit, program: &str) -> Command {
    let mut it = Command::new("node");
    it.arg(kit.folder("node").join(program));
    it
}
