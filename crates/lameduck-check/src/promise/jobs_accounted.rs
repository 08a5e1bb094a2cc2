//! `jobs-accounted`: every accepted job is done once acknowledged, or back in its queue; none vanishes.
//!
//! Tried by every order that was acknowledged (any 2xx). After the target's end each must be in its books, with a
//! receipt or with a job; a job that somebody still holds then is stuck, unless the next start gets it done in
//! time. Orders that were not answered may be there or not. Receipts sent twice are counted, not judged: jobs are
//! done at least once.

use super::Promise;
use crate::books::{self, Audit, Books};
use crate::ledger::{Exchange, Lane, Round, RoundClock, RoundKind};
use crate::verdict::{Finding, Untried, Verdict};

/// Ids shown, of those that are missing.
const NAMED: usize = 5;

/// What went wrong with how many orders, and where it showed.
struct Complaint {
    orders: u64,
    place: &'static str,
    what: String,
}

/// A round whose books were closed, and what was acknowledged in it.
struct ClosedRound {
    clock: RoundClock,
    opened: Books,
    closed: Books,
    acknowledged: u64,
    /// How many of those the books do not list, and the names of a few; `None` where they list no ids at all.
    missing: Option<(u64, Vec<String>)>,
}

#[derive(Default)]
pub(super) struct JobsAccounted {
    is_asked: bool,
    /// Receipts sent again, and jobs left to the next start.
    twice: u64,
    left: u64,
    /// Rounds whose books list no ids.
    by_count: u64,
    /// The last round, if the next start is to finish what it left.
    unsettled: Option<ClosedRound>,
}

impl Promise for JobsAccounted {
    fn is_tried_by(&self, kind: RoundKind) -> bool {
        matches!(kind, RoundKind::Load | RoundKind::Settle)
    }

    fn see(&mut self, round: &Round, finding: &mut Finding) {
        let Some(audit) = &round.audit else {
            return;
        };
        if let Some(before) = self.unsettled.take() {
            self.settle(before, Some(audit), finding);
        }
        let Some(closed) = audit.closed else {
            return;
        };
        self.is_asked = true;
        self.by_count += u64::from(audit.listed.is_none());
        let closed_round = ClosedRound {
            clock: round.clock(),
            opened: audit.opened,
            closed,
            acknowledged: acknowledged(round).count() as u64,
            missing: missing_by_id(round, audit),
        };
        match audit.goes_on {
            true => self.unsettled = Some(closed_round),
            false => self.settle(closed_round, None, finding),
        }
    }

    fn verdict(mut self: Box<Self>, mut finding: Finding) -> Verdict {
        if let Some(last) = self.unsettled.take() {
            self.settle(last, None, &mut finding);
        }
        let figures = format!(
            "{} left to the next start, {} sent again",
            counted(self.left, "job"),
            counted(self.twice, "receipt")
        );
        let how = match self.by_count {
            0 => "",
            _ => ", by count: the books list no ids",
        };
        finding.verdict(
            format!("every acknowledged order has its receipt or its job{how}; {figures}"),
            format!("acknowledged orders were lost, or their jobs; {figures}"),
            match self.is_asked {
                true => {
                    Untried::missed("no order was acknowledged: does --post name what places one?")
                }
                false => Untried::unasked("give --ledger COMMAND to test it"),
            },
        )
    }
}

impl JobsAccounted {
    /// Judges a round, by what the next start found and made of it where there is one.
    fn settle(&mut self, round: ClosedRound, next: Option<&Audit>, finding: &mut Finding) {
        finding.of(round.clock.number);
        let complaints = complaints(&round, next);
        let broken: u64 = complaints.iter().map(|complaint| complaint.orders).sum();
        finding.kept_times(round.acknowledged.saturating_sub(broken));
        for complaint in complaints {
            let clock = &round.clock;
            let evidence = clock.evidence(clock.exit, complaint.place, complaint.what);
            finding.broken_times(complaint.orders, evidence);
        }
        let last = next.map_or(round.closed, |next| next.opened);
        self.twice += last.duplicates.saturating_sub(round.opened.duplicates);
        self.left += round.closed.pending + round.closed.running;
    }
}

/// Orders that the target said it has. The head of the answer is enough: it says so.
fn acknowledged(round: &Round) -> impl Iterator<Item = &Exchange> {
    round.exchanges.iter().filter(|exchange| {
        exchange.lane == Lane::Order && matches!(exchange.status, Some(200..=299))
    })
}

/// The orders that were acknowledged and are not among those that the books list, each by the prover's own id. `None`
/// where the books list none: then only counts can be compared, and what was lost may hide behind what was entered and
/// not answered.
fn missing_by_id(round: &Round, audit: &Audit) -> Option<(u64, Vec<String>)> {
    let listed = audit.listed.as_ref()?;
    let is_ours = |exchange: &Exchange| exchange.request.id().is_some_and(|id| listed.contains(id));
    // Books that list ids of their own say nothing of an order whose answer broke off before its id.
    let are_ours = acknowledged(round).any(is_ours);
    let is_missing = |exchange: &&Exchange| match answered_id(exchange) {
        Some(theirs) => !is_ours(exchange) && !listed.contains(&theirs),
        None => !is_ours(exchange) && (are_ours || exchange.body.is_some()),
    };
    let name = |exchange: &Exchange| {
        let id = exchange.request.id().map(str::to_owned);
        id.unwrap_or_else(|| exchange.place())
    };
    let missing: Vec<&Exchange> = acknowledged(round).filter(is_missing).collect();
    let named = missing.iter().take(NAMED).copied().map(name).collect();
    Some((missing.len() as u64, named))
}

/// The id that the target gave an order: `{"id":…}`.
fn answered_id(exchange: &Exchange) -> Option<String> {
    let mut body: serde_json::Value = serde_json::from_slice(exchange.body.as_ref()?).ok()?;
    Some(books::written(body.get_mut("id")?.take()))
}

fn complaints(round: &ClosedRound, next: Option<&Audit>) -> Vec<Complaint> {
    const AFTER_END: &str = "ledger after the end";
    const AFTER_START: &str = "ledger after the next start";
    let ClosedRound {
        opened,
        closed,
        acknowledged,
        missing,
        ..
    } = round;
    let mut complaints = Vec::new();
    let mut complain = |orders, place, what| {
        if orders > 0 {
            complaints.push(Complaint {
                orders,
                place,
                what,
            });
        }
    };
    match missing {
        Some((missing, named)) => {
            let named = named.join(", ");
            complain(
                *missing,
                AFTER_END,
                format!("{missing} of {acknowledged} acknowledged orders are not in it: {named}"),
            );
        }
        None => {
            let came = closed.orders.saturating_sub(opened.orders);
            let missing = acknowledged.saturating_sub(came);
            complain(
                missing,
                AFTER_END,
                format!(
                    "{missing} of {acknowledged} acknowledged orders are not in it: it had {} before them and has {}",
                    opened.orders, closed.orders
                ),
            );
        }
    }
    let vanished = closed.vanished().saturating_sub(opened.vanished());
    complain(
        vanished,
        AFTER_END,
        format!(
            "neither receipt nor job for {} ({closed})",
            counted(vanished, "order")
        ),
    );
    let Some(next) = next else {
        let held = closed.running.saturating_sub(opened.running);
        complain(
            held,
            AFTER_END,
            format!(
                "{} held by a process that is gone ({closed})",
                counted(held, "job")
            ),
        );
        return complaints;
    };
    let dropped = closed.orders.saturating_sub(next.found.orders);
    complain(
        dropped,
        AFTER_START,
        format!(
            "{} gone: it had {} and has {}; a target that begins anew each time needs --settle 0s",
            counted(dropped, "order"),
            closed.orders,
            next.found.orders
        ),
    );
    // What had vanished before, or with its order, was complained of.
    let after = &next.opened;
    let undone = after
        .owed()
        .saturating_sub(opened.owed() + vanished)
        .max((after.pending + after.running).saturating_sub(opened.pending + opened.running));
    complain(
        undone,
        AFTER_START,
        format!(
            "{} still not done {:.1} s after it ({after}; after the end: {closed})",
            counted(undone, "job"),
            next.settling.as_secs_f64()
        ),
    );
    complaints
}

fn counted(number: u64, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}
