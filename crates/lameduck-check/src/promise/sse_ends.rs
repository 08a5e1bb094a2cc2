//! `sse-ends`: event streams end on an event boundary.
//!
//! Tried by each event stream that was open when the signal came; in an episode by each that ended from the trigger on, which
//! it may do as late as it likes. Its end must be a proper one of its protocol (last
//! chunk, END_STREAM, as many bytes as promised; where the end of the connection is the end of the body, a FIN and
//! over TLS a close_notify before it), come within the grace, and leave no event half sent: an EventSource throws that
//! away (HTML standard, 9.2.6). Whether the stream said when to come back (`retry:`) is told, not judged.

use std::time::Duration;

use super::Promise;
use crate::ledger::{Ending, Exchange, Lane, Round, RoundKind, Terms};
use crate::verdict::{Finding, Untried, Verdict};

pub(super) struct SseEnds {
    grace: Duration,
    is_asked: bool,
    with_retry: u64,
}

impl SseEnds {
    pub(super) fn anew(terms: &Terms) -> Box<dyn Promise> {
        Box::new(Self {
            grace: terms.grace,
            is_asked: false,
            with_retry: 0,
        })
    }
}

impl Promise for SseEnds {
    fn is_tried_by(&self, kind: RoundKind) -> bool {
        matches!(kind, RoundKind::Load | RoundKind::Episode)
    }

    fn see(&mut self, round: &Round, finding: &mut Finding) {
        for stream in round
            .exchanges
            .iter()
            .filter(|exchange| matches!(exchange.lane, Lane::Events | Lane::EventsH2))
        {
            self.is_asked = true;
            let is_tried = match round.episode {
                None => stream.answered.is_some_and(|at| at <= round.signalled()),
                // Whether it could be opened is for `deploy-lossless`.
                Some(_) => stream.is_a_stream_that_began(),
            };
            if !is_tried || stream.ended <= round.signalled() {
                continue;
            }
            let has_retry = stream
                .events
                .as_ref()
                .is_some_and(|events| events.has_retry());
            self.with_retry += u64::from(has_retry);
            match what_went_wrong(self.grace, round, stream) {
                None => finding.kept(),
                Some(what) => {
                    let what = format!("{what}{}", round.by_whom());
                    finding.broken(round.evidence(stream.ended, stream.place(), what));
                }
            }
        }
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        let (trials, with_retry) = (finding.trials(), self.with_retry);
        finding.verdict(
        format!(
            "every event stream ended on an event boundary; {with_retry} of {trials} said when to come back (retry:)"
        ),
        "event streams were cut, or did not end",
        match self.is_asked {
            true => Untried::missed("no event stream was open at the signal, or none was ended by a trigger: name a path whose stream goes on"),
            false => Untried::unasked("give --sse PATH to test it"),
        },
    )
    }
}

fn what_went_wrong(grace: Duration, round: &Round, stream: &Exchange) -> Option<String> {
    let (events, tail) = match &stream.events {
        Some(events) => (events.events(), events.tail()),
        None => (0, String::new()),
    };
    let received = format!("{events} events, the last bytes: \"{tail}\"");
    let is_whole = matches!(stream.ending, Ending::Ok | Ending::OkClose);
    let is_at_boundary = stream
        .events
        .as_ref()
        .is_some_and(|events| events.is_at_boundary());
    if !is_whole {
        Some(format!("{}; {received}", stream.what()))
    } else if !is_at_boundary {
        Some(format!("ended in the middle of an event; {received}"))
    } else if round.episode.is_none() && stream.ended > round.signalled() + grace {
        Some(format!("ended after the grace of {grace:?}; {received}"))
    } else {
        None
    }
}
