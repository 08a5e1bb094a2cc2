//! The target's own books: how many orders it has, how many receipts it sent, and what is still to be done.

mod accountant;
mod audit;

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use audit::Audit;

pub(crate) use accountant::Accountant;
pub(crate) use audit::OpenBooks;

/// What the books must look like, for error messages.
const SHAPE: &str = r#"{"orders":2,"receipts":1,"duplicates":0,"pending":1,"running":0}"#;

/// The target's books at one moment, as the command of `--ledger` prints them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    /// Orders that were committed.
    pub orders: u64,
    /// Orders that have their receipt.
    pub receipts: u64,
    /// Receipts beyond the first of an order.
    pub duplicates: u64,
    /// Jobs that wait in their queue, visible to any worker.
    pub pending: u64,
    /// Jobs that a worker holds.
    pub running: u64,
}

/// The part of the books that may be left out.
#[derive(Deserialize)]
struct Listed {
    ids: Option<Vec<serde_json::Value>>,
}

/// The books, and the ids of all orders if they are listed.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) books: Books,
    pub(crate) ids: Option<BTreeSet<String>>,
}

/// How an id is written: a text without its quotes, or a number.
pub(crate) fn written(id: serde_json::Value) -> String {
    match id {
        serde_json::Value::String(id) => id,
        other => other.to_string(),
    }
}

impl Books {
    /// The ids of all orders, where the books list them: the prover's own, or those that the target answered with.
    pub(crate) fn ids(text: &str) -> Option<BTreeSet<String>> {
        let listed: Listed = serde_json::from_str(text.trim()).ok()?;
        Some(listed.ids?.into_iter().map(written).collect())
    }

    /// Reads one JSON object; members that nobody knows are left alone.
    pub(crate) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text.trim())
    }

    /// Orders without a receipt.
    pub fn owed(&self) -> u64 {
        self.orders.saturating_sub(self.receipts)
    }

    /// Orders with neither a receipt nor a job: those have vanished.
    pub fn vanished(&self) -> u64 {
        self.owed().saturating_sub(self.pending + self.running)
    }

    /// Nothing is left to be done.
    pub fn is_settled(&self) -> bool {
        self.owed() == 0 && self.pending == 0 && self.running == 0
    }

    /// Every order has its receipt or a job that waits in its queue; nobody holds one.
    pub(crate) fn is_given_back(&self) -> bool {
        self.vanished() == 0 && self.running == 0
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            orders,
            receipts,
            pending,
            running,
            ..
        } = self;
        write!(
            f,
            "{orders} orders, {receipts} with a receipt, {pending} jobs pending, {running} running"
        )
    }
}

/// Why the target's books could not be read. The command line shows these with exit 2.
#[derive(Debug, Error)]
pub enum BooksError {
    /// The command does not start.
    #[error(
        "--ledger: cannot run `{command}`: {reason}; give a program and its arguments that print the target's books"
    )]
    Spawn {
        /// The command.
        command: String,
        /// What the system said.
        reason: std::io::Error,
    },
    /// It did not end.
    #[error(
        "--ledger `{command}` did not end within {limit:?}; it must print the books once and end"
    )]
    TooSlow {
        /// The command.
        command: String,
        /// How long it was waited for.
        limit: std::time::Duration,
    },
    /// It ended with an error.
    #[error(
        "--ledger `{command}` failed {when} ({how}){hint}; expected exit code 0 and {SHAPE} on standard output; it wrote:\n{output}"
    )]
    Failed {
        /// The command.
        command: String,
        /// Whether the target was running.
        when: &'static str,
        /// How it ended.
        how: String,
        /// A way out, when there is an obvious one.
        hint: &'static str,
        /// What it wrote to both streams.
        output: String,
    },
    /// What it printed are no books.
    #[error(
        "--ledger `{command}` printed no books {when} ({reason}){hint}; expected {SHAPE}; it wrote:\n{output}"
    )]
    Unreadable {
        /// The command.
        command: String,
        /// Whether the target was running.
        when: &'static str,
        /// What is wrong with it.
        reason: serde_json::Error,
        /// A way out, when there is an obvious one.
        hint: &'static str,
        /// What it wrote to both streams.
        output: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_without_receipt_or_job_has_vanished() {
        let books = Books::parse(
            r#"{"orders":5,"receipts":2,"duplicates":1,"pending":1,"running":1,"note":"x"}"#,
        )
        .unwrap();
        assert_eq!((books.owed(), books.vanished()), (3, 1));
        assert!(!books.is_settled() && !books.is_given_back());
    }

    #[test]
    fn books_are_settled_when_nothing_is_left_to_be_done() {
        let books = Books {
            orders: 3,
            receipts: 3,
            ..Books::default()
        };
        assert!(books.is_settled() && books.is_given_back());
        // A second job for an order that has its receipt.
        assert!(
            !Books {
                pending: 1,
                ..books
            }
            .is_settled()
        );
    }

    #[test]
    fn a_missing_member_is_named() {
        let error = Books::parse(r#"{"orders":5}"#).unwrap_err().to_string();
        assert!(error.contains("`receipts`"), "{error}");
    }
}
