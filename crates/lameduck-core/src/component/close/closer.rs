//! Running the closers, each within its share of the time.

use std::future::Future;
use std::time::Duration;

use super::Close;
use super::off_runtime::off_runtime;
use crate::base::bounded::bounded;
use crate::base::clock::now;
use crate::base::text::short;
use crate::base::{BoxError, BoxFuture};
use crate::handle::Handle;
use crate::inflight::kind::CLOSER;
use crate::report::{LetGo, Step};

/// The most of a closer's time that is kept back for asking what it waits for.
const ASKING: Duration = Duration::from_millis(300);

/// What a closer that does not even notice its time-out costs on top: long enough that one that
/// only waits for a busy processor is not taken for one that blocks its thread.
fn overrun(share: Duration) -> Duration {
    (share / 20).clamp(Duration::from_millis(20), Duration::from_millis(200))
}

/// How much of what is still in the ledger is named by a closer that was held up.
const NAMED: usize = 5;

/// One thing to close, by name.
pub(crate) struct Closer {
    name: String,
    run: Box<dyn FnOnce(Duration) -> BoxFuture<Result<(), StillOpen>> + Send>,
}

/// Why something is still open.
struct StillOpen {
    error: String,
    /// Whether its time was over.
    late: bool,
    /// Whether somebody else still uses it.
    in_use: bool,
}

impl Closer {
    pub(crate) fn new<C: Close>(name: String, it: C) -> Closer {
        Closer {
            name,
            run: Box::new(move |share| Box::pin(close(it, share))),
        }
    }

    pub(crate) fn with<F, E>(name: String, close: impl FnOnce() -> F + Send + 'static) -> Closer
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let close = async move |share| {
            let closed = async move { close().await.map_err(Into::into) };
            within(share, closed).await
        };
        Closer {
            name,
            run: Box::new(move |share| Box::pin(close(share))),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

async fn within(
    time: Duration,
    closed: impl Future<Output = Result<(), BoxError>> + Send,
) -> Result<(), StillOpen> {
    let began = now();
    bounded(time, closed).await.map_err(|error| StillOpen {
        error,
        late: now().saturating_duration_since(began) >= time,
        in_use: false,
    })
}

async fn close<C: Close>(mut it: C, share: Duration) -> Result<(), StillOpen> {
    let began = now();
    let asking = ASKING.min(share / 4);
    let mut closed = within(share - asking, it.close()).await;
    if let Err(open) = &mut closed
        && open.late
        && let Ok(Some(what)) = tokio::time::timeout(asking, it.waits_for(asking)).await
    {
        open.error = format!("{}: {what}", open.error);
        open.in_use = true;
    }
    if C::DROP_BLOCKS {
        let left = share.saturating_sub(now().saturating_duration_since(began));
        let dropped = within(left, off_runtime(move || drop(it))).await;
        closed = closed.and(dropped);
    }
    closed
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
        let closed = match tokio::time::timeout(share + overrun(share), closed).await {
            Ok(Ok(closed)) => closed,
            Ok(Err(lost)) => Err(StillOpen {
                error: lost.to_string(),
                late: false,
                in_use: false,
            }),
            Err(_) => Err(StillOpen {
                error: "blocks its thread".to_owned(),
                late: true,
                in_use: false,
            }),
        };
        drop(guard);
        let took = now().saturating_duration_since(began);
        let error = closed.err().map(|open| {
            let error = match under_way(handle).filter(|_| open.in_use) {
                Some(holders) => format!("{}; still under way: {holders}", open.error),
                None => open.error,
            };
            if open.late {
                handle.journal().let_go(LetGo {
                    kind: CLOSER.to_owned(),
                    name: name.clone(),
                    age: took,
                    why: error.clone(),
                });
            } else {
                handle.journal().failed(&name, &error);
            }
            error
        });
        handle.journal().closed(Step { name, took, error });
    }
}

/// What is still in the ledger beside closers, oldest first: one of these holds what cannot be
/// closed.
fn under_way(handle: &Handle) -> Option<String> {
    let mut left = handle.ledger().snapshot();
    left.retain(|entry| entry.kind != CLOSER);
    let named = left
        .iter()
        .take(NAMED)
        .map(|it| format!("{} {} ({} old)", it.kind, it.name, short(it.age)));
    let mut named: Vec<String> = named.collect();
    if left.len() > NAMED {
        named.push(format!("{} more", left.len() - NAMED));
    }
    (!named.is_empty()).then(|| named.join(", "))
}
