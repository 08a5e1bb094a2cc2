//! Running what the application gives us: within a time, and with its panics caught.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use crate::base::BoxError;
use crate::base::text::panicked;

/// Runs a future of the application's with a bound; a panic is an error like any other.
pub async fn bounded(
    timeout: Duration,
    future: impl Future<Output = Result<(), BoxError>> + Send,
) -> Result<(), String> {
    match tokio::time::timeout(timeout, catch_panic(future)).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(error))) => Err(error.to_string()),
        Ok(Err(panic)) => Err(panicked(&*panic)),
        Err(_) => Err(format!(
            "not done within {}",
            crate::base::text::short(timeout)
        )),
    }
}

/// What the future comes to, or what it panics with.
pub async fn catch_panic<T>(future: impl Future<Output = T>) -> std::thread::Result<T> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => std::task::Poll::Ready(Err(panic)),
        }
    })
    .await
}
