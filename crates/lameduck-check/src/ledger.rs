//! The account of everything the clients saw in a round. Every verdict is read from here, round by round.

mod before;
mod clock;
mod digest;
mod doubt;
mod episode;
mod event_stream;
mod grpc;
mod held;
mod lane;
mod latency;
mod reception;
mod socket;
#[cfg(test)]
pub(crate) mod specimen;
mod tally;
mod terms;

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::books::Audit;
use crate::database::Sessions;
use crate::request::RequestTemplate;
use crate::target::{ProcessExit, TreeEnd};
use crate::verdict::{ConnectionUse, Evidence};

pub(crate) use clock::RoundClock;
pub(crate) use digest::Digest;

pub use episode::{Episode, EpisodeWindow, WindowName};
pub use event_stream::EventStream;
pub use grpc::{GrpcStatus, Health, HealthSample};
pub use held::Held;
pub use lane::Lane;
pub(crate) use latency::Latencies;
pub(crate) use reception::Backlog;
pub use socket::{ServerClose, Socket, Stall};
pub use tally::Tally;
pub use terms::Terms;

/// What the prover lacked for a connection that it should have made, see [`Round::shortages`].
pub(crate) const NO_DESCRIPTOR: &str = "no file descriptor for a connection (`ulimit -Hn`)";

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// A whole response, below 500, on a connection that may go on.
    Ok,
    /// A whole response, below 500, that said `Connection: close`.
    OkClose,
    /// The target said that nobody listens (ECONNREFUSED), so nothing was sent. Honest.
    Refused,
    /// The connection attempt got no answer in time, neither a connection nor a refusal. Nothing was sent.
    Unanswered,
    /// HTTP/2: the server said that it did not process the stream (above the last id of its GOAWAY, or
    /// REFUSED_STREAM). Honest: the client may send it again. Counted under `refused`.
    Unprocessed,
    /// Lost: wholly written, then reset before any byte of a response.
    ResetBeforeResponse,
    /// Lost: wholly written, then closed before any byte of a response.
    EofBeforeResponse,
    /// Lost: a response began and did not reach its end, or was no valid HTTP.
    Truncated,
    /// A whole response, below 500, that is not what the same request got before the signal: another status, no body,
    /// a shorter one.
    Changed,
    /// A whole response of 500 or above, or a gRPC call that ended UNAVAILABLE.
    Status5xx,
    /// Lost: no whole response before the prover stopped waiting.
    Timeout,
}

impl Ending {
    /// Wholly written, and no whole response came.
    pub fn is_lost(self) -> bool {
        matches!(
            self,
            Self::ResetBeforeResponse | Self::EofBeforeResponse | Self::Truncated | Self::Timeout
        )
    }

    /// A whole response came, whatever its status.
    pub fn is_answered(self) -> bool {
        matches!(
            self,
            Self::Ok | Self::OkClose | Self::Changed | Self::Status5xx
        )
    }
}

/// One request, from the attempt to its end.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The load.
    pub lane: Lane,
    /// The client's number in its load, from 1.
    pub client: u32,
    /// The request's number on that client, from 1.
    pub number: u32,
    /// What was asked.
    pub request: RequestTemplate,
    /// Whether the connection had carried a request before.
    pub reused: bool,
    /// When it should have begun, for clients that begin at a constant rate; else when it began.
    pub intended: Instant,
    /// When the client began, with the connection attempt or the first byte.
    pub began: Instant,
    /// When the target refused the connection, at its own end of the wire.
    pub turned_away: Option<Instant>,
    /// When the last byte of the request had been written.
    pub written: Option<Instant>,
    /// When the head of the response had been read.
    pub answered: Option<Instant>,
    /// When it was over.
    pub ended: Instant,
    /// How it was over.
    pub ending: Ending,
    /// The response's status, when there was a response.
    pub status: Option<u16>,
    /// What the client saw, in words; `None` for a whole response, whose words are made of its status and length. Most
    /// requests end well, and nobody ever reads of those.
    pub(crate) words: Option<Box<str>>,
    /// The response's body, when the template asks to keep it and the response was whole.
    pub body: Option<Bytes>,
    /// The body of a whole response.
    pub body_seen: Option<BodySeen>,
    /// An upload: a response came before all of the request's body was sent.
    pub answered_early: bool,
    /// What came of an event stream.
    pub events: Option<Box<EventStream>>,
    /// The status that a gRPC call ended with.
    pub grpc: Option<Box<GrpcStatus>>,
    /// That it stood at a certain moment when the signal came, if so.
    pub held: Option<Held>,
}

/// How long a body was, and how its end was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodySeen {
    /// Its length in bytes.
    pub bytes: u64,
    /// It ended with its connection: nothing else says that it was whole.
    pub to_eof: bool,
}

impl Exchange {
    /// Who sent it: `keep-alive 17, request 4`.
    pub fn place(&self) -> String {
        format!(
            "{} {}, request {} ({} {})",
            self.lane,
            self.client,
            self.number,
            self.request.method(),
            self.request.path()
        )
    }

    /// What the client saw, in words.
    pub fn what(&self) -> Cow<'_, str> {
        if let Some(words) = &self.words {
            return Cow::Borrowed(words);
        }
        let status = self.status.unwrap_or_default();
        let bytes = self.body_seen.map_or(0, |seen| seen.bytes);
        let close = match self.ending {
            Ending::OkClose => ", Connection: close",
            _ => "",
        };
        Cow::Owned(format!("status {status}, {bytes} bytes{close}"))
    }

    /// From when it should have begun to its end.
    pub fn took(&self) -> Duration {
        self.ended.saturating_duration_since(self.intended)
    }

    /// An answer that stays open, and was not turned down.
    pub(crate) fn is_a_stream_that_began(&self) -> bool {
        let is_granted = match self.lane {
            Lane::Events | Lane::EventsH2 => self.status.is_none_or(|status| status < 300),
            Lane::GrpcStream => match &self.grpc {
                Some(status) => status.code == 0 || status.messages > 0,
                None => self.status.is_none_or(|status| status == 200),
            },
            _ => false,
        };
        is_granted && self.answered.is_some()
    }

    /// Wholly written before `moment` and not over at it.
    pub fn in_flight_at(&self, moment: Instant) -> bool {
        self.written.is_some_and(|written| written <= moment) && self.ended > moment
    }
}

/// How a connection ended, as its client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// The client closed it.
    Client,
    /// The server closed it with FIN; over TLS, after a close_notify.
    Fin,
    /// TLS: the server closed it with FIN alone, without a close_notify.
    Torn,
    /// The server reset it.
    Reset,
}

/// One established connection of a well-behaved client.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// The load.
    pub lane: Lane,
    /// The client's number in its load, from 1.
    pub client: u32,
    /// When it was established.
    pub opened: Instant,
    /// When the client saw or made its end.
    pub ended: Instant,
    /// Who ended it, and how.
    pub parting: Parting,
}

/// One look at a probe.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When the look began.
    pub asked: Instant,
    /// When it was answered or had failed.
    pub answered: Instant,
    /// It was refused: nobody listens there any more.
    pub refused: bool,
    /// The status, or what went wrong instead.
    pub status: Result<u16, String>,
}

impl Sample {
    /// Answered 200.
    pub fn is_good(&self) -> bool {
        self.status == Ok(200)
    }
}

/// What a round was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundKind {
    /// The loads that were asked for, with the signal in the middle.
    Load,
    /// Idle, half-open and slow-loris peers hang on while the signal comes.
    Idle,
    /// The signal comes before the target is ready.
    Startup,
    /// The signal comes three times while a request is still in flight.
    SecondSignal,
    /// A request never ends.
    Stuck,
    /// No load: the target finishes the jobs that the last stop had left.
    Settle,
    /// A command replaces or stops what serves, under load before, during and after.
    Episode,
}

impl fmt::Display for RoundKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Load => "load",
            Self::Idle => "idle peers",
            Self::Startup => "signal during start-up",
            Self::SecondSignal => "repeated signal",
            Self::Stuck => "stuck request",
            Self::Settle => "jobs left over",
            Self::Episode => "trigger",
        })
    }
}

/// Everything that was seen in one start and stop of the target.
#[derive(Clone, Debug)]
pub struct Round {
    /// Its number in the whole run, from 1.
    pub number: u32,
    /// What it was for.
    pub kind: RoundKind,
    /// The round trip that lay between clients and target.
    pub rtt: Duration,
    /// When the target was started.
    pub started: Instant,
    /// When it was ready; `None` when the signal came before.
    pub ready_at: Option<Instant>,
    /// When each signal was sent; never empty.
    pub signals: Vec<Instant>,
    /// How the target ended.
    pub exit: ProcessExit,
    /// What became of the processes that it started; `None` if nobody can tell.
    pub tree: Option<TreeEnd>,
    /// What an episode has beside a shutdown, in a round of [`RoundKind::Episode`].
    pub episode: Option<Episode>,
    /// What it wrote after the first signal, both streams as they came, as far as the buffer reaches.
    pub said_after_signal: String,
    /// The path of the request that was made to hang, in a round of [`RoundKind::Stuck`].
    pub stuck_path: Option<String>,
    /// The requests, in the order they ended; of an episode what went wrong, and a sample of the others.
    pub exchanges: Vec<Exchange>,
    /// The connections, in the order they ended; of an episode a sample.
    pub connections: Vec<Connection>,
    /// The WebSockets, in the order they ended.
    pub sockets: Vec<Socket>,
    /// What the prover itself lacked, and how often.
    pub shortages: Vec<(&'static str, u64)>,
    /// Addresses of the target's name where nobody listened.
    pub unserved: Vec<String>,
    /// When the prover itself stood still.
    pub stalls: Vec<Stall>,
    /// Looks at the gRPC health service, in order.
    pub health: Vec<HealthSample>,
    /// Looks at the readiness probe, in order.
    pub readiness: Vec<Sample>,
    /// Looks at the liveness probe, in order.
    pub liveness: Vec<Sample>,
    /// The target's own books, in a round that looked into them.
    pub audit: Option<Audit>,
    /// The target's database sessions, in a round that watched them.
    pub sessions: Option<Sessions>,
}

impl Round {
    /// Marks the answers after the signal that are not those from before it.
    pub(crate) fn mark_changes(&mut self) {
        let signal = self.signalled();
        let before = before::Before::of(&self.exchanges, signal);
        let since = self.exchanges.iter_mut().filter(|it| it.ended >= signal);
        since.for_each(|exchange| before.mark(exchange));
    }

    /// Its requests, counted by their end.
    pub(crate) fn tally(&self) -> Tally {
        match &self.episode {
            Some(episode) => episode.tally,
            None => Tally::of(&self.exchanges),
        }
    }

    /// The first signal: the zero of this round's clock.
    pub fn signalled(&self) -> Instant {
        self.signals.first().copied().unwrap_or(self.started)
    }

    /// The moments of it that evidence is told by.
    pub(crate) fn clock(&self) -> RoundClock {
        RoundClock {
            number: self.number,
            signal: self.signalled(),
            exit: self.exit.at,
        }
    }

    /// Something that was seen to go wrong in this round.
    pub(crate) fn evidence(
        &self,
        at: Instant,
        place: impl Into<String>,
        what: impl Into<String>,
    ) -> Evidence {
        self.clock().evidence(at, place, what)
    }

    /// What became of a request, as evidence.
    pub(crate) fn evidence_of(&self, exchange: &Exchange) -> Evidence {
        let sent = match exchange.written {
            Some(written) => format!(", sent at {:+.1} ms", self.at_ms(written)),
            None => String::new(),
        };
        let what = format!("{}{sent}", exchange.what());
        Evidence {
            lane: Some(exchange.lane.to_string()),
            connection: Some(match exchange.reused {
                true => ConnectionUse::Reused,
                false => ConnectionUse::Fresh,
            }),
            ..self.evidence(exchange.ended, exchange.place(), what)
        }
    }

    /// Requests that ended after the signal.
    pub(crate) fn since_signal(&self) -> impl Iterator<Item = &Exchange> {
        let signal = self.signalled();
        self.exchanges
            .iter()
            .filter(move |exchange| exchange.ended >= signal)
    }

    /// Whether it had any of these loads.
    pub(crate) fn has_load(&self, lanes: &[Lane]) -> bool {
        let mut exchanges = self.exchanges.iter();
        exchanges.any(|exchange| lanes.contains(&exchange.lane))
    }

    /// Milliseconds from the first signal to a moment; negative before it.
    pub fn at_ms(&self, moment: Instant) -> f64 {
        self.clock().at_ms(moment)
    }

    /// From the first signal to the target's end.
    pub fn signal_to_exit(&self) -> Duration {
        self.exit.at.saturating_duration_since(self.signalled())
    }

    /// When the first connection attempt was refused after the signal: from then on the target no longer accepts. The
    /// moment is that of the answer, whichever SYN it was to: the kernel repeats those that get none.
    pub fn first_refusal(&self) -> Option<Instant> {
        self.exchanges
            .iter()
            .filter(|exchange| {
                exchange.ending == Ending::Refused && exchange.ended >= self.signalled()
            })
            .filter_map(|exchange| exchange.turned_away)
            .min()
    }

    /// When the target stopped taking new work: the first refusal, or its end.
    pub fn closed_at(&self) -> Instant {
        self.first_refusal()
            .map_or(self.exit.at, |refusal| refusal.min(self.exit.at))
    }
}
