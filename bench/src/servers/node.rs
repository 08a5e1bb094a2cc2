//! Node's servers: its own, and those from npm.

use std::fs;
use std::process::Command;

use anyhow::Context;

use super::server::{Crowd, Place, RealServer, Reason, Routes, source};
use super::{word, words};
use crate::kit::{Kit, run};

pub const SERVERS: &[RealServer] = &[
    RealServer {
        name: "node-http",
        title: "Node's `http`, Node 20.20",
        started: "`server.close()` on SIGTERM",
        preset: Some("node"),
        clients: Crowd::Usual,
        is_proxy: false,
        routes: Routes::Own,
        h2: false,
        prepare: |_| run(Command::new("node").arg("--version")),
        command: |_, place| Ok(node(word(source("node-http/server.js")), place)),
        breaks: HTTP,
    },
    RealServer {
        name: "express",
        title: "Express 5.3, Node 20.20",
        started: "`server.close()` on SIGTERM",
        preset: Some("node"),
        clients: Crowd::Usual,
        is_proxy: false,
        routes: Routes::Own,
        h2: false,
        prepare: |kit| package(kit, "express", "express@5.3.0"),
        command: |kit, place| Ok(node(word(kit.folder("node").join("express.js")), place)),
        breaks: EXPRESS,
    },
    RealServer {
        name: "fastify",
        title: "Fastify 5.12, Node 20.20",
        started: "`fastify.close()` on SIGTERM",
        preset: Some("node"),
        clients: Crowd::Usual,
        is_proxy: false,
        routes: Routes::Own,
        h2: false,
        prepare: |kit| package(kit, "fastify", "fastify@5.12.8"),
        command: |kit, place| Ok(node(word(kit.folder("node").join("fastify.js")), place)),
        breaks: FASTIFY,
    },
];

const HTTP: &[Reason] = &[
    Reason::of(
        &["keepalive-lossless"],
        "`server.close()` destroys idle connections (`closeIdleConnections`, lib/_http_server.js:597), each \
         with a FIN that crosses a request on its way",
    ),
    Reason::of(
        &["accept-lossless", "no-reset"],
        "`server.close()` closes the listening socket (`this._handle.close()`, lib/net.js:2292): close(2) \
         resets what waits in its queue, and each handshake whose last ACK comes later",
    ),
    Reason::of(
        &["idle-exits", "within-grace"],
        "`server.close()` stops the timer that enforces `headersTimeout` and `requestTimeout` \
         (lib/_http_server.js:519), and a connection on which nothing has come is not among the idle ones: \
         silent peers, half a head and half a body are waited for without end",
    ),
    Reason::of(
        &["stuck-told"],
        "the example has no time limit of its own, so it waits until it is killed",
    ),
    Reason::of(
        &["second-signal"],
        "the handler calls `server.close()` again, which does nothing more",
    ),
    Reason::of(
        &["close-announced"],
        "a response says close only if its request did (lib/_http_outgoing.js:485), whether the server is \
         closing or not",
    ),
];
const EXPRESS: &[Reason] = &[
    Reason::of(
        &["keepalive-lossless"],
        "`server.close()` destroys idle connections (`closeIdleConnections`, lib/_http_server.js:597), each \
         with a FIN that crosses a request on its way",
    ),
    Reason::of(
        &["accept-lossless", "no-reset"],
        "`server.close()` closes the listening socket (`this._handle.close()`, lib/net.js:2292): close(2) \
         resets what waits in its queue, and each handshake whose last ACK comes later",
    ),
    Reason::of(
        &["idle-exits", "within-grace"],
        "`server.close()` stops the timer that enforces `headersTimeout` and `requestTimeout` \
         (lib/_http_server.js:519), and a connection on which nothing has come is not among the idle ones: \
         silent peers, half a head and half a body are waited for without end",
    ),
    Reason::of(
        &["stuck-told"],
        "the example has no time limit of its own, so it waits until it is killed",
    ),
    Reason::of(
        &["second-signal"],
        "the handler calls `server.close()` again, which does nothing more",
    ),
    Reason::of(
        &["close-announced"],
        "a response says close only if its request did (lib/_http_outgoing.js:485), whether the server is \
         closing or not",
    ),
];
const FASTIFY: &[Reason] = &[
    Reason::of(
        &["keepalive-lossless"],
        "`fastify.close()` comes to `server.close()` (fastify.js:442), which destroys idle connections \
         (Node's lib/_http_server.js:597)",
    ),
    Reason::of(
        &["accept-lossless", "no-reset"],
        "`server.close()` closes the listening socket (`this._handle.close()`, lib/net.js:2292): close(2) \
         resets what waits in its queue, and each handshake whose last ACK comes later",
    ),
    Reason::of(
        &["idle-exits", "within-grace"],
        "`server.close()` stops the timer that enforces `headersTimeout` and `requestTimeout` \
         (lib/_http_server.js:519), and a connection on which nothing has come is not among the idle ones: \
         silent peers, half a head and half a body are waited for without end",
    ),
    Reason::of(
        &["stuck-told"],
        "the example has no time limit of its own, so it waits until it is killed",
    ),
    Reason::of(
        &["second-signal"],
        "the handler calls `fastify.close()` again, which waits for the first call",
    ),
    Reason::of(
        &["close-announced"],
        "only requests that come after the signal are told so, with a 503 (lib/route.js:488); those in flight \
         are not",
    ),
];

/// A module looks for packages beside its own file.
fn package(kit: &Kit, name: &str, package: &str) -> anyhow::Result<()> {
    run(Command::new("node").arg("--version"))?;
    kit.npm(package)?;
    let file = kit.folder("node").join(format!("{name}.js"));
    fs::copy(source(&format!("{name}/server.js")), &file)
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(())
}

fn node(program: String, place: &Place) -> Vec<String> {
    words(&["node", &program, &place.port()])
}
