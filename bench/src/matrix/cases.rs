//! The faults, and what each of them breaks: exactly these promises, and no other.

use std::time::Duration;

use crate::planted::Planted;

/// A server with one fault.
pub struct Case {
    pub server: Planted,
    /// Its name on the server's command line.
    pub fault: &'static str,
    /// What the server does.
    pub does: &'static str,
    /// What must come of it.
    pub expected: Expected,
    /// What it has from the signal to its end.
    pub grace: Duration,
}

/// What must come of a case.
pub enum Expected {
    /// These promises are broken, and no other.
    Breaks {
        /// At any distance.
        anywhere: &'static [&'static str],
        /// Over 40 ms. Without a round trip there are only microseconds in which it could be seen: there it may be or not.
        far: &'static [&'static str],
        /// It takes chance to see it.
        perhaps: &'static [&'static str],
    },
    /// The run ends before any signal, and says this.
    Unhealthy(&'static str),
}

const fn case(
    server: Planted,
    fault: &'static str,
    does: &'static str,
    anywhere: &'static [&'static str],
) -> Case {
    let expected = Expected::Breaks {
        anywhere,
        far: &[],
        perhaps: &[],
    };
    Case {
        server,
        fault,
        does,
        expected,
        grace: Duration::from_secs(4),
    }
}

impl Case {
    const fn far(mut self, promises: &'static [&'static str]) -> Case {
        if let Expected::Breaks { far, .. } = &mut self.expected {
            *far = promises;
        }
        self
    }

    const fn perhaps(mut self, promises: &'static [&'static str]) -> Case {
        if let Expected::Breaks { perhaps, .. } = &mut self.expected {
            *perhaps = promises;
        }
        self
    }

    const fn grace(mut self, seconds: u64) -> Case {
        self.grace = Duration::from_secs(seconds);
        self
    }

    const fn unhealthy(mut self, says: &'static str) -> Case {
        self.expected = Expected::Unhealthy(says);
        self
    }

    /// Its name in tables and filters: `rust/resets`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.server.name().to_lowercase(), self.fault)
    }
}

use Planted::{Node, Python, Rust};

/// Every case, server by server.
#[rustfmt::skip]
pub const CASES: &[Case] = &[
    case(Rust, "none", "nothing wrong", &[]),
    case(Rust, "always-errors", "answers 500, signalled or not", &[]).unhealthy("status 500"),
    case(Rust, "not-found", "answers 404 from the signal on", &["inflight-completes", "lame-duck-serves"]),
    case(Rust, "unauthorized", "answers 401 from the signal on", &["inflight-completes", "lame-duck-serves"]),
    case(Rust, "bad-request", "answers 400 from the signal on", &["inflight-completes", "lame-duck-serves"]),
    case(Rust, "empty", "answers 200 without a body from the signal on, orders too, which it does not enter",
        &["inflight-completes", "lame-duck-serves", "jobs-accounted"]),
    case(Rust, "redirects", "answers 302 from the signal on", &["inflight-completes", "lame-duck-serves"]),
    case(Rust, "too-many", "answers 429 from the signal on", &["inflight-completes", "lame-duck-serves"]),
    case(Rust, "errors", "answers 503 from the signal on", &["inflight-completes", "lame-duck-serves", "notice-served"]),
    case(Rust, "resets", "resets instead of answering, from the signal on",
        &["inflight-completes", "lame-duck-serves", "keepalive-lossless", "accept-lossless", "no-reset"]),
    case(Rust, "closes", "closes instead of answering, from the signal on",
        &["inflight-completes", "lame-duck-serves", "keepalive-lossless", "accept-lossless"]),
    case(Rust, "cuts", "sends half of each response, from the signal on, to orders too, which it does not enter",
        &["inflight-completes", "lame-duck-serves", "keepalive-lossless", "download-completes", "jobs-accounted"]),
    case(Rust, "short-bodies", "ends bodies without a length early, by FIN", &["download-completes"]),
    case(Rust, "short-uploads", "answers 200 when half of an upload has come", &["upload-completes"]),
    case(Rust, "drops-uploads", "closes on uploads under way, without a word, and exits with 0",
        &["upload-completes", "stuck-told", "second-signal"]),
    case(Rust, "stops-accepting", "keeps its listener for 4.5 s and accepts nobody",
        &["accept-lossless", "lame-duck-serves"]).perhaps(&["no-reset"]).grace(8),
    case(Rust, "drops-queue", "closes its listener with connections in its queue",
        &["accept-lossless", "lame-duck-serves", "no-reset"]),
    case(Rust, "resets-accepted", "accepts, and resets at once",
        &["accept-lossless", "lame-duck-serves", "no-reset"]),
    case(Rust, "refuses-at-once", "refuses 150 ms after the signal", &["notice-served"]),
    case(Rust, "slows", "takes 800 ms more for each answer", &["lame-duck-serves"]),
    case(Rust, "resets-at-exit", "says that it closes, and resets at its end (SO_LINGER 0)", &["no-reset"]),
    case(Rust, "stays-ready", "stays ready", &["ready-flips"]),
    case(Rust, "not-alive", "is no longer alive once signalled", &["live-holds"]),
    case(Rust, "unannounced", "says nothing of closing, and ends at last under requests",
        &["close-announced", "keepalive-lossless", "exits-zero"]).perhaps(&["no-reset"]),
    case(Rust, "closes-idle", "closes idle connections at the signal", &[]).far(&["keepalive-lossless", "lame-duck-serves"]),
    case(Rust, "hostage", "waits for peers for ever", &["idle-exits", "within-grace", "stuck-told"]),
    case(Rust, "exit-three", "exits with 3", &["exits-zero"]),
    case(Rust, "deaf", "does not react to the signal",
        &["within-grace", "ready-flips", "close-announced", "startup-signal", "second-signal", "stuck-told"]),
    case(Rust, "dies", "leaves the signal to the kernel, which ends it on the spot",
        &["inflight-completes", "keepalive-lossless", "accept-lossless", "no-reset", "upload-completes",
            "download-completes", "notice-served", "exits-zero", "stuck-told"]),
    case(Rust, "stuck-untold", "lets go without a word, and exits with 0", &["stuck-told"]),
    case(Rust, "one-signal", "a further signal changes nothing", &["second-signal"]),
    case(Rust, "start-up-fails", "exits with 1 when the signal comes during start-up", &["startup-signal"]),
    case(Rust, "loses-orders", "acknowledges orders without entering them", &["jobs-accounted"]),
    case(Rust, "swaps-orders", "of two orders loses one and leaves one unanswered: by count nothing is missing",
        &["jobs-accounted", "accept-lossless", "keepalive-lossless", "lame-duck-serves"]),
    case(Rust, "drops-jobs", "forgets the jobs that wait", &["jobs-accounted"]),
    case(Rust, "holds-job", "ends in the middle of a job that nobody takes up", &["jobs-accounted"]),
    case(Rust, "forgets", "begins with empty books", &["jobs-accounted"]),

    case(Python, "none", "nothing wrong", &[]),
    case(Python, "event-status", "answers 404 where its event stream should be", &[]).unhealthy("status 404"),
    case(Python, "websocket-refuses", "answers 403 to each WebSocket", &[]).unhealthy("403"),
    case(Python, "resets", "resets instead of answering, from the signal on",
        &["inflight-completes", "lame-duck-serves", "keepalive-lossless", "accept-lossless", "no-reset"]),
    case(Python, "closes", "closes instead of answering, from the signal on",
        &["inflight-completes", "lame-duck-serves", "keepalive-lossless", "accept-lossless"]),
    case(Python, "not-found", "answers 404 from the signal on", &["inflight-completes", "lame-duck-serves"]),
    case(Python, "empty", "answers 200 without a body from the signal on, orders too, which it does not enter",
        &["inflight-completes", "lame-duck-serves", "jobs-accounted"]),
    case(Python, "short-bodies", "ends bodies without a length early, by FIN", &["download-completes"]),
    case(Python, "closes-idle", "closes idle connections at the signal", &[]).far(&["keepalive-lossless", "lame-duck-serves"]),
    case(Python, "drops-queue", "closes its listener with connections in its queue",
        &["accept-lossless", "lame-duck-serves", "no-reset"]),
    case(Python, "stays-ready", "stays ready", &["ready-flips"]),
    case(Python, "unannounced", "says nothing of closing, and ends at last under requests",
        &["close-announced", "keepalive-lossless", "exits-zero"]).perhaps(&["no-reset"]),
    case(Python, "exit-three", "exits with 3", &["exits-zero"]),
    case(Python, "stuck-untold", "lets go without a word, and exits with 0", &["stuck-told"]),
    case(Python, "loses-orders", "acknowledges orders without entering them", &["jobs-accounted"]),
    case(Python, "event-cut", "ends event streams without their last chunk", &["sse-ends"]),
    case(Python, "event-torn", "ends event streams in the middle of an event", &["sse-ends"]),
    case(Python, "events-hang", "never ends its event streams", &["sse-ends", "exits-zero"]),
    case(Python, "websocket-cut", "ends WebSockets without a Close", &["websocket-closed"]),
    case(Python, "websocket-1000", "closes WebSockets with 1000", &["websocket-closed"]),
    case(Python, "websocket-hurried", "says Close and does not wait for the answer", &["websocket-closed"]),
    case(Python, "websocket-burst", "sends all WebSockets away at once", &["websocket-paced"]),
    case(Node, "none", "nothing wrong", &[]),
    case(Node, "always-refuses-h2", "speaks no HTTP/2", &[]).unhealthy("--h2"),
    case(Node, "event-status", "answers 404 where its event stream should be", &[]).unhealthy("status 404"),
    case(Node, "websocket-refuses", "answers 403 to each WebSocket", &[]).unhealthy("403"),
    case(Node, "grpc-stream-status", "ends each gRPC stream PERMISSION_DENIED", &[]).unhealthy("PERMISSION_DENIED"),
    case(Node, "resets", "resets instead of answering, from the signal on",
        &["inflight-completes", "lame-duck-serves", "keepalive-lossless", "accept-lossless", "no-reset"]),
    case(Node, "closes", "closes instead of answering, from the signal on",
        &["inflight-completes", "lame-duck-serves", "keepalive-lossless", "accept-lossless"]),
    case(Node, "cuts", "sends half of each response, from the signal on, to orders too, which it does not enter",
        &["inflight-completes", "lame-duck-serves", "keepalive-lossless", "jobs-accounted"]),
    case(Node, "not-found", "answers 404 from the signal on", &["inflight-completes", "lame-duck-serves"]),
    case(Node, "empty", "answers 200 without a body from the signal on, orders too, which it does not enter",
        &["inflight-completes", "lame-duck-serves", "jobs-accounted"]),
    case(Node, "short-bodies", "ends bodies without a length early, by FIN", &["download-completes"]),
    case(Node, "plain-close", "closes its listener and its idle connections at the signal",
        &["notice-served"]).far(&["keepalive-lossless", "accept-lossless"]),
    case(Node, "drops-queue", "closes its listener with connections in its queue",
        &["accept-lossless", "lame-duck-serves", "no-reset"]),
    case(Node, "stays-ready", "stays ready", &["ready-flips"]),
    case(Node, "unannounced", "says nothing of closing, and ends at last under requests",
        &["close-announced", "keepalive-lossless", "exits-zero"]).perhaps(&["no-reset"]),
    case(Node, "exit-three", "exits with 3", &["exits-zero"]),
    case(Node, "loses-orders", "acknowledges orders without entering them", &["jobs-accounted"]),
    case(Node, "h2-status", "answers 404 over HTTP/2 from the signal on", &["h2-lossless", "lame-duck-serves"]),
    case(Node, "h2-cut", "resets streams under way (INTERNAL_ERROR)", &["h2-lossless", "lame-duck-serves"]),
    case(Node, "h2-no-goaway", "closes HTTP/2 connections without a GOAWAY", &["h2-lossless", "grpc-lossless"]),
    case(Node, "grpc-unimplemented", "ends calls UNIMPLEMENTED from the signal on", &["grpc-lossless", "lame-duck-serves"]),
    case(Node, "grpc-unavailable", "ends calls UNAVAILABLE from the signal on", &["grpc-lossless", "lame-duck-serves"]),
    case(Node, "grpc-cut", "resets calls under way (CANCEL)", &["grpc-lossless", "lame-duck-serves"]),
    case(Node, "grpc-stays-serving", "its health service says SERVING to the end", &["grpc-lossless"]),
    case(Node, "grpc-hangs", "never ends its gRPC streams", &["grpc-lossless", "exits-zero"]),
    case(Node, "event-cut", "ends event streams without their last chunk", &["sse-ends"]),
    case(Node, "event-torn", "ends event streams in the middle of an event", &["sse-ends"]),
    case(Node, "events-hang", "never ends its event streams", &["sse-ends", "exits-zero"]),
    case(Node, "websocket-cut", "ends WebSockets without a Close", &["websocket-closed"]),
    case(Node, "websocket-1000", "closes WebSockets with 1000", &["websocket-closed"]),
    case(Node, "websocket-burst", "sends all WebSockets away at once", &["websocket-paced"]),
];
