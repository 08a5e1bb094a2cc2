//! What requests got before the signal, to hold what they get after it against.
//!
//! # What must hold
//! - Only what a request always got before is demanded after it: who answers now this way, now that, may go on so.
//! - A request that never got a whole answer before says nothing after it.

use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::time::Instant;

use bytes::Bytes;

use super::{Ending, Exchange, GrpcStatus, Lane};
use crate::request::RequestTemplate;

/// A body that is shorter than this share of the shortest before is cut: bodies differ a little by nature.
const SHORT: f64 = 0.9;
/// Calls before the signal from which on a status that none of them had is a change.
const ENOUGH_CALLS: u64 = 5;

/// What was asked: method and path, and whether by gRPC.
struct Question {
    request: RequestTemplate,
    is_grpc: bool,
}

impl Question {
    fn of(exchange: &Exchange) -> Self {
        Self {
            request: exchange.request.clone(),
            is_grpc: matches!(exchange.lane, Lane::Grpc | Lane::GrpcStream),
        }
    }

    fn asks(&self) -> (&str, &str, bool) {
        (self.request.method(), self.request.path(), self.is_grpc)
    }
}

impl PartialEq for Question {
    fn eq(&self, other: &Self) -> bool {
        self.asks() == other.asks()
    }
}

impl Eq for Question {}

impl Hash for Question {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.asks().hash(state);
    }
}

/// The answers of a round before its signal.
#[derive(Default)]
pub(crate) struct Before(HashMap<Question, Usual>);

/// What one question was answered with.
#[derive(Default)]
struct Usual {
    /// Statuses of HTTP, or of gRPC, and how often.
    statuses: BTreeMap<u32, u64>,
    shortest: Option<u64>,
    /// Answers to uploads that came before all of the body was sent.
    early: u64,
    body: Option<Bytes>,
    bodies_differ: bool,
}

fn status(exchange: &Exchange) -> Option<u32> {
    match &exchange.grpc {
        Some(status) => Some(status.code),
        None => exchange.status.map(u32::from),
    }
}

impl Before {
    pub(crate) fn of(exchanges: &[Exchange], signal: Instant) -> Self {
        let mut before = Self::default();
        let ended = exchanges.iter().filter(|it| it.ended < signal);
        ended.for_each(|exchange| before.see(exchange));
        before
    }

    /// A request that ended before the signal.
    pub(super) fn see(&mut self, exchange: &Exchange) {
        if !exchange.ending.is_answered() {
            return;
        }
        let usual = self.0.entry(Question::of(exchange)).or_default();
        let Some(status) = status(exchange) else {
            return;
        };
        *usual.statuses.entry(status).or_default() += 1;
        usual.early += u64::from(exchange.answered_early);
        if let Some(seen) = exchange.body_seen {
            let bytes = usual.shortest.map_or(seen.bytes, |it| it.min(seen.bytes));
            usual.shortest = Some(bytes);
        }
        match (&usual.body, &exchange.body) {
            (None, Some(body)) => usual.body = Some(body.clone()),
            (Some(before), Some(body)) => usual.bodies_differ |= before != body,
            _ => {}
        }
    }

    /// Marks an answer after the signal, if it is not one from before it.
    pub(super) fn mark(&self, exchange: &mut Exchange) {
        if let Some(how) = self.differs(exchange) {
            let words = format!("{}; {how}", exchange.what());
            exchange.words = Some(words.into());
            exchange.ending = Ending::Changed;
        }
    }

    /// In which way a whole answer is not the one from before; `None` if it is, or nobody can tell.
    fn differs(&self, exchange: &Exchange) -> Option<String> {
        // The end of a stream has promises of its own.
        let ends_by_itself = matches!(
            exchange.lane,
            Lane::GrpcStream | Lane::Events | Lane::EventsH2
        );
        if ends_by_itself || !matches!(exchange.ending, Ending::Ok | Ending::OkClose) {
            return None;
        }
        let usual = self.0.get(&Question::of(exchange))?;
        let status = status(exchange)?;
        let calls: u64 = usual.statuses.values().sum();
        if !usual.statuses.contains_key(&status) {
            let is_enough = exchange.grpc.is_none() || calls >= ENOUGH_CALLS;
            return is_enough.then(|| format!("before the signal {}", usual.told(exchange)));
        }
        self.body_differs(usual, exchange)
    }

    fn body_differs(&self, usual: &Usual, exchange: &Exchange) -> Option<String> {
        if let (Some(seen), Some(shortest)) = (exchange.body_seen, usual.shortest) {
            // Where a body has no length of its own, nothing else shows that it was cut.
            let is_whole_each_time = matches!(exchange.lane, Lane::Download | Lane::Unread);
            let is_measured = is_whole_each_time || seen.to_eof;
            let is_short = (seen.bytes as f64) < shortest as f64 * SHORT;
            if shortest > 0 && (seen.bytes == 0 || is_measured && is_short) {
                return Some(format!("before the signal {shortest} bytes or more"));
            }
        }
        if !exchange.lane.is_upload() {
            return None;
        }
        if exchange.answered_early && usual.early == 0 {
            return Some("answered before all of the body was sent".to_owned());
        }
        let (before, now) = (usual.body.as_ref()?, exchange.body.as_ref()?);
        (!usual.bodies_differ && before != now).then(|| {
            format!(
                "the answer is \"{}\", before the signal \"{}\"",
                shown(now),
                shown(before)
            )
        })
    }
}

impl Usual {
    fn told(&self, exchange: &Exchange) -> String {
        let named = |code: &u32| match &exchange.grpc {
            Some(_) => format!("{code} ({})", GrpcStatus::name_of(*code)),
            None => code.to_string(),
        };
        let statuses: Vec<String> = self.statuses.keys().map(named).collect();
        statuses.join(" or ")
    }
}

/// The beginning of a body, on one line.
fn shown(body: &[u8]) -> String {
    const LONGEST: usize = 60;
    let text = String::from_utf8_lossy(&body[..body.len().min(LONGEST)]);
    text.escape_debug().to_string()
}
