//! What counts as traffic: requests, and not whoever only asks how the process is.
//!
//! A lame-duck phase that waits for quiet must not wait for those who never go: health checks on the main port come
//! for as long as it is open, and so do balancers that only connect. So a connection without a request is nothing, and
//! a request counts unless its path or its user agent is that of a prober. A prober that nobody knows makes the
//! phase last to its maximum, and a client taken for a prober makes it end early, which costs nothing that is
//! in flight: so what is told apart is what is known to be sent by checkers alone.
//!
//! # What must hold
//!
//! 1. A request is looked at only if none has counted within the last 10 ms: traffic pays for one read. One that is not
//!    looked at may be the last, so quiet begins 10 ms after the last that was.
//! 2. Nothing but the length of the lame-duck phase depends on it.
//! 3. Where a service of ours has answered a probe is known from then on, whatever the application calls the path.

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;

use crate::base::clock::Millis;

/// What is no prober.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; expected paths and parts of user agents, for example /up,MyChecker/")]
pub struct BadProber(String);

/// How soon after one that counts another is not looked at, in ms. The clock's own resolution may be no better.
const SOON_MS: u64 = 10;

/// The most paths that are remembered of those at which probes were answered.
const MOST_PATHS: usize = 32;

/// Who is no traffic beside those known anyhow: paths, which begin with `/`, and what stands in user agents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probers {
    paths: Vec<String>,
    agents: Vec<String>,
}

impl Probers {
    /// Takes one more in.
    pub fn add(&mut self, prober: &str) -> Result<(), BadProber> {
        let prober = prober.trim();
        match prober {
            "" => return Err(BadProber("a name is missing".to_owned())),
            several if several.contains(',') => {
                return Err(BadProber(format!("{several:?} is more than one")));
            }
            path if path.starts_with('/') && path.contains(['?', '#', '*']) => {
                return Err(BadProber(format!("{path:?} is more than a path")));
            }
            path if path.starts_with('/') => self.paths.push(path.to_owned()),
            agent => self.agents.push(agent.to_owned()),
        }
        Ok(())
    }

    /// Takes others in.
    pub fn extend(&mut self, others: Probers) {
        self.paths.extend(others.paths);
        self.agents.extend(others.agents);
    }
}

/// A list such as `/up,MyChecker/`.
impl FromStr for Probers {
    type Err = BadProber;

    fn from_str(s: &str) -> Result<Probers, BadProber> {
        let mut probers = Probers::default();
        for it in s.split(',') {
            probers.add(it)?;
        }
        Ok(probers)
    }
}

/// When the last of it came.
pub struct Traffic {
    last: AtomicU64,
    probers: OnceLock<Probers>,
    /// The paths at which probes have been answered by a service of ours.
    answered: RwLock<Vec<Box<str>>>,
    /// Whether a layer of ours sees the requests of servers that are not ours.
    layered: AtomicBool,
}

impl Default for Traffic {
    fn default() -> Traffic {
        Traffic::new()
    }
}

impl Traffic {
    /// As if a request had just come.
    pub fn new() -> Traffic {
        Traffic {
            last: AtomicU64::new(Millis::now().0),
            probers: OnceLock::new(),
            answered: RwLock::default(),
            layered: AtomicBool::new(false),
        }
    }

    /// Who is none, once that is known.
    pub fn leave_out(&self, probers: Probers) {
        let _ = self.probers.set(probers);
    }

    /// A request has come. Whether it is that of a prober, one of the application's own or any other, is only asked
    /// if it matters.
    #[inline]
    pub fn request(&self, at: Millis, is_of_a_prober: impl FnOnce(&Traffic) -> bool) {
        // Most come soon after another; they only read.
        let last = self.last.load(Ordering::Relaxed);
        if at.0.saturating_sub(last) > SOON_MS && !is_of_a_prober(self) {
            self.last.store(at.0, Ordering::Relaxed);
        }
    }

    /// Whether only probers ask for `path`: as the application says, or as has been seen.
    pub fn is_probed_at(&self, path: &str) -> bool {
        let said = |it: &Probers| it.paths.iter().any(|it| it == path);
        self.probers.get().is_some_and(said) || self.has_answered_at(path)
    }

    /// Whether what the application says stands in the user agents of its probers stands in `agent`, which may have
    /// bytes that are no text.
    pub fn is_probed_by(&self, agent: &[u8]) -> bool {
        let is_in = |part: &String| agent.windows(part.len()).any(|it| it == part.as_bytes());
        let said = |it: &Probers| it.agents.iter().any(is_in);
        self.probers.get().is_some_and(said)
    }

    fn has_answered_at(&self, path: &str) -> bool {
        let answered = self.answered.read().unwrap_or_else(PoisonError::into_inner);
        answered.iter().any(|it| **it == *path)
    }

    /// A probe has been answered at `path` by a service of ours, which the application has mounted there.
    pub fn answers_probes_at(&self, path: &str) {
        if self.has_answered_at(path) {
            return;
        }
        let mut answered = self
            .answered
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // Whoever mounts it behind a wildcard has any number of them.
        if answered.len() < MOST_PATHS {
            answered.push(path.into());
        }
    }

    /// From now on the requests of other servers are seen.
    pub fn sees_requests(&self) {
        self.layered.store(true, Ordering::Relaxed);
    }

    /// A connection for a server that is not ours has come. It stands for its requests where nobody sees
    /// those.
    pub fn foreign_connection(&self, at: Millis) {
        if !self.layered.load(Ordering::Relaxed) {
            self.last.fetch_max(at.0, Ordering::Relaxed);
        }
    }

    /// How long none has come, or up to 10 ms less.
    pub fn quiet_for(&self) -> Duration {
        let last = self.last.load(Ordering::Relaxed).saturating_add(SOON_MS);
        Millis(last).until(Millis::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_probers_do_not_count() {
        let traffic = Traffic::new();
        let later = Millis(traffic.last.load(Ordering::Relaxed) + 1000);
        traffic.request(later, |_| true);
        assert_ne!(traffic.last.load(Ordering::Relaxed), later.0);
        traffic.request(later, |_| false);
        assert_eq!(traffic.last.load(Ordering::Relaxed), later.0);
        let soon = Millis(later.0 + SOON_MS);
        traffic.request(soon, |_| panic!("it changes nothing"));
    }

    #[test]
    fn where_a_probe_was_answered_is_known_from_then_on() {
        let traffic = Traffic::new();
        assert!(!traffic.is_probed_at("/internal/alive"));
        traffic.answers_probes_at("/internal/alive");
        traffic.answers_probes_at("/internal/alive");
        assert!(traffic.is_probed_at("/internal/alive"));
        assert!(!traffic.is_probed_at("/internal"));
        for nth in 0..2 * MOST_PATHS {
            traffic.answers_probes_at(&format!("/any/{nth}"));
        }
        assert_eq!(traffic.answered.read().unwrap().len(), MOST_PATHS);
    }

    #[test]
    fn no_request_is_missed_in_what_is_called_quiet() {
        let traffic = Traffic::new();
        let first = Millis::now();
        traffic.request(Millis(first.0 + SOON_MS + 1), |_| false);
        crate::base::clock::shifted::advance(Duration::from_secs(1));
        // One that was not looked at may have come just before the next would have been.
        assert!(traffic.quiet_for() <= Millis(first.0 + 2 * SOON_MS + 1).until(Millis::now()));
        assert!(traffic.quiet_for() >= Duration::from_millis(900));
    }

    #[test]
    fn a_prober_is_a_path_or_a_part_of_a_user_agent() {
        let probers: Probers = "/up, MyChecker/".parse().unwrap();
        assert_eq!(
            (&probers.paths[..], &probers.agents[..]),
            (&["/up".to_owned()][..], &["MyChecker/".to_owned()][..])
        );
        for bad in ["", "/up,", "/up?x=1", "/up/*"] {
            let problem = bad.parse::<Probers>().unwrap_err().to_string();
            assert!(problem.contains("/up,MyChecker/"), "{bad}: {problem}");
        }
    }

    #[test]
    fn connections_count_only_where_nobody_sees_the_requests() {
        let traffic = Traffic::new();
        let later = Millis(traffic.last.load(Ordering::Relaxed) + 1000);
        traffic.sees_requests();
        traffic.foreign_connection(later);
        assert_ne!(traffic.last.load(Ordering::Relaxed), later.0);
        let traffic = Traffic::new();
        traffic.foreign_connection(later);
        assert_eq!(traffic.last.load(Ordering::Relaxed), later.0);
    }
}
