//! A round in slices of time, for a picture of it.

use std::time::Duration;

use super::{Exchange, Round};

/// What happened in one slice of a round's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Start of the slice, milliseconds from the signal; negative before it.
    pub from_ms: i64,
    /// Whole responses that ended in it.
    pub answered: u32,
    /// Connection attempts refused in it, and streams sent back unprocessed.
    pub refused: u32,
    /// Requests lost in it.
    pub lost: u32,
}

impl Round {
    /// The round in slices of `width` (a picture of it wants about 50 ms), from the first ended request to the
    /// last, with no gap between.
    pub fn timeline(&self, width: Duration) -> Vec<Slice> {
        let width = (width.as_millis().max(1)) as i64;
        let slot = |exchange: &Exchange| (self.at_ms(exchange.ended) / width as f64).floor() as i64;
        let (Some(first), Some(last)) = (
            self.exchanges.iter().map(slot).min(),
            self.exchanges.iter().map(slot).max(),
        ) else {
            return Vec::new();
        };
        let mut slices: Vec<Slice> = (first..=last)
            .map(|slot| Slice {
                from_ms: slot * width,
                ..Slice::default()
            })
            .collect();
        for exchange in &self.exchanges {
            let slice = &mut slices[(slot(exchange) - first) as usize];
            match exchange.ending {
                ending if ending.is_lost() => slice.lost += 1,
                ending if ending.is_answered() => slice.answered += 1,
                _ => slice.refused += 1,
            }
        }
        slices
    }
}
