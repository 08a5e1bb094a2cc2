//! The target's books at the moments of a round that count.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{Accountant, Books, BooksError};
use crate::plan::Plan;

/// What ends with the process must be visible to other workers so soon after it.
const VISIBLE: Duration = Duration::from_secs(1);

/// The target's books in one round.
#[derive(Clone, Debug)]
pub struct Audit {
    /// When the target was ready: what the stop before had left.
    pub found: Books,
    /// Before the first order of this round: after what had been left was done, or the time for it was over.
    pub opened: Books,
    /// How long that took.
    pub settling: Duration,
    /// After the target's end; `None` in a round that only waits for what was left.
    pub closed: Option<Books>,
    /// The ids of all orders then, where the books list them (`"ids":[…]`).
    pub listed: Option<BTreeSet<String>>,
    /// Whether the next start is to find what this one left, and finish it.
    pub goes_on: bool,
}

/// An audit under way: the books were opened.
#[derive(Debug)]
pub(crate) struct OpenBooks {
    accountant: Accountant,
    audit: Audit,
    is_to_be_closed: bool,
}

impl OpenBooks {
    /// Opens the books of a target that is ready, after it had time to finish what it found. `known` is what the
    /// round before could not settle either: it is not waited for again.
    pub(crate) async fn open(
        accountant: Accountant,
        plan: &Plan,
        known: Option<Books>,
        is_to_be_closed: bool,
    ) -> Result<Self, BooksError> {
        const WHEN: &str = "while the target was running";
        let begun = Instant::now();
        let found = match known {
            // Whether the command works at all is told at once.
            None => accountant.look(WHEN).await?.books,
            Some(_) => {
                accountant
                    .look_until(WHEN, begun + VISIBLE, |_| true)
                    .await?
                    .books
            }
        };
        let known = known.unwrap_or_default();
        let is_settled = |books: &Books| {
            books.owed() <= known.owed()
                && books.pending + books.running <= known.pending + known.running
        };
        let opened = match plan.settle.is_zero() || is_settled(&found) {
            true => found,
            false => {
                accountant
                    .look_until(WHEN, begun + plan.settle, is_settled)
                    .await?
                    .books
            }
        };
        Ok(Self {
            accountant,
            is_to_be_closed,
            audit: Audit {
                found,
                opened,
                settling: begun.elapsed(),
                closed: None,
                listed: None,
                goes_on: !plan.settle.is_zero(),
            },
        })
    }

    /// Closes the books of a target that has ended. What was given back has a second to be visible.
    pub(crate) async fn close(mut self) -> Result<Audit, BooksError> {
        const WHEN: &str = "after the target's end";
        if self.is_to_be_closed {
            let deadline = Instant::now() + VISIBLE;
            let looked = self
                .accountant
                .look_until(WHEN, deadline, Books::is_given_back)
                .await?;
            self.audit.closed = Some(looked.books);
            self.audit.listed = looked.ids;
        }
        Ok(self.audit)
    }
}
