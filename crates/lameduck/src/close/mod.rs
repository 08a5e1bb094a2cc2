//! Closing pools and clients, after everything that uses them has ended.
//!
//! # What must hold
//!
//! 1. No closer starts before what is in flight has ended or was let go.
//! 2. Closers run one after the other, in the order in which they were named. One that hangs gets
//!    a fair share of the time that is left and at most the reserve (5 s of 30 s), never the time
//!    of those after it; telemetry, which is
//!    flushed last, has a reserve of its own ([`budget`](crate::budget)).
//! 3. What a closer was still waiting for when its time was over is in the report.

use std::future::Future;
use std::time::Duration;

use crate::bounded::bounded;
use crate::clock::now;
use crate::component::{BoxError, BoxFuture};
use crate::handle::Handle;
use crate::journal::CLOSER;
use crate::report::{LetGo, Step};

#[cfg(feature = "sqlx")]
mod sqlx;

/// Something that must be closed before the process ends. Implemented for the pools and clients
/// of other crates behind features of their names; for anything else there is
/// [`Lifecycle::close_with`](crate::Lifecycle::close_with).
pub trait Close: Send + 'static {
    /// Closes it. Called once, when nothing uses it any more. Dropped if it takes too long.
    fn close(&mut self) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// What a close that takes too long is waiting for, for example `2 of 10 connections are still
    /// checked out`.
    fn waits_for(&self) -> Option<String> {
        None
    }
}

pub(crate) struct Closer {
    name: String,
    run: Box<dyn FnOnce(Duration) -> BoxFuture<Result<(), String>> + Send>,
}

impl Closer {
    pub(crate) fn new(name: String, mut it: impl Close) -> Closer {
        Closer {
            name,
            run: Box::new(move |timeout| {
                Box::pin(async move {
                    let closed = bounded(timeout, it.close()).await;
                    closed.map_err(|e| match it.waits_for() {
                        Some(what) => format!("{e}: {what}"),
                        None => e,
                    })
                })
            }),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn with<F, E>(name: String, close: impl FnOnce() -> F + Send + 'static) -> Closer
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Closer {
            name,
            run: Box::new(move |timeout| {
                Box::pin(bounded(timeout, async move {
                    close().await.map_err(Into::into)
                }))
            }),
        }
    }
}

/// Runs all closers, each within a fair share of the time until `until` after the signal.
pub(crate) async fn close_all(closers: Vec<Closer>, until: Duration, handle: &Handle) {
    let mut left = closers.len() as u32;
    for closer in closers {
        let share = (handle.left_until(until) / left.max(1)).min(handle.budget().reserve());
        left -= 1;
        let name = closer.name;
        let guard = handle.track(CLOSER, name.clone());
        let began = now();
        // A task of its own: a closer that blocks its thread does not block the others.
        let closed = tokio::spawn((closer.run)(share));
        let error = match tokio::time::timeout(share + OVERRUN, closed).await {
            Ok(Ok(closed)) => closed.err(),
            Ok(Err(lost)) => Some(lost.to_string()),
            Err(_) => Some("blocks its thread".to_owned()),
        };
        drop(guard);
        let took = now().saturating_duration_since(began);
        match &error {
            Some(error) if took >= share => handle.journal().let_go(LetGo {
                kind: CLOSER.to_owned(),
                name: name.clone(),
                age: took,
                why: error.clone(),
            }),
            Some(error) => handle.journal().failed(&name, error),
            None => {}
        }
        handle.journal().closed(Step { name, took, error });
    }
}

/// What a closer that does not even notice its time-out costs on top.
const OVERRUN: Duration = Duration::from_millis(20);
