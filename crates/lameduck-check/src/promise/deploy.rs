//! `deploy-lossless`: from the beginning of a deploy to its end nobody is refused and nothing is lost; and
//! `deploy-rolls-back`: the same of a deploy that has to fail, after which the old version serves on. Tried by every
//! request that ended from the trigger's beginning on, and by the trigger's own exit code.
//!
//! Here a refusal is a failure, and so is an answer of 500 or above: it is the service as a whole that is asked, and there
//! is nobody else to go to.

use std::time::Duration;

use super::Promise;
use crate::ledger::{Ending, EpisodeWindow, Exchange, Round, RoundKind};
use crate::verdict::{Evidence, Finding, Untried, Verdict};

/// Who was asked for so long while the prover was awake had time to answer.
const PATIENT: Duration = Duration::from_secs(2);

/// Either of the two.
#[derive(Default)]
pub(super) struct Deploy {
    expects_rollback: bool,
    /// Whether an episode was of the other kind.
    is_other: bool,
    last: Vec<EpisodeWindow>,
}

impl Deploy {
    pub(super) fn lossless() -> Box<dyn Promise> {
        Box::<Self>::default()
    }

    pub(super) fn rolls_back() -> Box<dyn Promise> {
        Box::new(Self {
            expects_rollback: true,
            ..Self::default()
        })
    }
}

impl Promise for Deploy {
    fn is_tried_by(&self, kind: RoundKind) -> bool {
        kind == RoundKind::Episode
    }

    fn see(&mut self, round: &Round, finding: &mut Finding) {
        let Some(episode) = &round.episode else {
            return;
        };
        if episode.expect_rollback != self.expects_rollback {
            self.is_other = true;
            return;
        }
        self.last = round.windows().to_vec();
        let has_failed = round.exit.code != Some(0);
        if has_failed != self.expects_rollback {
            let what = match has_failed {
                true => format!("{}: the deploy itself failed", round.exit.describe()),
                false => "exit code 0: a deploy that had to fail did not".to_owned(),
            };
            finding.broken(round.evidence(round.exit.at, "trigger", what));
        }
        finding.kept_times(episode.good);
        // How a stream ended is for `sse-ends` and `grpc-lossless`; whether it could be opened is for this.
        let requests = round
            .since_signal()
            .filter(|it| !it.is_a_stream_that_began());
        let bad = requests.filter(|it| is_bad(it.ending));
        for exchange in bad {
            finding.failed(is_doubtful(round, exchange), evidence(round, exchange));
        }
        let what = format!("{} requests more went wrong", episode.unlisted);
        let unlisted = round.evidence(episode.ended, "trigger", what);
        finding.broken_times(episode.unlisted, unlisted);
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        let figures = figures(&self.last);
        let (kept, broken) = match self.expects_rollback {
            false => (
                "nobody was refused and nothing was lost",
                "the deploy was not lossless",
            ),
            true => (
                "the deploy failed as it should, and the old version served on",
                "the deploy that had to fail was not without a loss, or did not fail",
            ),
        };
        let untried = match (self.is_other, self.expects_rollback) {
            (true, false) => "with --expect-rollback deploy-rolls-back is judged instead",
            (_, false) => "give --trigger COMMAND to test it",
            (_, true) => "give --trigger COMMAND --expect-rollback to test it",
        };
        finding.verdict(
            format!("{kept}; {figures}"),
            format!("{broken}; {figures}"),
            Untried::unasked(untried),
        )
    }
}

fn is_bad(ending: Ending) -> bool {
    let is_turned_away = matches!(
        ending,
        Ending::Refused | Ending::Unanswered | Ending::Status5xx | Ending::Changed
    );
    ending.is_lost() || is_turned_away
}

fn is_doubtful(round: &Round, exchange: &Exchange) -> bool {
    match exchange.ending {
        Ending::Unanswered => round.may_be_in_time(exchange.began, exchange.ended, PATIENT),
        ending if ending.is_lost() => round.may_be_late(exchange),
        _ => false,
    }
}

fn evidence(round: &Round, exchange: &Exchange) -> Evidence {
    let evidence = round.evidence_of(exchange);
    let by = match (exchange.ending, exchange.status) {
        (Ending::Status5xx, Some(502..=504)) => ": as a proxy answers that finds nobody behind it",
        (Ending::ResetBeforeResponse, _) => {
            ": by the server, or by a proxy before it, which passes a reset on as its own"
        }
        _ => "",
    };
    Evidence {
        what: format!("{}{by}", evidence.what),
        ..evidence
    }
}

fn figures(windows: &[EpisodeWindow]) -> String {
    let parts = windows.iter().map(|window| {
        let ms = |quantile: Option<f64>| quantile.map_or("–".to_owned(), |ms| format!("{ms:.1}"));
        format!(
            "{} {} of {} bad, p50/p99/p99.9 {}/{}/{} ms",
            window.name.name(),
            window.bad(),
            window.requests,
            ms(window.p50_ms),
            ms(window.p99_ms),
            ms(window.p999_ms)
        )
    });
    let forced: u64 = windows.iter().skip(1).map(|window| window.reconnects).sum();
    let parts: Vec<String> = parts.collect();
    format!(
        "{}; {forced} connections ended by the server",
        parts.join("; ")
    )
}
