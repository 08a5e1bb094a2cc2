#![doc = include_str!("../README.md")]
//!
//! # The parts
//!
//! - [`Lifecycle`] puts a process together and runs it. Whatever it runs is a [`Component`], of ours or of yours;
//!   [`Http`] is a server.
//! - [`Jobs`] works on a [`Queue`], for which there are adapters, each in a module named after its product.
//! - [`Handle`] is what every part of the process knows about the shutdown: the [`Phase`], the time
//!   left, and the [ledger](inflight) of everything in flight. [`TrackLayer`] brings servers
//!   that are not ours into it, and [`Listener`] has them stop without a reset.
//! - `websocket` has WebSockets that get a proper goodbye; [`EventStreams`] end between two events; and
//!   [`Draining`] tells any handler when to come to an end.
//! - [`budget`] says how the grace is shared out, [`report`] what is told at the end, [`LameDuck`]
//!   how long to go on serving, [`Exit`] what the exit code means.
//!
//! # Features
//!
//! `http` and `jobs` are on by default. Each other feature is named after the product it brings in.
//!
//! | feature | brings |
//! |---|---|
//! | `apalis` | a whole `Monitor` as a task: `apalis::monitor` |
//! | `apalis-postgres` | jobs in PostgreSQL: `apalis::ApalisPostgres` |
//! | `apalis-redis` | jobs in Redis: `apalis::ApalisRedis` |
//! | `apalis-sqlite` | jobs in SQLite: `apalis::ApalisSqlite` |
//! | `async-nats` | jobs in NATS JetStream: `nats::JetStream`; the end of a client: `nats::client` |
//! | `axum` | extractors: [`Draining`], [`ConnectionInfo`], [`ConnectionLifetime`], `websocket::WebSocketUpgrade`; axum's `ConnectInfo` with [`Http`]; [`Listener`] for `axum::serve` |
//! | `bb8` | the end of a pool: `bb8::pool` |
//! | `deadpool` | the end of a pool: `deadpool::pool` |
//! | `lapin` | jobs in RabbitMQ: `lapin::RabbitMq`; the end of a connection: `lapin::connection` |
//! | `metrics` | the figures of [`Metric`] on the facade of the `metrics` crate: `metrics::record`, `metrics::record_every` |
//! | `opentelemetry` | `opentelemetry::provider`, to be given to [`Lifecycle::flush`]; the figures of [`Metric`] on a meter: `opentelemetry::observe` |
//! | `prometheus` | the figures of [`Metric`] in a registry of the `prometheus` crate: `prometheus::collector` |
//! | `proxy-header` | the PROXY protocol, versions 1 and 2: `Http::proxy_protocol`, `Listener::proxy_protocol` |
//! | `redis` | the end of a shared connection: `redis::connection` |
//! | `rustls` | TLS for [`Http`]: `Http::tls`, `Tls`, with the provider of cryptography that the process has installed |
//! | `rustls-ring` | the same, with `ring` if it has installed none |
//! | `sqlx` | the end of a pool: `sqlx::pool` |
//! | `sqlx-postgres` | the same, and PostgreSQL is asked what the sessions do that cannot be closed |
//! | `tokio-util` | `Handle::shutdown_token` and the like: a `CancellationToken` for code that knows nothing of us, and back |
//! | `tonic` | `tonic::Request::remote_addr` and `peer_certs` with [`Http`] |
//! | `tonic-health` | the health service of gRPC: `grpc_health` |
//! | `tracing-appender` | `tracing_appender::guard`, to be given to [`Lifecycle::flush`] |
//! | `websocket` | WebSockets that are closed in order: `websocket::WebSocketUpgrade`; an extractor with `axum` |
//!
//! # Panics
//!
//! With `panic = "unwind"`, Rust's default, a panic is caught where it can be told apart from the rest: a request is answered `500`,
//! a task or
//! another component that panics is a failure (what is open is closed, exit 1), a closer's or hook's is in the report.
//! With `panic = "abort"` in the profile a panic, whosever it is, ends the process where it stands, by SIGABRT: nothing
//! is drained or closed, and there is no report. All else is the same, the end by force too. So a service that is to
//! drain whatever happens keeps the default.
//!
//! # Platforms
//!
//! Linux is what is tested. Elsewhere on Unix a listener is closed by accepting until there is
//! nothing to accept, so that a handshake under way at that instant is reset; on Windows, Ctrl-C
//! takes the place of the signals.
#![cfg_attr(docsrs, feature(doc_cfg))]

/// What the front page of the repository shows, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct FrontPage;

#[cfg(feature = "http")]
#[doc(hidden)]
pub use lameduck_http::doc;

pub use lameduck_core::{
    AdminPort, Announce, BadConfiguration, BadLameDuck, BoxError, Close, Component, Exit, Handle,
    LameDuck, Lifecycle, Metric, MetricKind, MetricSample, NotStarted, OpenAdminPort, Opening,
    Phase, Readiness, Report, Restarting, Running, Start, StartError, budget, inflight, phase,
    report,
};

#[cfg(feature = "axum")]
pub use lameduck_http::NoConnectionInfo;
#[cfg(feature = "rustls")]
pub use lameduck_http::Tls;
#[cfg(feature = "websocket")]
pub use lameduck_http::websocket;
#[cfg(feature = "proxy-header")]
pub use lameduck_http::{BadSource, ProxyProtocol};
#[cfg(feature = "http")]
pub use lameduck_http::{
    Bind, ConnectionAddr, ConnectionInfo, ConnectionLifetime, Draining, EndsItself, EventStreams,
    Http, Http1Settings, Http2Settings, Listener, NoHandle, ProbeBody, ProbeService, Probes,
    ServicePerConnection, ServiceSource, SharedService, Track, TrackBody, TrackBodyError,
    TrackFuture, TrackLayer, request_name,
};
#[cfg(feature = "tonic-health")]
pub use lameduck_http::{GrpcHealth, GrpcHealthWatch, grpc_health};

#[cfg(feature = "jobs")]
pub use lameduck_jobs::{Job, Jobs, Lost, Outcome, Queue, Settled, Taken};

#[cfg(any(
    feature = "apalis",
    feature = "apalis-postgres",
    feature = "apalis-redis",
    feature = "apalis-sqlite"
))]
pub use lameduck_apalis as apalis;
#[cfg(feature = "bb8")]
pub use lameduck_bb8 as bb8;
#[cfg(feature = "deadpool")]
pub use lameduck_deadpool as deadpool;
#[cfg(feature = "lapin")]
pub use lameduck_lapin as lapin;
#[cfg(feature = "metrics")]
pub use lameduck_metrics as metrics;
#[cfg(feature = "async-nats")]
pub use lameduck_nats as nats;
#[cfg(feature = "opentelemetry")]
pub use lameduck_opentelemetry as opentelemetry;
#[cfg(feature = "prometheus")]
pub use lameduck_prometheus as prometheus;
#[cfg(feature = "redis")]
pub use lameduck_redis as redis;
#[cfg(feature = "sqlx")]
pub use lameduck_sqlx as sqlx;
#[cfg(feature = "tracing-appender")]
pub use lameduck_tracing_appender as tracing_appender;
