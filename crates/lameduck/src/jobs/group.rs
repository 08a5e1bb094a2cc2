//! Many small writes made at the same time, written as one.
//!
//! Whoever comes while a write is under way waits for it to end; then one of those who wait writes
//! for all of them. So nobody waits for company, and a busy worker writes hundreds of
//! acknowledgements in one transaction, or has them confirmed by one answer.
//!
//! # What must hold
//!
//! 1. There is one turn. It is with who writes, or on its way to who writes next, or nobody's while
//!    nothing waits.
//! 2. A turn that is dropped, by whomever and wherever, goes to the next who waits. So nobody waits
//!    for somebody who is gone.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::component::BoxError;

/// Gathers writes of `T`, each of which is answered with an `R`.
pub(super) struct Group<T, R>(Arc<Mutex<Queue<T, R>>>);

struct Queue<T, R> {
    waiting: Vec<(T, oneshot::Sender<Word<T, R>>)>,
    /// Whether the turn is somebody's.
    taken: bool,
}

/// What somebody who waits is told.
enum Word<T, R> {
    Written(Result<R, Arc<BoxError>>),
    /// Its own item is not among those that wait any more.
    YourTurn(T, Turn<T, R>),
}

impl<T, R> Group<T, R> {
    pub(super) fn new() -> Group<T, R> {
        Group(Arc::new(Mutex::new(Queue {
            waiting: Vec::new(),
            taken: false,
        })))
    }

    /// Writes `it`, in the company of whatever else is to be written. `write` answers each of the
    /// items that it is given, in their order.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it writes for others, these get an error, though the write may have been
    /// made: what is written must do no harm when it is written again. Dropped while it waits, it
    /// may be written or not.
    pub(super) async fn write<F>(
        &self,
        it: T,
        write: impl FnOnce(Vec<T>) -> F,
    ) -> Result<R, BoxError>
    where
        F: Future<Output = Result<Vec<R>, BoxError>>,
    {
        let (it, _turn) = match self.turn_or_wait(it) {
            Ok(ours) => ours,
            Err(word) => match word.await {
                Ok(Word::Written(answer)) => return answer.map_err(|e| e.to_string().into()),
                Ok(Word::YourTurn(it, turn)) => (it, turn),
                Err(_) => return Err(stopped()),
            },
        };
        let others = std::mem::take(&mut lock(&self.0).waiting);
        let (others, words): (Vec<_>, Vec<_>) = others.into_iter().unzip();
        let all = std::iter::once(it).chain(others).collect();
        match write(all).await {
            Ok(results) => {
                let mut results = results.into_iter();
                let ours = results.next();
                for (word, result) in words.into_iter().zip(results) {
                    let _ = word.send(Word::Written(Ok(result)));
                }
                ours.ok_or_else(stopped)
            }
            Err(error) => {
                let error = Arc::new(error);
                for word in words {
                    let _ = word.send(Word::Written(Err(error.clone())));
                }
                Err(error.to_string().into())
            }
        }
    }

    /// The turn if it is nobody's; or else what to wait for.
    #[expect(clippy::type_complexity, reason = "told once")]
    fn turn_or_wait(&self, it: T) -> Result<(T, Turn<T, R>), oneshot::Receiver<Word<T, R>>> {
        let mut queue = lock(&self.0);
        if !queue.taken {
            queue.taken = true;
            return Ok((it, Turn(Some(self.0.clone()))));
        }
        let (word, told) = oneshot::channel();
        queue.waiting.push((it, word));
        Err(told)
    }
}

/// The right to write; passed on when dropped. `None` once it has been.
struct Turn<T, R>(Option<Arc<Mutex<Queue<T, R>>>>);

impl<T, R> Drop for Turn<T, R> {
    fn drop(&mut self) {
        let Some(queue) = self.0.take() else { return };
        loop {
            let next = {
                let mut queue = lock(&queue);
                let next = queue.waiting.pop();
                queue.taken = next.is_some();
                next
            };
            let Some((it, word)) = next else { return };
            match word.send(Word::YourTurn(it, Turn(Some(queue.clone())))) {
                Ok(()) => return,
                // It is gone: the next one. This turn is not to pass itself on as well.
                Err(Word::YourTurn(_, mut turn)) => drop(turn.0.take()),
                Err(Word::Written(_)) => {}
            }
        }
    }
}

fn lock<T, R>(queue: &Mutex<Queue<T, R>>) -> MutexGuard<'_, Queue<T, R>> {
    // Each change of it is whole before anything that could panic.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

fn stopped() -> BoxError {
    "whoever wrote it was stopped half way".into()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::FutureExt;
    use tokio::sync::Semaphore;
    use tokio::time::{Duration, timeout};

    use super::*;

    /// Answers each item with itself, when `go` allows it.
    async fn echo(go: &Semaphore, items: Vec<u32>) -> Result<Vec<u32>, BoxError> {
        go.acquire().await?.forget();
        Ok(items)
    }

    #[tokio::test]
    async fn those_who_come_meanwhile_are_written_together() {
        let (group, go, writes) = (Group::new(), Semaphore::new(0), AtomicUsize::new(0));
        let write = |n| {
            group.write(n, |items| {
                writes.fetch_add(1, Ordering::SeqCst);
                echo(&go, items)
            })
        };
        let mut all: Vec<_> = (0..10).map(|n| Box::pin(write(n))).collect();
        for one in &mut all {
            assert!(one.now_or_never().is_none());
        }
        go.add_permits(2);
        let answers = futures_util::future::join_all(all).await;
        for (n, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.unwrap() as usize, n);
        }
        assert_eq!(writes.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_turn_that_nobody_takes_up_goes_to_the_next() {
        let (group, go) = (Group::new(), Semaphore::new(0));
        let write = |n| Box::pin(group.write(n, |items| echo(&go, items)));
        let (mut first, mut second, mut third) = (write(1), write(2), write(3));
        assert!((&mut first).now_or_never().is_none());
        assert!((&mut second).now_or_never().is_none());
        assert!((&mut third).now_or_never().is_none());
        go.add_permits(1);
        assert_eq!(first.await.unwrap(), 1);
        // The turn is on its way to the last who came.
        drop(third);
        go.add_permits(1);
        let second = timeout(Duration::from_secs(5), second).await;
        assert_eq!(second.expect("the turn was lost").unwrap(), 2);
        go.add_permits(1);
        assert_eq!(write(4).await.unwrap(), 4);
    }

    #[tokio::test]
    async fn those_whose_writer_was_stopped_are_told_and_others_go_on() {
        let (group, go) = (Group::new(), Semaphore::new(0));
        let write = |n| Box::pin(group.write(n, |items| echo(&go, items)));
        let (mut first, mut second, mut third) = (write(1), write(2), write(3));
        for one in [&mut first, &mut second, &mut third] {
            assert!(one.now_or_never().is_none());
        }
        go.add_permits(1);
        first.await.unwrap();
        // It has the turn now, and writes for both.
        assert!((&mut third).now_or_never().is_none());
        drop(third);
        let told = second.await.unwrap_err().to_string();
        assert!(told.contains("stopped half way"), "{told}");
        go.add_permits(1);
        assert_eq!(write(4).await.unwrap(), 4);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn nobody_waits_for_ever_whoever_is_stopped() {
        let group = Arc::new(Group::new());
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..20_000_u32 {
            let group = group.clone();
            tasks.spawn(async move {
                let write = group.write(n, async |items| {
                    tokio::task::yield_now().await;
                    Ok(items)
                });
                match n % 3 {
                    0 => drop(timeout(Duration::from_micros(u64::from(n % 50)), write).await),
                    _ => match write.await {
                        Ok(same) => assert_eq!(same, n),
                        Err(error) => assert!(error.to_string().contains("half way")),
                    },
                }
            });
            if n % 64 == 0 {
                tokio::task::yield_now().await;
            }
        }
        let all = async {
            while let Some(one) = tasks.join_next().await {
                one.unwrap()
            }
        };
        timeout(Duration::from_secs(60), all)
            .await
            .expect("somebody waits for ever");
        assert!(!lock(&group.0).taken);
    }
}
