//! Many small writes made at the same time, written as one.
//!
//! Whoever comes while a write is under way waits for it to end; then one of those who wait writes
//! for all of them. So nobody waits for company, and a busy worker writes hundreds of
//! acknowledgements in one transaction, or has them confirmed by one answer.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::component::BoxError;

type Answer<R> = Result<R, Arc<BoxError>>;

/// Gathers writes of `T`, each of which is answered with an `R`.
pub(super) struct Group<T, R> {
    waiting: Mutex<Vec<(T, oneshot::Sender<Answer<R>>)>>,
    writing: tokio::sync::Mutex<()>,
}

impl<T, R> Group<T, R> {
    pub(super) fn new() -> Group<T, R> {
        Group {
            waiting: Mutex::new(Vec::new()),
            writing: tokio::sync::Mutex::new(()),
        }
    }

    /// Writes `it`, in the company of whatever else is to be written. `write` answers each of the
    /// items that it is given, in their order.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it writes for others, these get an error, though the write may have been
    /// made: what is written must do no harm when it is written again.
    pub(super) async fn write<F>(
        &self,
        it: T,
        write: impl FnOnce(Vec<T>) -> F,
    ) -> Result<R, BoxError>
    where
        F: Future<Output = Result<Vec<R>, BoxError>>,
    {
        let (answer, mut answered) = oneshot::channel();
        self.waiting().push((it, answer));
        tokio::select! {
            biased;
            answer = &mut answered => return flat(answer),
            _turn = self.writing.lock() => {
                let all = std::mem::take(&mut *self.waiting());
                if !all.is_empty() {
                    let (items, answers): (Vec<_>, Vec<_>) = all.into_iter().unzip();
                    match write(items).await {
                        Ok(results) => {
                            for (answer, result) in answers.into_iter().zip(results) {
                                let _ = answer.send(Ok(result));
                            }
                        }
                        Err(error) => {
                            let error = Arc::new(error);
                            for answer in answers {
                                let _ = answer.send(Err(error.clone()));
                            }
                        }
                    }
                }
            }
        }
        flat(answered.await)
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<(T, oneshot::Sender<Answer<R>>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn flat<R>(answer: Result<Answer<R>, oneshot::error::RecvError>) -> Result<R, BoxError> {
    match answer {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(error)) => Err(error.to_string().into()),
        Err(_) => Err("whoever wrote it was stopped half way".into()),
    }
}
