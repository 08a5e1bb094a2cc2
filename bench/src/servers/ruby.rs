//! Ruby's servers.

use super::server::{Crowd, RealServer, Reason, Routes, source};
use super::{installed, word, words};

pub const SERVERS: &[RealServer] = &[
    RealServer {
        name: "unicorn",
        title: "Unicorn 6.0",
        started: "`unicorn`, four workers, few clients; SIGQUIT",
        preset: Some("unicorn"),
        clients: Crowd::Few,
        is_proxy: false,
        routes: Routes::Own,
        h2: false,
        prepare: |_| installed("unicorn"),
        command: |_, place| {
            let address = place.address.to_string();
            let settings = word(source("unicorn/unicorn.rb"));
            let application = word(source("rack/config.ru"));
            Ok(words(&[
                "unicorn",
                "-l",
                &address,
                "-c",
                &settings,
                &application,
            ]))
        },
        breaks: UNICORN,
    },
    RealServer {
        name: "puma",
        title: "Puma 5.6",
        started: "`puma -t 8:32`, few clients",
        preset: Some("puma"),
        clients: Crowd::Few,
        is_proxy: false,
        routes: Routes::Own,
        h2: false,
        prepare: |_| installed("puma"),
        command: |_, place| {
            let address = format!("tcp://{}", place.address);
            Ok(words(&[
                "puma",
                "-t",
                "8:32",
                "-b",
                &address,
                &word(source("rack/config.ru")),
            ]))
        },
        breaks: PUMA,
    },
];

const UNICORN: &[Reason] = &[
    Reason::of(
        &["accept-lossless", "no-reset"],
        "each worker closes its copy of the listening socket in its handler of the signal (`nuke_listeners!`, \
         unicorn/http_server.rb:694), the master its own (line 341); with the last, close(2) resets what waits in its \
         queue",
    ),
    Reason::of(
        &["within-grace", "stuck-told"],
        "the master waits `timeout` (60 s) for its workers (unicorn/http_server.rb:342)",
    ),
    Reason::of(&["second-signal"], "a repeated SIGQUIT changes nothing"),
    Reason::perhaps(
        &["startup-signal"],
        "a signal that comes while the master makes its workers can go by unnoticed (its handler only queues it, \
         unicorn/http_server.rb:131): two of 13 that a script sent 0.25 to 1 s after the start",
    ),
];

const PUMA: &[Reason] = &[
    Reason::of(
        &["keepalive-lossless"],
        "the reactor closes what is idle (puma/reactor.rb:58) before requests that are on their way arrive",
    ),
    Reason::of(
        &["accept-lossless", "no-reset"],
        "the listening socket is closed after that (`@binder.close`, puma/server.rb:569), with whatever waits \
         in its queue; `drain_on_shutdown` is off by default",
    ),
    Reason::of(
        &["idle-exits", "within-grace", "stuck-told"],
        "a thread reads each head and body that has begun; `force_shutdown_after` is off by default \
         (puma/server.rb:573)",
    ),
    Reason::of(&["second-signal"], "a repeated SIGTERM changes nothing"),
];
