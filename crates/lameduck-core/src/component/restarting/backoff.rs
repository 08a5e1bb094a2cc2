//! How long to wait before something that has failed is tried again, and when to give it up.
//!
//! # What must hold
//!
//! 1. A pause is at least half of what it would be without chance, and at most the longest that was asked for.
//! 2. Without chance, pauses of one row never get shorter.
//! 3. After `limit` pauses in a row there is no other, until one has been steady.
//!
//! Pure arithmetic: no clock, no chance of its own.

use std::time::Duration;

use crate::base::BadConfiguration;

/// Where a row of failures stands.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    pub(super) least: Duration,
    pub(super) most: Duration,
    pub(super) limit: u32,
    pub(super) steady_after: Duration,
    in_a_row: u32,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff {
            least: Duration::from_millis(200),
            most: Duration::from_secs(30),
            limit: 10,
            steady_after: Duration::from_secs(60),
            in_a_row: 0,
        }
    }
}

impl Backoff {
    pub(super) fn check(&self) -> Result<(), BadConfiguration> {
        let show = humantime::format_duration;
        let problem = if self.least.is_zero() {
            "a restart after a pause of 0s would leave no time for anything else: give more, for example \
             200ms..30s"
                .to_owned()
        } else if self.least > self.most {
            let (least, most) = (show(self.least), show(self.most));
            format!(
                "the shortest pause, {least}, is above the longest, {most}: for example 200ms..30s"
            )
        } else if self.steady_after.is_zero() {
            "steady after 0s would never give up: give more, for example 1m".to_owned()
        } else {
            return Ok(());
        };
        Err(BadConfiguration::new(problem))
    }

    /// How many restarts there have been in this row.
    pub(super) fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// The pause after one that ran for so long has failed; `None` if that was one too many. `chance` is in 0..1.
    pub(super) fn failed(&mut self, ran: Duration, chance: f64) -> Option<Duration> {
        if ran >= self.steady_after {
            self.in_a_row = 0;
        }
        if self.in_a_row >= self.limit {
            return None;
        }
        let doubled = 1_u32.checked_shl(self.in_a_row).unwrap_or(u32::MAX);
        let full = self.least.saturating_mul(doubled).min(self.most);
        self.in_a_row += 1;
        Some(full / 2 + (full / 2).mul_f64(chance))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_end_at_the_limit() {
        let mut backoff = Backoff {
            limit: 9,
            ..Backoff::default()
        };
        // The most that chance can make of it, nearly.
        let pauses: Vec<_> = std::iter::from_fn(|| backoff.failed(ms(0), 1.0)).collect();
        let expected = [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000];
        assert_eq!(pauses, expected.map(ms));
        assert_eq!(backoff.in_a_row(), 9);
    }

    #[test]
    fn what_was_steady_begins_a_new_row() {
        let mut backoff = Backoff::default();
        for _ in 0..10 {
            assert!(backoff.failed(ms(59_999), 0.0).is_some());
        }
        assert_eq!(backoff.failed(ms(59_999), 0.0), None);
        assert_eq!(backoff.failed(ms(60_000), 0.0), Some(ms(100)));
    }

    #[test]
    fn what_cannot_be_is_refused_with_an_example() {
        let refused = |backoff: Backoff| backoff.check().unwrap_err().to_string();
        let usual = Backoff::default;
        assert_eq!(usual().check(), Ok(()));
        let least = ms(0);
        assert!(refused(Backoff { least, ..usual() }).contains("200ms..30s"));
        let most = ms(199);
        assert!(refused(Backoff { most, ..usual() }).contains("200ms..30s"));
        let steady_after = ms(0);
        assert!(
            refused(Backoff {
                steady_after,
                ..usual()
            })
            .contains("1m")
        );
    }

    proptest! {
        #[test]
        fn every_row_keeps_to_its_bounds(
            least in 1_u64..10_000,
            more in 0_u64..100_000,
            limit in 0_u32..100,
            runs in prop::collection::vec((0_u64..120, 0.0..1.0), 0..200),
        ) {
            let (least, most) = (ms(least), ms(least + more));
            let mut backoff = Backoff { least, most, limit, ..Backoff::default() };
            let mut row = 0;
            let mut longest_of_row = Duration::ZERO;
            for (ran, chance) in runs {
                let ran = Duration::from_secs(ran);
                if ran >= backoff.steady_after {
                    row = 0;
                    longest_of_row = Duration::ZERO;
                }
                let full = backoff.clone().failed(ran, 1.0);
                let pause = backoff.failed(ran, chance);
                prop_assert_eq!(pause.is_none(), row == limit);
                if let (Some(pause), Some(full)) = (pause, full) {
                    row += 1;
                    prop_assert!(pause >= full / 2 && pause <= full && full <= most);
                    prop_assert!(full >= longest_of_row, "it never gets shorter");
                    longest_of_row = full;
                }
                prop_assert_eq!(backoff.in_a_row(), row);
            }
        }
    }
}
