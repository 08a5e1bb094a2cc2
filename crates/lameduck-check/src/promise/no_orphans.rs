//! `no-orphans`: once the main process has ended, nothing that it started runs any more. Tried by every round in which it
//! ended by itself.
//!
//! Whoever stopped it believes that all is over: Kubernetes and Docker then kill what is left with the container, whatever
//! it still has to do, and elsewhere it keeps the port and the files of the next start. What ends within half a second
//! after is let pass: whoever reads from a pipe of the target's, like a program that writes its logs, sees its end a
//! little later.

use super::Promise;
use crate::ledger::{Round, RoundKind};
use crate::target::{Process, TreeEnd};
use crate::verdict::{Finding, Untried, Verdict};

/// Processes named in one piece of evidence.
const NAMED: usize = 3;

#[derive(Default)]
pub(super) struct NoOrphans;

impl Promise for NoOrphans {
    fn is_tried_by(&self, _: RoundKind) -> bool {
        true
    }

    fn see(&mut self, round: &Round, finding: &mut Finding) {
        let Some(tree) = round.tree.as_ref().filter(|_| !round.exit.killed) else {
            return;
        };
        if tree.left.is_empty() {
            finding.kept();
            return;
        }
        let place = format!("target, round: {}", round.kind);
        let evidence = round.evidence(tree.looked, place, told(round, tree));
        // Those that were left had no time to end either, if the whole machine stood still.
        let is_doubtful = round.stood_still_within(round.exit.at, tree.looked);
        finding.failed(is_doubtful, evidence);
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        finding.verdict(
            "nothing ran any more once the main process had ended",
            "the main process ended, and something that it had started ran on (it was killed then)",
            Untried::missed("the main process never ended by itself"),
        )
    }
}

fn told(round: &Round, tree: &TreeEnd) -> String {
    if let Some(wrapper) = &tree.wrapper {
        return wrapper.clone();
    }
    let named: Vec<String> = tree.left.iter().take(NAMED).map(Process::named).collect();
    let more = match tree.left.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{}; {:.0} ms later there still ran {}{more}",
        round.exit.describe(),
        tree.looked
            .saturating_duration_since(round.exit.at)
            .as_secs_f64()
            * 1e3,
        named.join(", ")
    )
}
