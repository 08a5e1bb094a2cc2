//! Requests counted by their end.

use super::{Ending, Round};

/// How many requests of the load rounds ended in which way, before and after the signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// [`Ending::Ok`].
    pub ok: u64,
    /// [`Ending::OkClose`].
    pub ok_close: u64,
    /// [`Ending::Refused`] and [`Ending::Unprocessed`].
    pub refused: u64,
    /// [`Ending::Unanswered`].
    pub unanswered: u64,
    /// [`Ending::ResetBeforeResponse`].
    pub reset_before_response: u64,
    /// [`Ending::EofBeforeResponse`].
    pub eof_before_response: u64,
    /// [`Ending::Truncated`].
    pub truncated: u64,
    /// [`Ending::Changed`].
    pub changed: u64,
    /// [`Ending::Status5xx`].
    pub status_5xx: u64,
    /// [`Ending::Timeout`].
    pub timeout: u64,
}

impl Tally {
    /// Counts every request of the given rounds.
    pub fn of<'a>(rounds: impl IntoIterator<Item = &'a Round>) -> Self {
        let mut tally = Self::default();
        for exchange in rounds.into_iter().flat_map(|round| &round.exchanges) {
            *match exchange.ending {
                Ending::Ok => &mut tally.ok,
                Ending::OkClose => &mut tally.ok_close,
                Ending::Refused | Ending::Unprocessed => &mut tally.refused,
                Ending::Unanswered => &mut tally.unanswered,
                Ending::ResetBeforeResponse => &mut tally.reset_before_response,
                Ending::EofBeforeResponse => &mut tally.eof_before_response,
                Ending::Truncated => &mut tally.truncated,
                Ending::Changed => &mut tally.changed,
                Ending::Status5xx => &mut tally.status_5xx,
                Ending::Timeout => &mut tally.timeout,
            } += 1;
        }
        tally
    }
}
