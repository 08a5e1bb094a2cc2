//! Graceful shutdown done right: a service that stops without losing a request.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use axum::{Router, routing::get};
//! use lameduck::Lifecycle;
//!
//! #[tokio::main]
//! async fn main() -> lameduck::Exit {
//!     let life = Lifecycle::new(); // first: from here on a SIGTERM is honoured
//!     let app = Router::new().route("/", get(|| async { "hello" }));
//!
//!     life.grace(Duration::from_secs(30))
//!         .http("api", "0.0.0.0:8080", app) // any tower service: axum, tonic, your own
//!         .close_with("cache", || async { std::fs::remove_file("cache") }) // after the above
//!         .probes("0.0.0.0:9090") // /livez /readyz /startupz /metrics /status
//!         .run()
//!         .await
//! }
//! ```
//!
//! On SIGTERM this process fails its readiness at once and keeps its liveness; goes on serving for
//! as long as a load balancer needs to notice; stops listening without resetting one connection;
//! finishes what is in flight and tells every peer to go elsewhere; closes what is to be closed;
//! says what it did; and exits 0. If something hangs, it is gone before the 30 s are over all the
//! same, exits 124, and names what was stuck.
//!
//! # The parts
//!
//! - [`Lifecycle`] puts a process together and runs it. [`Http`] is a server with settings.
//! - [`Jobs`] works on a [`Queue`], for which there are [adapters](queue).
//! - [`Handle`] is what every part of the process knows about the shutdown: the [`Phase`], the time
//!   left, and the [ledger](inflight) of everything in flight. [`Handle::layer`] brings servers
//!   that are not ours into it, and [`Handle::listener`] has them stop without a reset.
//! - `websocket` has WebSockets that get a proper goodbye; [`EventStreams`] end between two events; and
//!   [`Draining`] tells any handler when to come to an end.
//! - [`budget`] says how the grace is shared out, [`report`] what is told at the end, [`LameDuck`]
//!   how long to go on serving, [`Exit`] what the exit code means.
//!
//! # Features
//!
//! Nothing is on by default. Each feature is named after the product it brings in.
//!
//! | feature | brings |
//! |---|---|
//! | `apalis` | a whole `Monitor` as a task: `queue::apalis_monitor` |
//! | `apalis-postgres` | jobs in PostgreSQL: `queue::ApalisPostgres` |
//! | `apalis-redis` | jobs in Redis: `queue::ApalisRedis` |
//! | `apalis-sqlite` | jobs in SQLite: `queue::ApalisSqlite` |
//! | `async-nats` | jobs in NATS JetStream: `queue::JetStream`; [`Close`] for `async_nats::Client` |
//! | `axum` | extractors: [`Draining`], [`ConnectionInfo`], `websocket::WebSocketUpgrade`; axum's `ConnectInfo` with [`Http`]; [`Listener`] for `axum::serve` |
//! | `bb8` | [`Close`] for `bb8::Pool` |
//! | `deadpool` | [`Close`] for `deadpool::managed::Pool` |
//! | `lapin` | jobs in RabbitMQ: `queue::RabbitMq`; [`Close`] for `lapin::Connection` |
//! | `opentelemetry` | [`Close`] for the providers of `opentelemetry_sdk`: give them to [`Lifecycle::flush`] |
//! | `redis` | [`Close`] for `redis::aio::MultiplexedConnection` and `ConnectionManager` |
//! | `rustls` | TLS for [`Http`]: `Http::tls`, `Tls` |
//! | `sqlx` | [`Close`] for `sqlx::Pool` |
//! | `sqlx-postgres` | the same, and PostgreSQL is asked what the sessions do that cannot be closed |
//! | `tonic` | `tonic::Request::remote_addr` and `peer_certs` with [`Http`] |
//! | `tonic-health` | the health service of gRPC: `Handle::grpc_health` |
//! | `tracing-appender` | [`Close`] for `tracing_appender`'s `WorkerGuard`: give it to [`Lifecycle::flush`] |
//! | `websocket` | WebSockets that are closed in order: `websocket::WebSocketUpgrade`; an extractor with `axum` |
//!
//! # Platforms
//!
//! Linux is what is tested. Elsewhere on Unix a listener is closed by accepting until there is
//! nothing to accept, so that a handshake under way at that instant is reset; on Windows, Ctrl-C
//! takes the place of the signals.

mod accept;
mod announce;
mod bind;
mod book;
mod bounded;
pub mod budget;
mod clock;
mod close;
mod component;
mod config;
mod descriptors;
mod details;
#[doc(hidden)]
pub mod doc;
mod draining;
mod ending;
mod exit;
mod handle;
mod http;
pub mod inflight;
#[cfg(unix)]
mod inherited;
mod jitter;
mod jobs;
mod journal;
mod lastwords;
mod latch;
mod lifecycle;
mod name;
pub mod phase;
mod probe;
mod readiness;
mod reason;
mod redact;
mod repeats;
pub mod report;
mod report_file;
mod signal;
mod signal_set;
mod spawn;
mod stderr;
mod sync;
mod sys;
mod terminal;
mod traffic;
mod users;
mod voice;
mod waiters;
mod watchdog;
#[cfg(feature = "websocket")]
pub mod websocket;

pub use self::bind::Bind;
pub use self::http::component::Http;
pub use self::http::connection_info::ConnectionInfo;
pub use self::http::events::{EndsItself, EventStreams};
pub use self::http::facts::Endpoint;
#[cfg(feature = "axum")]
pub use self::http::for_axum::NoConnectionInfo;
#[cfg(feature = "tonic-health")]
pub use self::http::grpc_health::{GrpcHealth, Watch as GrpcHealthWatch};
pub use self::http::handed_over::Listener;
pub use self::http::layer::{Track, TrackBody, TrackBodyError, TrackFuture, TrackLayer};
pub use self::http::source::{ServicePerConnection, ServiceSource, SharedService};
#[cfg(feature = "rustls")]
pub use self::http::tls::Tls;
pub use close::Close;
pub use component::BoxError;
pub use config::LameDuck;
pub use draining::{Draining, NoHandle};
pub use exit::Exit;
pub use handle::Handle;
pub use jobs::adapters as queue;
pub use jobs::{Job, Jobs, Lost, Outcome, Queue, Settled, Taken};
pub use lifecycle::Lifecycle;
pub use phase::Phase;
pub use report::Report;
