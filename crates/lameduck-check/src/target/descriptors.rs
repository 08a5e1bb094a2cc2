//! How many files the prover may have open. Each connection of a client is one, over a distance as well as without.
//!
//! # What must hold
//! - The prover uses as many as the hard limit allows (getrlimit(2)): the soft one is for programs that use select(2).
//! - The target is started with the limits that the prover was started with.

use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limits that the prover was started with. The lock is held while they hold again.
static INHERITED: OnceLock<Mutex<Rlimit>> = OnceLock::new();

/// Starts a program with the limits that the prover was started with, and has all that there are afterwards.
pub(super) fn as_inherited<T>(start: impl FnOnce() -> T) -> T {
    let inherited = INHERITED.get_or_init(|| Mutex::new(getrlimit(Resource::Nofile)));
    let inherited = inherited.lock().unwrap_or_else(PoisonError::into_inner);
    // Neither can fail: the soft limit stays within the hard one, which stays as it is.
    let _ = setrlimit(Resource::Nofile, *inherited);
    let started = start();
    let all = Rlimit {
        current: inherited.maximum,
        maximum: inherited.maximum,
    };
    let _ = setrlimit(Resource::Nofile, all);
    started
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_has_the_inherited_limit_and_the_prover_all_that_there_is() {
        let before = getrlimit(Resource::Nofile);
        let seen = as_inherited(|| getrlimit(Resource::Nofile));
        assert_eq!(seen.current, before.current);
        let after = getrlimit(Resource::Nofile);
        assert_eq!(
            (after.current, after.maximum),
            (before.maximum, before.maximum)
        );
        // Once more, as for the next round.
        assert_eq!(
            as_inherited(|| getrlimit(Resource::Nofile)).current,
            before.current
        );
    }
}
