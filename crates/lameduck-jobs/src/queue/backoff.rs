//! How long to leave a queue alone that has just failed us.

use std::fmt;
use std::time::Duration;

use tracing::Level;

use lameduck_core::internal::redact::without_passwords;
use lameduck_core::internal::voice;

/// A pause that doubles with each failure in a row, and what is logged about them: the first
/// failure and the recovery, not each try.
pub(crate) struct QueueBackoff {
    failures: u32,
}

impl QueueBackoff {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(2);

    pub(crate) fn new() -> QueueBackoff {
        QueueBackoff { failures: 0 }
    }

    /// It has failed: how long to wait before the next try.
    pub(crate) fn after(&mut self, worker: &str, what: &str, error: &dyn fmt::Display) -> Duration {
        if self.failures == 0 {
            let (worker, what) = (worker.to_owned(), what.to_owned());
            // A client names its server by an address, which may have a password in it.
            let error = without_passwords(&error.to_string()).into_owned();
            voice::event(Level::WARN, move || {
                tracing::warn!(target: "lameduck", worker, error, "{what} failed, will be tried again");
            });
        }
        let pause = Self::FIRST.saturating_mul(1 << self.failures.min(16));
        self.failures += 1;
        pause.min(Self::LONGEST)
    }

    /// It works.
    pub(crate) fn over(&mut self, worker: &str, what: &str) {
        if self.failures > 0 {
            let (worker, what) = (worker.to_owned(), what.to_owned());
            let failures = std::mem::take(&mut self.failures);
            voice::event(Level::INFO, move || {
                tracing::info!(target: "lameduck", worker, failures, "{what} works again");
            });
        }
    }
}
