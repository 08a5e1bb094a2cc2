//! Rounds made up for tests: moments are milliseconds from the signal.

use std::time::{Duration, Instant};

use super::{
    Connection, Ending, Exchange, Held, Lane, Parting, Round, RoundKind, Sample, ServerClose,
    Socket, Terms,
};
use crate::request::RequestTemplate;
use crate::target::{Capabilities, ProcessExit, StopSignal};
use crate::wire::Reach;

/// From the start to the signal.
const LEAD: Duration = Duration::from_secs(10);

/// A run made up for tests.
pub(crate) struct MadeUp {
    pub(crate) terms: Terms,
    pub(crate) rounds: Vec<Round>,
}

pub(crate) fn ledger(rounds: Vec<Round>) -> MadeUp {
    MadeUp {
        terms: Terms {
            capabilities: Capabilities::COMMAND,
            grace: Duration::from_secs(30),
            signal: StopSignal::Term,
            notice: None,
            live_is_served: false,
            continuous: false,
            expected_exits: vec![0],
        },
        rounds,
    }
}

/// A round without any client, gone with exit 0 after a second.
pub(crate) fn round(kind: RoundKind) -> Round {
    let started = Instant::now();
    let mut round = Round {
        number: 1,
        kind,
        rtt: Duration::ZERO,
        started,
        ready_at: Some(started + Duration::from_millis(100)),
        signals: vec![started + LEAD],
        exit: ProcessExit {
            at: started,
            code: Some(0),
            signal: None,
            killed: false,
            left: false,
            released: false,
        },
        tree: None,
        episode: None,
        said_after_signal: String::new(),
        stuck_path: None,
        exchanges: Vec::new(),
        connections: Vec::new(),
        sockets: Vec::new(),
        shortages: Vec::new(),
        unserved: Vec::new(),
        stalls: Vec::new(),
        health: Vec::new(),
        readiness: Vec::new(),
        liveness: Vec::new(),
        audit: None,
        sessions: None,
    };
    round.exit.at = round.moment(1000.0);
    round
}

impl Round {
    pub(crate) fn moment(&self, at_ms: f64) -> Instant {
        self.started + Duration::from_secs_f64(LEAD.as_secs_f64() + at_ms / 1e3)
    }

    pub(crate) fn with_exit(mut self, at_ms: f64, code: Option<i32>, signal: Option<i32>) -> Self {
        self.exit = ProcessExit {
            at: self.moment(at_ms),
            code,
            signal,
            killed: false,
            left: false,
            released: false,
        };
        self
    }

    pub(crate) fn with_signals(mut self, at_ms: &[f64]) -> Self {
        self.signals = at_ms.iter().map(|&at_ms| self.moment(at_ms)).collect();
        self
    }

    /// A request on a fresh (`reused` false) or a kept connection.
    pub(crate) fn with(
        mut self,
        lane: Lane,
        reused: bool,
        sent_ms: f64,
        ended_ms: f64,
        ending: Ending,
    ) -> Self {
        let number = self.exchanges.len() as u32 + 1;
        let is_answered = ending.is_answered();
        self.exchanges.push(Exchange {
            lane,
            client: 1,
            number,
            request: RequestTemplate::get("/work"),
            reused,
            intended: self.moment(sent_ms),
            began: self.moment(sent_ms),
            turned_away: (ending == Ending::Refused).then(|| self.moment(ended_ms)),
            written: (!matches!(ending, Ending::Refused | Ending::Unanswered))
                .then(|| self.moment(sent_ms)),
            answered: is_answered.then(|| self.moment(ended_ms)),
            ended: self.moment(ended_ms),
            ending,
            status: is_answered.then_some(if ending == Ending::Status5xx {
                503
            } else {
                200
            }),
            words: Some(format!("{ending:?}").into()),
            body: None,
            body_seen: None,
            answered_early: false,
            events: None,
            grpc: None,
            held: None,
        });
        self
    }

    /// The last request stood at its moment before the signal, and the target had read what had come of it.
    pub(crate) fn held(mut self) -> Self {
        if let Some(exchange) = self.exchanges.last_mut() {
            exchange.held = Some(Held {
                at: exchange.began,
                reach: Reach::Read,
            });
        }
        self
    }

    pub(crate) fn with_connection(mut self, lane: Lane, ended_ms: f64, parting: Parting) -> Self {
        let (opened, ended) = (self.moment(-100.0), self.moment(ended_ms));
        self.connections.push(Connection {
            lane,
            client: 1,
            opened,
            ended,
            parting,
        });
        self
    }

    /// A WebSocket that was open before the signal, sent away with this code at a moment, and closed in good order.
    pub(crate) fn with_socket(mut self, close_ms: f64, code: u16) -> Self {
        self.sockets.push(Socket {
            client: self.sockets.len() as u32 + 1,
            opened: self.moment(-1000.0),
            ended: self.moment(close_ms + 30.0),
            close: Some(ServerClose {
                at: self.moment(close_ms),
                code: Some(code),
                reason: "going".to_owned(),
                answered: true,
            }),
            parting: Parting::Fin,
            cut: None,
            fault: None,
            held: None,
            sent: 20,
            received: 20,
        });
        self
    }

    pub(crate) fn with_readiness(mut self, samples: &[(f64, u16)]) -> Self {
        self.readiness = self.samples(samples);
        self
    }

    pub(crate) fn with_liveness(mut self, samples: &[(f64, u16)]) -> Self {
        self.liveness = self.samples(samples);
        self
    }

    fn samples(&self, samples: &[(f64, u16)]) -> Vec<Sample> {
        let sample = |&(at_ms, status): &(f64, u16)| Sample {
            asked: self.moment(at_ms),
            answered: self.moment(at_ms + 1.0),
            status: Ok(status),
            refused: false,
        };
        samples.iter().map(sample).collect()
    }
}
