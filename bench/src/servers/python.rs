//! Python's servers, from PyPI.

use super::server::{Crowd, Place, RealServer, Reason, Routes, source};
use super::{word, words};
use crate::kit::Kit;

pub const SERVERS: &[RealServer] = &[
    RealServer {
        name: "gunicorn-sync",
        title: "gunicorn 27, sync",
        started: "`gunicorn -w 4`, few clients",
        preset: Some("gunicorn"),
        clients: Crowd::Few,
        is_proxy: false,
        routes: Routes::Own,
        h2: false,
        prepare: |kit| kit.pip(GUNICORN),
        command: |kit, place| gunicorn(kit, place, "wsgi", &["-w", "4"]),
        breaks: GUNICORN_SYNC,
    },
    RealServer {
        name: "gunicorn-gthread",
        title: "gunicorn 27, gthread",
        started: "`gunicorn -w 2 --threads 32`",
        preset: Some("gunicorn"),
        clients: Crowd::Usual,
        is_proxy: false,
        routes: Routes::Own,
        h2: false,
        prepare: |kit| kit.pip(GUNICORN),
        command: |kit, place| gunicorn(kit, place, "wsgi", &["-w", "2", "--threads", "32"]),
        breaks: GUNICORN_GTHREAD,
    },
    RealServer {
        name: "gunicorn-uvicorn",
        title: "gunicorn 27 with workers of uvicorn 0.54",
        started: "`gunicorn -w 2 -k uvicorn_worker.UvicornWorker`",
        preset: Some("gunicorn"),
        clients: Crowd::Usual,
        is_proxy: false,
        routes: Routes::Own,
        h2: false,
        prepare: |kit| {
            kit.pip(GUNICORN)?;
            kit.pip(UVICORN)?;
            kit.pip("uvicorn-worker==0.4.0")
        },
        command: |kit, place| {
            gunicorn(
                kit,
                place,
                "asgi",
                &["-w", "2", "-k", "uvicorn_worker.UvicornWorker"],
            )
        },
        breaks: GUNICORN_UVICORN,
    },
    RealServer {
        name: "uvicorn",
        title: "uvicorn 0.54",
        started: "`uvicorn app:app`",
        preset: Some("uvicorn"),
        clients: Crowd::Usual,
        is_proxy: false,
        routes: Routes::Own,
        h2: false,
        prepare: |kit| kit.pip(UVICORN),
        command: |kit, place| {
            let folder = word(source("asgi"));
            Ok(program(
                kit,
                "uvicorn",
                &["--app-dir", &folder, "--port", &place.port(), "app:app"],
            ))
        },
        breaks: UVICORN_ALONE,
    },
    RealServer {
        name: "hypercorn",
        title: "Hypercorn 0.18",
        started: "`hypercorn app:app`",
        preset: None,
        clients: Crowd::Usual,
        is_proxy: false,
        routes: Routes::Own,
        h2: false,
        prepare: |kit| kit.pip("hypercorn==0.18.0"),
        command: |kit, place| {
            let app = format!("{}:app", word(source("asgi/app.py")));
            Ok(program(
                kit,
                "hypercorn",
                &["-b", &place.address.to_string(), &app],
            ))
        },
        breaks: HYPERCORN,
    },
    RealServer {
        name: "granian",
        title: "Granian 2.8",
        started: "`granian --interface asgi app:app`",
        preset: None,
        clients: Crowd::Usual,
        is_proxy: false,
        routes: Routes::Own,
        h2: false,
        prepare: |kit| kit.pip("granian==2.8.9"),
        command: |kit, place| {
            let folder = word(source("asgi"));
            let port = place.port();
            let options = [
                "--interface",
                "asgi",
                "--working-dir",
                &folder,
                "--port",
                &port,
                "app:app",
            ];
            Ok(program(kit, "granian", &options))
        },
        breaks: GRANIAN,
    },
    RealServer {
        name: "waitress",
        title: "Waitress 3.0",
        started: "`waitress-serve app:app`, few clients",
        preset: None,
        clients: Crowd::Few,
        is_proxy: false,
        routes: Routes::Own,
        h2: false,
        prepare: |kit| kit.pip("waitress==3.0.2"),
        command: |kit, place| {
            let path = format!("PYTHONPATH={}", word(source("wsgi")));
            let listen = format!("--listen={}", place.address);
            let serve = program(kit, "waitress-serve", &[&listen, "app:app"]);
            Ok([words(&["env", &path]), serve].concat())
        },
        breaks: WAITRESS,
    },
];

const GUNICORN: &str = "gunicorn==27.0.1";
const UVICORN: &str = "uvicorn==0.54.0";

const GUNICORN_SYNC: &[Reason] = &[
    Reason::of(
        &["accept-lossless", "no-reset"],
        "the workers stop accepting (`while self.alive`, workers/sync.py:88) and the master closes its copy of the \
         listening socket (arbiter.py:454); the workers' copies stay open until the last of them has ended, so the \
         kernel goes on establishing connections, and resets them all then. An independent client that connected \
         each 50 ms during a drain: 23 of 24 were reset",
    ),
    Reason::of(
        &["within-grace", "stuck-told"],
        "`graceful_timeout` (30 s) is longer than the grace of 10 s, and nobody says what it waits for",
    ),
    Reason::of(
        &["second-signal"],
        "while it waits for its workers the master hears only SIGINT and SIGQUIT (arbiter.py:475)",
    ),
    Reason::of(
        &["idle-exits"],
        "a worker that has accepted a silent connection, or half a head, reads from it (recv(2)) until the master kills it \
         after `graceful_timeout` (30 s)",
    ),
];
const GUNICORN_GTHREAD: &[Reason] = &[
    Reason::of(
        &["accept-lossless", "no-reset"],
        "the workers stop accepting at the signal, but close their listening sockets only when they have drained \
         (workers/gthread.py:463): until then the kernel goes on establishing connections, and resets them all \
         then. An independent client that connected each 50 ms during a drain: 23 of 24 were reset",
    ),
    Reason::of(
        &["idle-exits"],
        "half a head is read by a thread, which is waited for up to `graceful_timeout` of 30 s (workers/gthread.py:442)",
    ),
    Reason::perhaps(
        &["keepalive-lossless"],
        "kept connections stay for another 2 s (workers/gthread.py:441), but what has come on one that is \
         closed then, or waits behind the threads, is lost",
    ),
    Reason::of(
        &["close-announced"],
        "whether the connection is kept is decided before the application answers (`resp.force_close()`, \
         workers/gthread.py:766), so what is in flight at the signal does not say it",
    ),
    Reason::of(
        &["within-grace", "stuck-told"],
        "`graceful_timeout` (30 s) is longer than the grace of 10 s, and nobody says what it waits for",
    ),
    Reason::of(
        &["second-signal"],
        "while it waits for its workers the master hears only SIGINT and SIGQUIT (arbiter.py:475)",
    ),
];
const GUNICORN_UVICORN: &[Reason] = &[
    Reason::of(
        &["keepalive-lossless"],
        "each worker closes idle connections within 100 ms (`self.transport.close()` in `shutdown`, uvicorn's \
         protocols/http/httptools_impl.py and h11_impl.py)",
    ),
    Reason::of(
        &["accept-lossless", "no-reset"],
        "each worker closes its listening socket (`server.close()`, uvicorn's server.py:286); with the last, \
         close(2) resets what waits in the queue, and each handshake whose last ACK comes later",
    ),
    Reason::of(
        &["close-announced"],
        "`shutdown` only sets `keep_alive = False` on what is in flight, whose response has no header for it",
    ),
    Reason::of(
        &["within-grace", "stuck-told"],
        "`graceful_timeout` (30 s) is longer than the grace of 10 s. A connection that is accepted in the moment of the \
         signal is not among those that are told to close (uvicorn's server.py:291): whoever keeps it busy is \
         served until then",
    ),
    Reason::of(
        &["second-signal"],
        "while it waits for its workers the master hears only SIGINT and SIGQUIT (arbiter.py:475)",
    ),
];
const UVICORN_ALONE: &[Reason] = &[
    Reason::of(
        &["keepalive-lossless"],
        "idle connections are closed within 100 ms (`connection.shutdown()`, server.py:292, comes to \
         `self.transport.close()`)",
    ),
    Reason::of(
        &["accept-lossless", "no-reset"],
        "`server.close()` closes the listening socket (server.py:286): close(2) resets what waits in its \
         queue, and each handshake whose last ACK comes later",
    ),
    Reason::of(
        &["close-announced"],
        "`shutdown` only sets `keep_alive = False` on what is in flight, whose response has no header for it",
    ),
    Reason::of(
        &["within-grace", "stuck-told"],
        "`--timeout-graceful-shutdown` is none by default: it waits without end (server.py:318)",
    ),
    Reason::of(
        &["second-signal"],
        "only a repeated SIGINT hurries (server.py:353)",
    ),
];
const HYPERCORN: &[Reason] = &[
    Reason::of(
        &["keepalive-lossless"],
        "whoever has no request under way is closed as soon as the signal is noticed \
         (`self.context.terminated.wait()`, asyncio/tcp_server.py:138)",
    ),
    Reason::perhaps(
        &["inflight-completes"],
        "half a head counts as no request, and is closed with the idle ones though its rest has arrived \
         (asyncio/tcp_server.py:134)",
    ),
    Reason::of(
        &["accept-lossless", "no-reset"],
        "the worker closes its copy of the listening socket (asyncio/run.py:165), the parent its own only when the \
         workers have ended (run.py:112): until then the kernel goes on establishing connections, and resets them \
         all then. An independent client that connected each 50 ms during a drain: 16 of 18 were reset",
    ),
    Reason::of(
        &["close-announced"],
        "a connection is not used again once the signal has come (protocol/h11.py:274), but its last response \
         does not say so",
    ),
    Reason::of(
        &["stuck-told"],
        "after `graceful_timeout` (3 s) it ends, without a word, with 0 (asyncio/run.py:170)",
    ),
    Reason::of(
        &["second-signal"],
        "the event that a signal sets is set already",
    ),
];
const GRANIAN: &[Reason] = &[
    Reason::of(
        &["keepalive-lossless"],
        "idle connections are shut down at the signal (shutdown(2), close(2) within 1 ms): hyper's \
         `disable_keep_alive`, proto/h1/conn.rs:906",
    ),
    Reason::of(
        &["accept-lossless", "no-reset"],
        "close(2) of the listening socket resets what waits in its queue, and each handshake whose last ACK \
         comes later",
    ),
    Reason::of(
        &["idle-exits", "within-grace", "stuck-told"],
        "there is no time limit for the drain unless `--workers-kill-timeout` is set, and none for the head \
         of a request",
    ),
    Reason::of(&["second-signal"], "a repeated SIGTERM changes nothing"),
];
const WAITRESS: &[Reason] = &[
    Reason::of(
        &[
            "inflight-completes",
            "keepalive-lossless",
            "accept-lossless",
            "no-reset",
            "upload-completes",
            "download-completes",
        ],
        "there is no handler for SIGTERM in the package: the process dies of it on the spot. (Its `run` \
         closes on `SystemExit`, which an application can raise from a handler of its own: server.py)",
    ),
    Reason::of(&["exits-zero", "stuck-told"], "it dies of the signal"),
];

/// A program of the kit, which writes nothing into our sources.
fn program(kit: &Kit, name: &str, arguments: &[&str]) -> Vec<String> {
    let python = word(kit.folder("python").join("bin/python"));
    let program = word(kit.folder("python").join("bin").join(name));
    [words(&[&python, "-B", &program]), words(arguments)].concat()
}

fn gunicorn(
    kit: &Kit,
    place: &Place,
    application: &str,
    options: &[&str],
) -> anyhow::Result<Vec<String>> {
    let (folder, address) = (word(source(application)), place.address.to_string());
    let mut command = program(kit, "gunicorn", &["--chdir", &folder, "-b", &address]);
    command.extend(words(options));
    command.push("app:app".to_owned());
    Ok(command)
}
