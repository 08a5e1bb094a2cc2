//! Servers in Rust, as in the recipes without lameduck.

use anyhow::bail;

use super::server::{Crowd, Place, RealServer, Reason, Routes};
use super::{word, words};
use crate::process::this_program;

pub const SERVERS: &[RealServer] = &[
    RealServer {
        name: "axum",
        title: "axum 0.8",
        started: "`axum::serve` `.with_graceful_shutdown`",
        preset: None,
        clients: Crowd::Usual,
        is_proxy: false,
        routes: Routes::Shop,
        h2: true,
        prepare: |_| recipe("axum").map(drop),
        command: |_, place| plain("axum", place),
        breaks: AXUM,
    },
    RealServer {
        name: "actix",
        title: "actix-web 4",
        started: "`HttpServer`, its own handling of signals",
        preset: None,
        clients: Crowd::Usual,
        is_proxy: false,
        routes: Routes::Shop,
        h2: false,
        prepare: |_| recipe("actix").map(drop),
        command: |_, place| plain("actix", place),
        breaks: ACTIX,
    },
    RealServer {
        name: "tonic",
        title: "tonic 0.14",
        started: "`serve_with_incoming_shutdown`, with HTTP/1.1",
        preset: None,
        clients: Crowd::Usual,
        is_proxy: false,
        routes: Routes::Shop,
        h2: true,
        prepare: |_| recipe("tonic").map(drop),
        command: |_, place| plain("tonic", place),
        breaks: TONIC,
    },
];

const AXUM: &[Reason] = &[
    Reason::of(
        &["keepalive-lossless"],
        "idle connections are closed at once (`disable_keep_alive`, hyper 1.12 proto/h1/conn.rs:906), silent \
         ones by `read_version.cancel()` (hyper-util 0.1.21 server/conn/auto/mod.rs:468)",
    ),
    Reason::of(
        &["accept-lossless", "no-reset"],
        "`drop(listener)` (axum 0.8.9 serve/mod.rs:297): close(2) of the listening socket resets what waits \
         in its queue, and each handshake whose last ACK comes later",
    ),
    Reason::of(
        &["idle-exits", "within-grace", "stuck-told"],
        "it waits for its connections without end (`close_tx.closed()`, axum 0.8.9 serve/mod.rs:303), and \
         there is no time limit for a head or a body",
    ),
    Reason::of(
        &["second-signal"],
        "`signal::ctrl_c` and `signal::unix` have replaced the default effect for good",
    ),
];
const ACTIX: &[Reason] = &[
    Reason::of(
        &["keepalive-lossless"],
        "idle connections are closed as they drain (`Flags::DRAINING`, actix-http 3.20 h1/dispatcher.rs:912)",
    ),
    Reason::of(
        &["accept-lossless", "no-reset"],
        "the accept loop ends with the signal (`WakerInterest::Stop`, actix-server 2.10 accept.rs:282), and \
         close(2) of the listening socket resets what waits in its queue, and each handshake whose last ACK \
         comes later",
    ),
    Reason::of(
        &["within-grace", "stuck-told"],
        "`shutdown_timeout` is 30 s by default, longer than the grace of 10 s",
    ),
    Reason::of(&["second-signal"], "a repeated SIGTERM changes nothing"),
];
const TONIC: &[Reason] = &[
    Reason::of(
        &["keepalive-lossless"],
        "idle connections are closed at once (`conn.as_mut().graceful_shutdown()`, tonic 0.14.9 \
         transport/server/mod.rs:989, comes to hyper's `disable_keep_alive`)",
    ),
    Reason::of(
        &["accept-lossless", "no-reset"],
        "`incoming` is dropped with the signal (tonic 0.14.9 transport/server/mod.rs:864): close(2) of the \
         listening socket resets what waits in its queue, and each handshake whose last ACK comes later",
    ),
    Reason::of(
        &["idle-exits", "within-grace", "stuck-told"],
        "it waits for its connections without end (`signal_tx.closed()`, tonic 0.14.9 \
         transport/server/mod.rs:914)",
    ),
    Reason::of(
        &["second-signal"],
        "`signal::unix` has replaced the default effect for good",
    ),
];

/// A recipe's program, built beside this one.
fn recipe(name: &str) -> anyhow::Result<String> {
    let path = this_program()?.with_file_name(format!("serve-{name}"));
    if !path.is_file() {
        bail!(
            "there is no {}; build it: cargo build -p lameduck-servers",
            path.display()
        );
    }
    Ok(word(path))
}

fn plain(name: &str, place: &Place) -> anyhow::Result<Vec<String>> {
    let program = recipe(name)?;
    let listen = place.address.to_string();
    Ok(words(&[&program, "--plain", "--listen", &listen]))
}
