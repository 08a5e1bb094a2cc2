//! `grpc-lossless`: no gRPC call is lost, and health says NOT_SERVING.
//!
//! Tried by every call that ended after the signal and was not sent back unprocessed. It must end with a status, and
//! not with UNAVAILABLE: a client takes that for "nothing was done" and does it again. A stream whose messages have
//! begun may end with any status, UNAVAILABLE too: its client has what came, and knows to come back elsewhere. A status
//! below that is the application's own business. And where `grpc.health.v1.Health` said SERVING before, it is one
//! more trial per round that says something else half a second after the signal, as long as it is answered.

use std::time::Duration;

use super::Promise;
use crate::ledger::{Ending, Exchange, Health, HealthSample, Lane, Round, RoundKind};
use crate::verdict::{Finding, Untried, Verdict};

/// "At once", as for readiness.
const AT_ONCE: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(super) struct GrpcLossless {
    is_asked: bool,
    /// What is to be said of health.
    health: Option<String>,
}

impl Promise for GrpcLossless {
    fn is_tried_by(&self, kind: RoundKind) -> bool {
        matches!(kind, RoundKind::Load | RoundKind::Episode)
    }

    fn see(&mut self, round: &Round, finding: &mut Finding) {
        let is_grpc = |exchange: &Exchange| matches!(exchange.lane, Lane::Grpc | Lane::GrpcStream);
        self.is_asked |= round.exchanges.iter().any(is_grpc);
        // Of the calls with one answer `deploy-lossless` tells in an episode.
        let is_tried = |it: &&Exchange| match round.episode {
            None => is_grpc(it),
            Some(_) => it.lane == Lane::GrpcStream && it.is_a_stream_that_began(),
        };
        for call in round.since_signal().filter(is_tried) {
            match call.ending {
                Ending::Refused | Ending::Unanswered | Ending::Unprocessed => {}
                Ending::Ok | Ending::OkClose => finding.kept(),
                Ending::Status5xx if is_a_stream_that_had_begun(call) => finding.kept(),
                _ => finding.failed(round.may_be_late(call), round.evidence_of(call)),
            }
        }
        if let Some(missing) = round.health.iter().find_map(|sample| match &sample.health {
            Health::Missing(why) => Some(why),
            _ => None,
        }) {
            let what = format!("health is left out, grpc.health.v1.Health/Check: {missing}");
            self.health = Some(what);
            return;
        }
        if let Some(sample) = still_serving(round) {
            let what = "SERVING, half a second or more after the signal";
            finding.broken(round.evidence(sample.answered, "grpc.health.v1.Health/Check", what));
        } else if says_not_serving(round) {
            self.health = Some("health said NOT_SERVING".to_owned());
            finding.kept();
        }
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        let health = self.health.as_deref();
        let told = health.unwrap_or("health was not answered after the signal");
        finding.verdict(
        format!("every call that it took ended with a status; {told}"),
        "calls were lost or ended UNAVAILABLE, or health went on saying SERVING",
        match self.is_asked {
            true => Untried::missed("no call was under way at the signal: name one that takes longer, or give a round trip (--rtt 40ms)"),
            false => Untried::unasked("give --grpc or --grpc-stream package.Service/Method to test it"),
        },
    )
    }
}

fn is_a_stream_that_had_begun(call: &Exchange) -> bool {
    let has_begun = call.grpc.as_ref().is_some_and(|status| status.messages > 0);
    call.lane == Lane::GrpcStream && has_begun
}

fn after_the_signal(round: &Round, pause: Duration) -> impl Iterator<Item = &HealthSample> {
    let (signal, from) = (round.signalled(), round.signalled() + pause);
    let was_serving = round
        .health
        .iter()
        .any(|sample| sample.answered < signal && sample.health == Health::Serving);
    round
        .health
        .iter()
        .filter(move |sample| was_serving && sample.asked >= from)
}

fn still_serving(round: &Round) -> Option<&HealthSample> {
    after_the_signal(round, AT_ONCE).find(|sample| sample.health == Health::Serving)
}

fn says_not_serving(round: &Round) -> bool {
    after_the_signal(round, Duration::ZERO).any(|sample| sample.health == Health::NotServing)
}
