//! Orders, each with a job, and the books of both: a file that holds what the prover's `--ledger` is to print.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::state::{Fault, State};

/// How long a job takes.
const JOB: Duration = Duration::from_millis(30);
/// How often the worker looks for one.
const TICK: Duration = Duration::from_millis(1);

#[derive(Debug, Default, Serialize, Deserialize)]
struct Books {
    orders: u64,
    receipts: u64,
    duplicates: u64,
    pending: u64,
    running: u64,
    /// What clients called their orders.
    ids: Vec<String>,
}

pub struct Orders {
    file: PathBuf,
    state: &'static State,
    books: Mutex<Books>,
}

impl Orders {
    /// Reads what the process before has left, and starts a worker.
    pub fn open(file: PathBuf, state: &'static State) -> io::Result<&'static Self> {
        let mut books = match std::fs::read(&file) {
            Ok(bytes) if state.fault != Fault::Forgets => serde_json::from_slice(&bytes)?,
            _ => Books::default(),
        };
        // What a killed process held is done again.
        if state.fault != Fault::HoldsJob {
            books.pending += std::mem::take(&mut books.running);
        }
        let orders: &'static Self = Box::leak(Box::new(Self {
            file,
            state,
            books: Mutex::new(books),
        }));
        orders.change(|_| {})?;
        thread::spawn(move || orders.work());
        Ok(orders)
    }

    /// An order and its job.
    pub fn enter(&self, id: &str) -> io::Result<()> {
        if self.state.errs(Fault::LosesOrders) {
            return Ok(());
        }
        self.change(|books| {
            books.orders += 1;
            books.ids.push(id.to_owned());
            books.pending += 1;
        })
    }

    /// Waits for the job in hand; the others stay in the file.
    pub fn close(&self) -> io::Result<()> {
        match self.state.fault {
            // Not before it holds one: the signal may have come between two.
            Fault::HoldsJob => {
                while self.is_between_two() {
                    thread::sleep(TICK);
                }
            }
            _ => {
                while self.books().running > 0 {
                    thread::sleep(TICK);
                }
            }
        }
        match self.state.fault {
            Fault::DropsJobs => self.change(|books| books.pending = 0),
            _ => Ok(()),
        }
    }

    fn is_between_two(&self) -> bool {
        let books = self.books();
        books.running == 0 && books.pending > 0
    }

    fn work(&self) {
        loop {
            let enough = self.state.is_stopping() && self.state.fault != Fault::HoldsJob;
            if enough || self.books().pending == 0 {
                thread::sleep(TICK);
                continue;
            }
            let taken = self.change(|books| {
                books.pending -= 1;
                books.running += 1;
            });
            thread::sleep(JOB);
            while self.state.errs(Fault::HoldsJob) {
                thread::sleep(TICK);
            }
            let done = self.change(|books| {
                books.running -= 1;
                books.receipts += 1;
            });
            if taken.and(done).is_err() {
                return;
            }
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// On disk before anybody is told. A reader sees all of a change or nothing.
    fn change(&self, change: impl FnOnce(&mut Books)) -> io::Result<()> {
        let mut books = self.books();
        change(&mut books);
        let beside = self.file.with_extension("new");
        std::fs::write(&beside, serde_json::to_vec(&*books)?)?;
        std::fs::rename(beside, &self.file)
    }
}
