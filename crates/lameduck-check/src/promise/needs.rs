//! What each promise has to see of a target, or do with it. One that needs more than there is is skipped, and its line
//! says what cannot be seen.

use super::Promise;
use crate::ledger::{Round, Terms};
use crate::target::Capability;
use crate::verdict::{Finding, Untried, Verdict};

use Capability::{End, ExitCode, Output, Restart, SignalMoment, Tree};

/// By name; each needs the moment of the signal, unless it is said otherwise.
fn needed(name: &str) -> &'static [Capability] {
    match name {
        "exits-zero" => &[SignalMoment, End, ExitCode],
        "within-grace" => &[SignalMoment, End],
        "no-orphans" => &[SignalMoment, End, Tree],
        "idle-exits" | "startup-signal" | "second-signal" => &[Restart, SignalMoment, End],
        "stuck-told" => &[Restart, SignalMoment, Output],
        // What was there before the start is not the target's: of one that runs already nobody can tell.
        "db-closed" => &[Restart, SignalMoment],
        // Of a trigger too: that is known by who has ended.
        "websocket-closed" | "sse-ends" | "grpc-lossless" => &[],
        "deploy-lossless" | "deploy-rolls-back" => &[],
        _ => &[SignalMoment],
    }
}

/// In the place of a promise that needs what the target does not let be had.
pub(super) fn unseen(name: &str, terms: &Terms) -> Option<Box<dyn Promise>> {
    let capabilities = terms.capabilities;
    let lacking = capabilities.lacks(needed(name))?;
    Some(Box::new(Unseen(format!(
        "of {} {lacking}",
        capabilities.of
    ))))
}

/// Why it is not tried.
struct Unseen(String);

impl Promise for Unseen {
    fn see(&mut self, _: &Round, _: &mut Finding) {}

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        finding.verdict("", "", Untried::unasked(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promise;

    /// A name that no promise has would need nothing in silence.
    #[test]
    fn what_is_listed_here_is_a_promise_and_of_a_command_all_can_be_tried() {
        let names: Vec<&str> = promise::names().collect();
        for name in [
            "exits-zero",
            "within-grace",
            "no-orphans",
            "idle-exits",
            "startup-signal",
            "second-signal",
            "stuck-told",
            "db-closed",
        ] {
            assert!(names.contains(&name), "{name}");
        }
        let command = crate::target::Capabilities::COMMAND;
        let lacking = names.iter().find_map(|name| command.lacks(needed(name)));
        assert_eq!(lacking, None);
    }
}
