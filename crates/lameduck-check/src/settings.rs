//! What a user may set, by flags or by file, before it is a [`Plan`].

mod build;
mod parse;
mod rules;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::Deserialize;
use thiserror::Error;

use crate::endpoint::EndpointError;
#[cfg(doc)]
use crate::plan::Plan;

/// Everything that may be set, all of it optional: what is not set by one source may be by another.
///
/// As `lameduck-check.toml` it looks like this:
///
/// ```
/// let settings = lameduck_check::Settings::from_toml(r#"
///     command = ["./server", "--port", "8080"]
///     url = "http://127.0.0.1:8080"
///     get = ["/work?ms=20"]
///     grace = "10s"
///     rtt = "40ms"
/// "#)?;
/// let plan = settings.into_plan()?;
/// assert_eq!(plan.grace.as_secs(), 10);
/// # Ok::<(), lameduck_check::SettingsError>(())
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Program and arguments of the target.
    pub command: Vec<String>,
    /// Where the target serves.
    pub url: Option<String>,
    /// Paths of quick requests.
    pub get: Vec<String>,
    /// Paths of requests that take long.
    pub slow: Vec<String>,
    /// Paths that take uploads.
    pub upload: Vec<String>,
    /// Paths whose response takes long.
    pub stream: Vec<String>,
    /// What places an order: a path, a space, and the JSON to post to it. With [`ledger`](Self::ledger) it is
    /// `/orders {"item":"tea","quantity":1}` unless set.
    pub post: Vec<String>,
    /// Paths where the target speaks WebSocket.
    pub ws: Vec<String>,
    /// Paths of event streams.
    pub sse: Vec<String>,
    /// gRPC methods with one answer, like `shop.v1.Shop/GetOrder`.
    pub grpc: Vec<String>,
    /// gRPC methods whose answer is a stream.
    pub grpc_stream: Vec<String>,
    /// The message that gRPC methods are called with, its bytes in hexadecimal. Empty unless set.
    pub grpc_data: Option<String>,
    /// The command that prints the target's [`Books`](crate::Books), whether the target runs or not. Split into
    /// words as a shell does, with its quotes; for pipes and variables write `sh -c '…'`.
    pub ledger: Option<String>,
    /// What the next start has to finish the jobs that a stop left, like `10s`; `0s` for a target that begins
    /// anew each time.
    pub settle: Option<String>,
    /// The URL of the target's PostgreSQL database.
    pub postgres: Option<String>,
    /// Where that server writes its log.
    pub postgres_log: Option<PathBuf>,
    /// Whose certificates are believed where the target speaks TLS: a file in PEM.
    pub ca: Option<PathBuf>,
    /// Whether any certificate is believed.
    pub insecure: Option<bool>,
    /// Whether to speak HTTP/2 too.
    pub h2: Option<bool>,
    /// The readiness probe's URL.
    pub ready: Option<String>,
    /// The liveness probe's URL.
    pub live: Option<String>,
    /// The grace, like `30s`. When set, the target is told it too, as `LAMEDUCK_GRACE`.
    pub grace: Option<String>,
    /// The signal, like `TERM`.
    pub signal: Option<String>,
    /// The round trip, like `40ms`. None and 40 ms, one after the other, unless set.
    pub rtt: Option<String>,
    /// Rounds under load.
    pub rounds: Option<u32>,
    /// The share of shutdowns with a loss to rule out, like `1%`.
    pub until: Option<String>,
    /// Signals during start-up.
    pub startup_rounds: Option<u32>,
    /// The seed.
    pub seed: Option<u64>,
    /// How long the target may take to be ready, like `30s`.
    pub start_timeout: Option<String>,
    /// Keep-alive clients; half as many more share pools.
    pub clients: Option<u32>,
    /// Connection-per-request clients.
    pub per_request: Option<u32>,
    /// Slow requests in flight at the signal.
    pub slow_clients: Option<u32>,
    /// Uploads half sent at the signal.
    pub upload_clients: Option<u32>,
    /// Downloads half read at the signal.
    pub stream_clients: Option<u32>,
    /// Clients that place orders.
    pub post_clients: Option<u32>,
    /// HTTP/2 connections.
    pub h2_connections: Option<u32>,
    /// WebSockets.
    pub ws_clients: Option<u32>,
    /// Event streams.
    pub sse_clients: Option<u32>,
    /// gRPC connections.
    pub grpc_clients: Option<u32>,
    /// Peers that hang on without work.
    pub idle: Option<u32>,
    /// The only promises to judge.
    pub only: Vec<String>,
    /// Promises not to judge.
    pub except: Vec<String>,
    /// A file with the promises that are known to be broken: the JSON of an earlier run, or a name on each line.
    pub baseline: Option<PathBuf>,
    /// How long the surroundings may still send to a target that was signalled, like `3s`. `3s` if readiness is
    /// watched.
    pub notice: Option<String>,
    /// Exit codes that are right when nothing was let go.
    pub expect_exit: Vec<i32>,
    /// Whether conventions count too.
    pub strict: Option<bool>,
    /// Whether it is all right that something asked for was not tried.
    pub allow_untested: Option<bool>,
}

/// What is wrong with the settings.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file is not TOML, or has a key that nobody knows.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// Something needed is not set.
    #[error("{what} is missing; {fix}")]
    Missing {
        /// The flag.
        what: &'static str,
        /// What to give.
        fix: &'static str,
    },
    /// A URL is wrong.
    #[error("{flag}: {reason}")]
    Url {
        /// The flag.
        flag: &'static str,
        /// What is wrong with it.
        reason: EndpointError,
    },
    /// A value is wrong.
    #[error("{flag} `{value}`: {expected}")]
    Value {
        /// The flag.
        flag: &'static str,
        /// The value.
        value: String,
        /// What would be right.
        expected: String,
    },
}

impl Settings {
    /// Reads the text of a `lameduck-check.toml`.
    ///
    /// # Errors
    /// When it is no TOML, a value has the wrong type, or a key is unknown (the error names it and the known ones).
    pub fn from_toml(text: &str) -> Result<Self, SettingsError> {
        Ok(toml::from_str(text)?)
    }

    /// These settings where they are set, the others elsewhere.
    #[must_use]
    pub fn over(self, other: Self) -> Self {
        fn list<T>(mine: Vec<T>, theirs: Vec<T>) -> Vec<T> {
            if mine.is_empty() { theirs } else { mine }
        }
        Self {
            command: list(self.command, other.command),
            url: self.url.or(other.url),
            get: list(self.get, other.get),
            slow: list(self.slow, other.slow),
            upload: list(self.upload, other.upload),
            stream: list(self.stream, other.stream),
            post: list(self.post, other.post),
            ws: list(self.ws, other.ws),
            sse: list(self.sse, other.sse),
            grpc: list(self.grpc, other.grpc),
            grpc_stream: list(self.grpc_stream, other.grpc_stream),
            grpc_data: self.grpc_data.or(other.grpc_data),
            ledger: self.ledger.or(other.ledger),
            settle: self.settle.or(other.settle),
            postgres: self.postgres.or(other.postgres),
            postgres_log: self.postgres_log.or(other.postgres_log),
            ca: self.ca.or(other.ca),
            insecure: self.insecure.or(other.insecure),
            h2: self.h2.or(other.h2),
            ready: self.ready.or(other.ready),
            live: self.live.or(other.live),
            grace: self.grace.or(other.grace),
            signal: self.signal.or(other.signal),
            rtt: self.rtt.or(other.rtt),
            rounds: self.rounds.or(other.rounds),
            until: self.until.or(other.until),
            startup_rounds: self.startup_rounds.or(other.startup_rounds),
            seed: self.seed.or(other.seed),
            start_timeout: self.start_timeout.or(other.start_timeout),
            clients: self.clients.or(other.clients),
            per_request: self.per_request.or(other.per_request),
            slow_clients: self.slow_clients.or(other.slow_clients),
            upload_clients: self.upload_clients.or(other.upload_clients),
            stream_clients: self.stream_clients.or(other.stream_clients),
            post_clients: self.post_clients.or(other.post_clients),
            h2_connections: self.h2_connections.or(other.h2_connections),
            ws_clients: self.ws_clients.or(other.ws_clients),
            sse_clients: self.sse_clients.or(other.sse_clients),
            grpc_clients: self.grpc_clients.or(other.grpc_clients),
            idle: self.idle.or(other.idle),
            only: list(self.only, other.only),
            except: list(self.except, other.except),
            baseline: self.baseline.or(other.baseline),
            notice: self.notice.or(other.notice),
            expect_exit: list(self.expect_exit, other.expect_exit),
            strict: self.strict.or(other.strict),
            allow_untested: self.allow_untested.or(other.allow_untested),
        }
    }
}
