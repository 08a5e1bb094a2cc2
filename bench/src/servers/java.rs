//! The JDK's own server.

use super::server::{Crowd, RealServer, Reason, Routes, source};
use super::{installed, word, words};

pub const SERVERS: &[RealServer] = &[RealServer {
    name: "java",
    title: "the JDK's `HttpServer`, Java 17",
    started: "`server.stop(5)` in a shutdown hook",
    preset: Some("java"),
    clients: Crowd::Usual,
    is_proxy: false,
    routes: Routes::Own,
    h2: false,
    prepare: |_| installed("java"),
    command: |_, place| {
        Ok(words(&[
            "java",
            &word(source("java/Server.java")),
            &place.port(),
        ]))
    },
    breaks: BREAKS,
}];

const BREAKS: &[Reason] = &[
    Reason::of(
        &["keepalive-lossless"],
        "`stop` closes all connections when the last exchange has ended, or the delay is over (`c.close()` in \
         `ServerImpl.stop`), whoever has asked something on one meanwhile",
    ),
    Reason::of(
        &["accept-lossless", "no-reset"],
        "`stop` closes the listening channel (`schan.close()` in `ServerImpl.stop`); with the connections \
         that it closes under requests come resets",
    ),
    Reason::of(
        &["close-announced"],
        "responses during the delay have no `Connection: close`",
    ),
    Reason::of(&["stuck-told"], "what is cut after the delay is not named"),
    Reason::of(
        &["second-signal"],
        "a JVM that is running its shutdown hooks ignores further signals",
    ),
];
