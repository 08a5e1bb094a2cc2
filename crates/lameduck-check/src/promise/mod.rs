//! The promises: one file each, a fold over the rounds of a run. Adding one is a file, and a line in each list here.
//!
//! # What must hold
//! - A promise keeps figures and a few pieces of evidence: nothing that grows with requests.
//! - It sees every round of the kinds that try it once, in order.

mod accept_lossless;
#[cfg(test)]
mod accounts_tests;
mod close_announced;
mod db_closed;
mod deploy;
mod download_completes;
mod exits_zero;
mod exposure;
mod grpc_lossless;
mod h2_lossless;
mod idle_exits;
mod inflight_completes;
mod jobs_accounted;
mod keepalive_lossless;
mod lame_duck_serves;
mod live_holds;
mod needs;
mod no_orphans;
mod no_reset;
mod notice_served;
mod ready_flips;
mod second_signal;
mod sse_ends;
mod startup_signal;
#[cfg(test)]
mod stream_tests;
mod stuck_told;
#[cfg(test)]
mod tests;
mod upload_completes;
mod websocket_closed;
mod websocket_paced;
#[cfg(test)]
mod websocket_tests;
mod within_grace;

use crate::ledger::{Round, RoundKind, Terms};
use crate::rules::Rules;
use crate::verdict::{Class, Finding, Verdict};

/// One promise, in the course of a run.
pub(crate) trait Promise: Send {
    /// Whether rounds of this kind try it. Default: those under load.
    fn is_tried_by(&self, kind: RoundKind) -> bool {
        kind == RoundKind::Load
    }

    /// Looks at a round that tries it, and enters its trials.
    fn see(&mut self, round: &Round, finding: &mut Finding);

    /// What it comes to, once there are no more rounds.
    fn verdict(self: Box<Self>, finding: Finding) -> Verdict;
}

/// What makes a promise that has seen nothing yet.
type Anew = fn(&Terms) -> Box<dyn Promise>;

/// Every promise the prover can test, in the order of the report: class by class.
#[rustfmt::skip]
const PROMISES: &[(&str, Class, Anew)] = &[
    ("ready-flips", Class::Loss, |_| Box::<ready_flips::ReadyFlips>::default()),
    ("lame-duck-serves", Class::Loss, |_| Box::<lame_duck_serves::LameDuckServes>::default()),
    ("notice-served", Class::Loss, notice_served::NoticeServed::anew),
    ("inflight-completes", Class::Loss, |_| Box::<inflight_completes::InflightCompletes>::default()),
    ("keepalive-lossless", Class::Loss, |_| Box::<keepalive_lossless::KeepaliveLossless>::default()),
    ("accept-lossless", Class::Loss, accept_lossless::AcceptLossless::anew),
    ("no-reset", Class::Loss, |_| Box::<no_reset::NoReset>::default()),
    ("upload-completes", Class::Loss, |_| Box::<upload_completes::UploadCompletes>::default()),
    ("download-completes", Class::Loss, |_| Box::<download_completes::DownloadCompletes>::default()),
    ("h2-lossless", Class::Loss, |_| Box::<h2_lossless::H2Lossless>::default()),
    ("grpc-lossless", Class::Loss, |_| Box::<grpc_lossless::GrpcLossless>::default()),
    ("sse-ends", Class::Loss, sse_ends::SseEnds::anew),
    ("websocket-closed", Class::Loss, |_| Box::<websocket_closed::WebSocketClosed>::default()),
    ("jobs-accounted", Class::Loss, |_| Box::<jobs_accounted::JobsAccounted>::default()),
    ("db-closed", Class::Loss, |_| Box::<db_closed::DbClosed>::default()),
    ("deploy-lossless", Class::Loss, |_| deploy::Deploy::lossless()),
    ("deploy-rolls-back", Class::Loss, |_| deploy::Deploy::rolls_back()),
    ("live-holds", Class::Time, live_holds::LiveHolds::anew),
    ("idle-exits", Class::Time, idle_exits::IdleExits::anew),
    ("within-grace", Class::Time, within_grace::WithinGrace::anew),
    ("no-orphans", Class::Time, |_| Box::<no_orphans::NoOrphans>::default()),
    ("startup-signal", Class::Convention, startup_signal::StartupSignal::anew),
    ("close-announced", Class::Convention, |_| Box::<close_announced::CloseAnnounced>::default()),
    ("websocket-paced", Class::Convention, |_| Box::<websocket_paced::WebSocketPaced>::default()),
    ("exits-zero", Class::Convention, exits_zero::ExitsZero::anew),
    ("stuck-told", Class::Convention, stuck_told::StuckTold::anew),
    ("second-signal", Class::Convention, second_signal::SecondSignal::anew),
];

/// The names of all promises.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    PROMISES.iter().map(|(name, ..)| *name)
}

/// The names of all promises, each with its class.
pub(crate) fn classes() -> impl Iterator<Item = (&'static str, Class)> {
    PROMISES.iter().map(|(name, class, _)| (*name, *class))
}

/// A promise and what it has found so far.
struct JuryMember {
    name: &'static str,
    class: Class,
    promise: Box<dyn Promise>,
    finding: Finding,
}

/// All promises of a run: each round is shown to all that it tries, and none is needed any more once they have seen it.
pub(crate) struct Jury(Vec<JuryMember>);

impl Jury {
    pub(crate) fn new(terms: &Terms) -> Self {
        let seat = |&(name, class, anew): &(_, _, Anew)| JuryMember {
            name,
            class,
            promise: needs::unseen(name, terms).unwrap_or_else(|| anew(terms)),
            finding: Finding::new(),
        };
        Self(PROMISES.iter().map(seat).collect())
    }

    pub(crate) fn see(&mut self, round: &Round) {
        let tried = |seat: &&mut JuryMember| seat.promise.is_tried_by(round.kind);
        for seat in self.0.iter_mut().filter(tried) {
            seat.finding.of(round.number);
            seat.promise.see(round, &mut seat.finding);
        }
    }

    /// The rounds seen so far in which a client lost something that counts.
    pub(crate) fn has_lost(&self, rules: &Rules) -> bool {
        self.losing(rules).any(|finding| finding.failures() > 0)
    }

    /// Whether a promise has failed, whoever is hurt by that.
    pub(crate) fn has_failed(&self, name: &str) -> bool {
        let mut seats = self.0.iter();
        seats.any(|seat| seat.name == name && seat.finding.failures() > 0)
    }

    /// Whether that is so of one round.
    pub(crate) fn has_lost_in(&self, round: u32, rules: &Rules) -> bool {
        self.losing(rules)
            .any(|finding| finding.has_failed_in(round))
    }

    /// What the promises have found that are about losses and count.
    fn losing(&self, rules: &Rules) -> impl Iterator<Item = &Finding> {
        let counts = |seat: &&JuryMember| rules.counts_as_loss(seat.name, seat.class);
        self.0.iter().filter(counts).map(|seat| &seat.finding)
    }

    /// What it all comes to, by the rules of the run.
    pub(crate) fn verdicts(self, rules: &Rules) -> Vec<Verdict> {
        let judged = self.0.into_iter().map(|seat| {
            let JuryMember { name, class, .. } = seat;
            let mut verdict = Verdict {
                name,
                class,
                ..seat.promise.verdict(seat.finding)
            };
            for evidence in &mut verdict.evidence {
                evidence.class = class;
            }
            verdict
        });
        judged.map(|verdict| rules.apply(verdict)).collect()
    }
}

/// Judges made-up rounds.
#[cfg(test)]
pub(crate) fn judge_all(run: &crate::ledger::specimen::MadeUp, rules: &Rules) -> Vec<Verdict> {
    let mut jury = Jury::new(&run.terms);
    run.rounds.iter().for_each(|round| jury.see(round));
    jury.verdicts(rules)
}
