//! The application's handler, with its types put away.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::job::{Job, Outcome};
use lameduck_core::BoxError;
use lameduck_core::internal::BoxFuture;

/// Runs one job.
pub(crate) type Handler =
    Arc<dyn Fn(Bytes, Job) -> BoxFuture<Result<Outcome, BoxError>> + Send + Sync>;

/// A handler of payloads as they come.
pub(crate) fn raw<F, O, E>(run: impl Fn(Bytes, Job) -> F + Send + Sync + 'static) -> Handler
where
    F: Future<Output = Result<O, E>> + Send + 'static,
    O: Into<Outcome>,
    E: Into<BoxError>,
{
    Arc::new(move |payload, job| {
        let running = run(payload, job);
        Box::pin(async move { running.await.map(Into::into).map_err(Into::into) })
    })
}

/// A handler of payloads in JSON. One that cannot be read is a failed attempt, for the queue's
/// rules about those.
pub(crate) fn json<T, F, O, E>(run: impl Fn(T, Job) -> F + Send + Sync + 'static) -> Handler
where
    T: DeserializeOwned,
    F: Future<Output = Result<O, E>> + Send + 'static,
    O: Into<Outcome>,
    E: Into<BoxError>,
{
    Arc::new(move |payload, job| match serde_json::from_slice(&payload) {
        Ok(payload) => {
            let running = run(payload, job);
            Box::pin(async move { running.await.map(Into::into).map_err(Into::into) })
        }
        Err(e) => {
            let what = std::any::type_name::<T>();
            Box::pin(async move { Err(format!("the payload is not a {what} in JSON: {e}").into()) })
        }
    })
}
