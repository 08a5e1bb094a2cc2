//! `stuck-told`: what was let go is named, and the exit is not 0.

use std::time::Duration;

use super::Promise;
use crate::ledger::{Round, RoundKind, Terms};
use crate::load::upload::STUCK;
use crate::verdict::{Finding, Untried, Verdict};

pub(super) struct StuckTold {
    grace: Duration,
}

impl StuckTold {
    pub(super) fn anew(terms: &Terms) -> Box<dyn Promise> {
        Box::new(Self { grace: terms.grace })
    }
}

impl Promise for StuckTold {
    fn is_tried_by(&self, kind: RoundKind) -> bool {
        kind == RoundKind::Stuck
    }

    fn see(&mut self, round: &Round, finding: &mut Finding) {
        let path = round.stuck_path.as_deref().unwrap_or("/");
        let names = is_named(
            &round.said_after_signal,
            path.split('?').next().unwrap_or(path),
        );
        let place = format!("target, with {STUCK}");
        let complaint = match round.exit.code {
            _ if round.exit.killed => {
                Some("had to be killed: the stuck request held it past its grace".to_owned())
            }
            _ if round.signal_to_exit() >= self.grace => {
                Some("ended only after its grace".to_owned())
            }
            Some(0) => Some("exit code 0 although a request was let go".to_owned()),
            _ if !names => Some(format!(
                "{}, and nothing it wrote names `{path}`",
                round.exit.describe()
            )),
            _ => None,
        };
        match complaint {
            Some(what) => finding.broken(round.evidence(round.exit.at, place, what)),
            None => finding.kept(),
        }
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        finding.verdict(
            "the stuck request was named, and the exit was not 0",
            "a request that never ended was not told of, or held the target too long",
            Untried::unasked("give --upload PATH to test it"),
        )
    }
}

/// Whether a text names a request by its path: as a whole, not as the beginning of another one. What is at `/` is only
/// named with its method, for there is a slash in every text.
fn is_named(text: &str, path: &str) -> bool {
    let name = match path {
        "/" => "POST /",
        path => path,
    };
    text.match_indices(name).any(|(at, _)| {
        let next = text[at + name.len()..].chars().next();
        next.is_none_or(|next| !next.is_alphanumeric() && !"/-_.~%".contains(next))
    })
}

#[cfg(test)]
mod tests {
    use super::is_named;

    #[test]
    fn a_name_is_a_whole_path_and_no_slash_of_any_kind() {
        assert!(is_named("let go: request POST /upload, 3 s old", "/upload"));
        assert!(is_named("killed http://127.0.0.1:1/upload?x=1", "/upload"));
        assert!(!is_named("GET /uploads/7 is done", "/upload"));
        assert!(!is_named("see https://example.com/", "/"));
        assert!(!is_named("wrote /var/run/x.pid 1/2", "/"));
        assert!(is_named("let go: POST / 3 s old", "/"));
        assert!(!is_named("POST /orders", "/"));
    }
}
