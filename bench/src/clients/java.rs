//! Java's own `HttpClient`.

use std::process::Command;

use super::{Client, Protocol, source};
use crate::kit::{Kit, run};

pub const CLIENTS: &[Client] = &[
    Client {
        name: "java",
        protocol: Protocol::Http1,
        by_itself: "asks for `Upgrade: h2c` until it is refused; watches idle connections; repeats a GET on a new connection",
        own_fault: None,
        prepare,
        command,
        variant: None,
    },
    Client {
        name: "java-http1",
        protocol: Protocol::Http1,
        by_itself: "watches idle connections; repeats a GET on a new connection",
        own_fault: None,
        prepare,
        command,
        variant: Some("http1"),
    },
];

fn prepare(kit: &Kit) -> anyhow::Result<()> {
    // Not kept for another version: that takes a second, and the source may have changed.
    let folder = kit.folder("java");
    run(Command::new("javac")
        .arg("-d")
        .arg(folder)
        .arg(source("java/Client.java")))
}

fn command(kit: &Kit) -> Command {
    let mut it = Command::new("java");
    it.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"])
        .arg(kit.folder("java"))
        .arg("Client");
    it
}
