//! What a run is to do.

use std::path::PathBuf;
use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::request::RequestTemplate;
use crate::rules::Rules;
use crate::target::StopSignal;

/// A run: the target, the loads, and how often. Build one with [`Plan::new`] and set what differs.
///
/// Only what is named is tested: a plan without [`slow`](Self::slow) requests says nothing about them.
///
/// ```
/// use lameduck_check::{Endpoint, Plan, RequestTemplate};
///
/// let url = Endpoint::parse("http://127.0.0.1:8080")?;
/// let mut plan = Plan::new(url, ["./server", "--port", "8080"]);
/// plan.get.push(RequestTemplate::get("/work?ms=20"));
/// plan.rounds = 5;
/// # Ok::<(), lameduck_check::EndpointError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Plan {
    /// Program and arguments of the target. Started anew for each round; the signal goes to this process, so a
    /// shell in between must `exec`. If it puts itself into the background, what it leaves there gets the signal.
    pub command: Vec<String>,
    /// A process that runs already, in place of a command. It is asked to stop once, and never killed.
    pub pid: Option<u32>,
    /// What replaces or stops that which serves, in place of a command. With it [`rounds`](Self::rounds) is how often.
    pub trigger: Option<Trigger>,
    /// Whether the service as a whole must never refuse, because others serve its address too (default: no).
    pub continuous: bool,
    /// Environment added to the prover's own.
    pub env: Vec<(String, String)>,
    /// Where the target serves.
    pub url: Endpoint,
    /// Quick requests, for the keep-alive, the pooled and the connection-per-request clients; each picks one at random.
    pub get: Vec<RequestTemplate>,
    /// Requests that take long (a second or so): in flight when the signal comes.
    pub slow: Vec<RequestTemplate>,
    /// Requests with a body, half of it sent when the signal comes.
    pub uploads: Vec<RequestTemplate>,
    /// Requests whose response takes long, half of it read when the signal comes.
    pub downloads: Vec<RequestTemplate>,
    /// Requests that place an order: what a 2xx acknowledges must be in the target's books for good.
    pub post: Vec<RequestTemplate>,
    /// Program and arguments that print the target's [`Books`](crate::Books), whether the target runs or not.
    pub ledger: Option<Vec<String>>,
    /// What the next start has to finish the jobs that a stop left (default 10 s). Zero: the target begins with
    /// empty books each time, so nothing is looked for after the next start.
    pub settle: Duration,
    /// URL of the target's PostgreSQL database, to watch its sessions. Plain TCP or a Unix socket.
    pub postgres: Option<String>,
    /// Where that server writes its log, if it does not let the URL's role read it.
    pub postgres_log: Option<PathBuf>,
    /// Paths where WebSockets are open when the signal comes, in turn client by client.
    pub websockets: Vec<String>,
    /// Event streams that are held open when the signal comes, in turn client by client; with [`h2`](Self::h2) over
    /// HTTP/2 as well.
    pub event_streams: Vec<RequestTemplate>,
    /// gRPC calls with one answer, see [`RequestTemplate::grpc`].
    pub grpc: Vec<RequestTemplate>,
    /// gRPC calls whose answer is a stream, open when the signal comes.
    pub grpc_streams: Vec<RequestTemplate>,
    /// Whether `get` and `slow` go over HTTP/2 too: cleartext with prior knowledge, or TLS with ALPN.
    pub h2: bool,
    /// The readiness probe. Asked directly, not over the delayed wire.
    pub ready: Option<Endpoint>,
    /// How the target shows that it is ready for the first time (default: by its answers).
    pub ready_when: ReadyWhen,
    /// The liveness probe. Asked directly, not over the delayed wire.
    pub live: Option<Endpoint>,
    /// What the target has between signal and end (default 30 s). The prover kills it 2 s later.
    pub grace: Duration,
    /// Whether the target is told its grace, as `LAMEDUCK_GRACE` (default: no).
    pub tell_grace: bool,
    /// The signal (default SIGTERM).
    pub signal: StopSignal,
    /// Which server the target is, by the name of its preset (default: not known). The report says what is known of it.
    pub preset: Option<String>,
    /// How long the surroundings (balancers, DNS) may still send to a target that was signalled: until then nobody may
    /// be turned away (default: not asked).
    pub notice: Option<Duration>,
    /// Exit codes that are right when nothing was let go (default 0 alone): 128 + n for an end by signal n, with
    /// which some runtimes say that they were signalled, after a clean drain.
    pub expect_exit: Vec<i32>,
    /// What is judged, and what counts.
    pub rules: Rules,
    /// The round trip between clients and target (default 0: the plain loopback).
    pub rtt: Duration,
    /// Whether the prover makes the round trip itself (default: yes). `false` where the way to the target has it already, as
    /// between two machines.
    pub relay: bool,
    /// More round trips (default none): after the rounds under load at [`rtt`](Self::rtt) come as many at each of
    /// these. The rounds with a purpose of their own are not repeated.
    pub more_rtts: Vec<Duration>,
    /// Rounds under load (default 3).
    pub rounds: u32,
    /// The share of shutdowns with a loss that is to be ruled out at 95 % (default none): as many shutdowns under load as
    /// that takes, or until one has a loss. 0.01 takes 299.
    pub until: Option<f64>,
    /// Signals during start-up (default 5; 0 leaves them out).
    pub startup_rounds: u32,
    /// Makes think times, paths, and the moment of the signal the same again (default 1).
    pub seed: u64,
    /// How long the target may take to be ready (default 30 s).
    pub start_timeout: Duration,
    /// What the whole run may take (default: no bound). Rounds that have no room in it are left out and told; one
    /// shutdown under load there is in any case.
    pub budget: Option<Duration>,
    /// How many clients each load has.
    pub clients: Clients,
}

/// A command that replaces or stops what serves, with clients at work before, during and after.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// Program and arguments. What it starts stays, and it is never killed.
    pub command: Vec<String>,
    /// Load before it (default 5 s).
    pub before: Duration,
    /// Load after its end (default 10 s).
    pub after: Duration,
    /// Whether it has to fail, and the old version to serve on (default: no).
    pub expect_rollback: bool,
}

impl Trigger {
    /// A trigger with the defaults.
    pub fn new(command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            before: Duration::from_secs(5),
            after: Duration::from_secs(10),
            expect_rollback: false,
        }
    }
}

/// How a target shows that it is ready.
#[derive(Clone, Debug, Default)]
pub enum ReadyWhen {
    /// It answers the readiness probe with 200; or without one a first request below 400, or for a second with nothing but
    /// 400 to 499.
    #[default]
    Answered,
    /// It takes connections.
    Listening,
    /// It writes a line like this, on standard output or standard error.
    Line(Pattern),
    /// It sends `READY=1` to `NOTIFY_SOCKET`, as in sd_notify(3). Linux only.
    Notified,
}

/// A regular expression.
#[derive(Clone, Debug)]
pub struct Pattern(regex_lite::Regex);

impl Pattern {
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl std::str::FromStr for Pattern {
    type Err = String;

    /// A regular expression in the syntax of the crate `regex-lite`. It may match anywhere in a line.
    fn from_str(text: &str) -> Result<Self, String> {
        regex_lite::Regex::new(text).map(Self).map_err(|error| {
            format!("{error}; expected a part of the line, or a regular expression, like 'listening on .*:8080'")
        })
    }
}

/// A target that outlives its grace is killed so long after it. Its clients are sent away half of that before.
pub(crate) const KILLED_AFTER: Duration = Duration::from_secs(2);

/// When clients that make a connection for each request begin the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrivals {
    /// At a constant rate, whatever becomes of those before: as real clients, who know nothing of each other.
    #[default]
    ConstantRate,
    /// As soon as the one before has ended: as fast as the target can, and slower when it is slower.
    OneByOne,
}

/// How many clients each load has.
#[derive(Clone, Copy, Debug)]
pub struct Clients {
    /// Keep-alive clients (default 40).
    pub keep_alive: u32,
    /// The longest pause between two requests of a keep-alive or pooled client (default: 50 ms for four of five
    /// keep-alive clients, 250 ms for the fifth, 200 ms for those that share pools). Zero: each request follows the answer
    /// to the one before.
    pub think: Option<Duration>,
    /// Clients that share pools (default 20): one half a pool that gives away the connection that came back last,
    /// the other one that gives away the one that has been spare for longest.
    pub pooled: u32,
    /// Connection-per-request clients (default 10), each of which begins at a constant rate, whatever is answered: as
    /// fast as it was answered before the signal, and at most each 20 ms.
    pub per_request: u32,
    /// When those begin (default: at a constant rate).
    pub arrivals: Arrivals,
    /// Slow requests in flight at the signal (default 10).
    pub slow: u32,
    /// Clients at each moment that a connection can be in at the signal (default 5), each on a connection of its own:
    /// connected and silent, half a head sent, between two requests, an answer not read, a head sent without its body; where
    /// there is such a thing half a TLS handshake, an HTTP/2 preface, half a body on a stream, half a WebSocket message.
    pub moments: u32,
    /// Uploads half sent at the signal (default 5).
    pub uploads: u32,
    /// Downloads half read at the signal (default 5).
    pub downloads: u32,
    /// Clients that place orders (default 5), each about ten in a second.
    pub orders: u32,
    /// HTTP/2 connections (default 4), each with four streams at once.
    pub h2: u32,
    /// WebSockets (default 50), each with a message about each 40 ms. Their pace is judged from 20 on.
    pub websockets: u32,
    /// Event streams over HTTP/1.1 (default 10); with `h2` half as many more over HTTP/2.
    pub event_streams: u32,
    /// gRPC connections (default 4), each with three calls at once and a stream.
    pub grpc: u32,
    /// Peers that hang on without work (default 20): one half never sends a byte, a quarter stays after one
    /// request, a quarter dribbles a header for ever. 0 leaves their round out.
    pub idle: u32,
}

impl Default for Clients {
    fn default() -> Self {
        Self {
            keep_alive: 40,
            think: None,
            pooled: 20,
            per_request: 10,
            arrivals: Arrivals::ConstantRate,
            slow: 10,
            moments: 5,
            uploads: 5,
            downloads: 5,
            orders: 5,
            h2: 4,
            websockets: 50,
            event_streams: 10,
            grpc: 4,
            idle: 20,
        }
    }
}

/// What answer makes a target ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadyAnswer {
    Status200,
    Below500,
    /// Any connection.
    Connects,
}

impl Plan {
    /// A plan with the defaults and no load at all.
    pub fn new(url: Endpoint, command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            pid: None,
            trigger: None,
            continuous: false,
            env: Vec::new(),
            url,
            get: Vec::new(),
            slow: Vec::new(),
            uploads: Vec::new(),
            downloads: Vec::new(),
            post: Vec::new(),
            ledger: None,
            settle: Duration::from_secs(10),
            postgres: None,
            postgres_log: None,
            websockets: Vec::new(),
            event_streams: Vec::new(),
            grpc: Vec::new(),
            grpc_streams: Vec::new(),
            h2: false,
            ready: None,
            ready_when: ReadyWhen::default(),
            live: None,
            grace: Duration::from_secs(30),
            tell_grace: false,
            signal: StopSignal::Term,
            preset: None,
            notice: None,
            expect_exit: vec![0],
            rules: Rules::default(),
            rtt: Duration::ZERO,
            relay: true,
            more_rtts: Vec::new(),
            rounds: 3,
            until: None,
            startup_rounds: 5,
            seed: 1,
            start_timeout: Duration::from_secs(30),
            budget: None,
            clients: Clients::default(),
        }
    }

    /// What is asked to learn whether the target is ready: the readiness probe, else the first quick request, else
    /// the URL itself; for gRPC alone a connection is enough.
    pub(crate) fn readiness(&self) -> (Endpoint, ReadyAnswer) {
        if let Some(ready) = &self.ready {
            return (ready.clone(), ReadyAnswer::Status200);
        }
        // What speaks nothing but gRPC has no answer to a GET.
        if self.get.is_empty() && self.has_grpc() {
            return (self.url.clone(), ReadyAnswer::Connects);
        }
        let quick = self.get.iter().find(|request| request.method() == "GET");
        let path = quick.map_or(self.url.path.as_str(), RequestTemplate::path);
        (self.at(path), ReadyAnswer::Below500)
    }

    /// What is tested, for people.
    pub(crate) fn target(&self) -> String {
        match (&self.trigger, self.pid) {
            (Some(trigger), _) => trigger.command.join(" "),
            (None, Some(pid)) => format!("process {pid}"),
            (None, None) => self.command.join(" "),
        }
    }

    /// Whether there is a gRPC method to call.
    pub(crate) fn has_grpc(&self) -> bool {
        !self.grpc.is_empty() || !self.grpc_streams.is_empty()
    }

    /// What may be wrong when the readiness question finds no good answer.
    pub(crate) fn what_to_check(&self) -> &'static str {
        if self.trigger.is_some() {
            return "with --trigger something has to serve there already";
        }
        match (&self.ready_when, &self.ready) {
            (ReadyWhen::Line(_), _) => "is --ready-line what it writes when it is ready?",
            (ReadyWhen::Notified, _) => "does it send READY=1 to NOTIFY_SOCKET?",
            (ReadyWhen::Answered, Some(_)) => {
                "is --ready where the target answers 200 when it is ready?"
            }
            _ => "does the target listen where --url says?",
        }
    }

    /// The target, at a path.
    pub(crate) fn at(&self, path: &str) -> Endpoint {
        Endpoint {
            path: path.to_owned(),
            ..self.url.clone()
        }
    }

    /// When a target that still runs is killed.
    pub(crate) fn patience(&self) -> Duration {
        self.grace + KILLED_AFTER
    }
}
