//! Requests counted by their end.

use std::ops::AddAssign;

use super::{Ending, Exchange};

/// How many requests of the load rounds ended in which way, before and after the signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
    /// Counts requests.
    pub fn of(exchanges: &[Exchange]) -> Self {
        let mut tally = Self::default();
        exchanges.iter().for_each(|it| tally.count(it.ending));
        tally
    }

    /// Counts one more.
    pub(super) fn count(&mut self, ending: Ending) {
        *match ending {
            Ending::Ok => &mut self.ok,
            Ending::OkClose => &mut self.ok_close,
            Ending::Refused | Ending::Unprocessed => &mut self.refused,
            Ending::Unanswered => &mut self.unanswered,
            Ending::ResetBeforeResponse => &mut self.reset_before_response,
            Ending::EofBeforeResponse => &mut self.eof_before_response,
            Ending::Truncated => &mut self.truncated,
            Ending::Changed => &mut self.changed,
            Ending::Status5xx => &mut self.status_5xx,
            Ending::Timeout => &mut self.timeout,
        } += 1;
    }

    /// Requests, however they ended.
    pub fn requests(&self) -> u64 {
        let honest = self.ok + self.ok_close + self.refused + self.unanswered;
        honest + self.changed + self.status_5xx + self.lost()
    }

    /// Requests that were wholly written and got no whole response.
    pub fn lost(&self) -> u64 {
        self.reset_before_response + self.eof_before_response + self.truncated + self.timeout
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.ok += other.ok;
        self.ok_close += other.ok_close;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.reset_before_response += other.reset_before_response;
        self.eof_before_response += other.eof_before_response;
        self.truncated += other.truncated;
        self.changed += other.changed;
        self.status_5xx += other.status_5xx;
        self.timeout += other.timeout;
    }
}
