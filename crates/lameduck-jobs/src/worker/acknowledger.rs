//! Telling the queue of what is done: of all that has ended since it was told last, in one breath.
//!
//! Nobody waits for company, and a busy worker has hundreds of acknowledgements written in one
//! transaction, or confirmed by one answer.
//!
//! # What must hold
//!
//! 1. What comes in is settled, or closed with the reason why not once nothing more can be waited for.
//! 2. A job that the queue will not be told of holds up no other: it is tried again after a pause,
//!    those that end meanwhile at once.
//! 3. It is tried again when its pause is over, however many others end meanwhile.

use std::iter::repeat_with;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::settlement::Settlement;
use crate::held::held_jobs::HeldJob;
use crate::queue::backoff::QueueBackoff;
use crate::queue::contract::{Queue, Settled};
use lameduck_core::BoxError;

/// What is logged about it.
const WHAT: &str = "acknowledging";

/// Acknowledges what is done.
pub(crate) struct Acknowledger<Q: Queue> {
    settlement: Arc<Settlement<Q>>,
    /// What the queue could not be told, and when to try again.
    again: Vec<Arc<HeldJob<Q::Lease>>>,
    due: Instant,
    pause: QueueBackoff,
    /// Why not.
    why: String,
}

impl<Q: Queue> Acknowledger<Q> {
    pub(crate) fn new(settlement: Arc<Settlement<Q>>) -> Acknowledger<Q> {
        Acknowledger {
            settlement,
            again: Vec::new(),
            due: Instant::now(),
            pause: QueueBackoff::new(),
            why: "the queue does not answer".to_owned(),
        }
    }

    /// Settles what comes from who has claimed it, until nobody is left who could send more.
    pub(crate) async fn run(mut self, mut done: mpsc::UnboundedReceiver<Arc<HeldJob<Q::Lease>>>) {
        let mut jobs = Vec::new();
        loop {
            let waits = !self.again.is_empty();
            tokio::select! {
                biased;
                // Before those that have just ended, of which a busy worker always has some. Not for
                // long: the next pause begins when they have been told.
                () = sleep_until(self.due), if waits => jobs.append(&mut self.again),
                // As many as there are: no more may wait than `Settlement::telling` has permits.
                n = done.recv_many(&mut jobs, usize::MAX) => if n == 0 { return },
                () = self.settlement.too_late(), if waits => {
                    self.give_up();
                    continue;
                }
            }
            let leases: Vec<&Q::Lease> = jobs.iter().map(|it| &it.lease).collect();
            let answers = tokio::select! {
                biased;
                answers = self.settlement.queue.done(&leases) => Some(answers),
                () = self.settlement.too_late() => None,
            };
            match answers {
                Some(answers) => self.note(&mut jobs, answers),
                None => {
                    self.again.append(&mut jobs);
                    self.give_up();
                }
            }
        }
    }

    /// Closes what the queue has taken note of, and keeps the rest for another try.
    fn note(
        &mut self,
        jobs: &mut Vec<Arc<HeldJob<Q::Lease>>>,
        answers: Vec<Result<Settled, BoxError>>,
    ) {
        let some_waited = !self.again.is_empty();
        let unanswered = || Err("the queue does not say what has become of it".into());
        let mut failure: Option<BoxError> = None;
        for (it, answer) in jobs
            .drain(..)
            .zip(answers.into_iter().chain(repeat_with(unanswered)))
        {
            match answer {
                Ok(settled) => self.close(&it, Ok(settled)),
                Err(error) => {
                    failure = Some(error);
                    self.again.push(it);
                }
            }
        }
        match failure {
            Some(error) => {
                self.why = error.to_string();
                if !some_waited {
                    let pause = self.pause.after(&self.settlement.name, WHAT, &error);
                    self.due = Instant::now() + pause;
                }
            }
            None if !some_waited => self.pause.over(&self.settlement.name, WHAT),
            None => {}
        }
    }

    /// Nothing more can be waited for.
    fn give_up(&mut self) {
        for it in std::mem::take(&mut self.again) {
            self.close(&it, Err(self.why.clone()));
        }
    }

    fn close(&self, it: &HeldJob<Q::Lease>, settled: Result<Settled, String>) {
        self.settlement.close(it, "done", settled);
        self.settlement.telling.add_permits(1);
    }
}
