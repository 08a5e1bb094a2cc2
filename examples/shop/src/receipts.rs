//! Sending receipts: the job of the shop.

use std::time::Duration;

use lameduck::{BoxError, Job};

use crate::queue::Receipt;
use crate::store::Store;

/// Sends one, which takes as long as the order said, and books it.
pub(crate) async fn send(store: Store, receipt: Receipt, job: Job) -> Result<(), BoxError> {
    let (order, attempt) = (receipt.order, job.attempt());
    tracing::debug!(order, job = job.id(), attempt, "receipt begun");
    if attempt > 1 {
        tracing::info!(order, job = job.id(), attempt, "receipt once more");
    }
    tokio::time::sleep(Duration::from_millis(receipt.ms)).await;
    store.sent(order).await?;
    tracing::debug!(order, job = job.id(), attempt, "receipt sent");
    Ok(())
}
