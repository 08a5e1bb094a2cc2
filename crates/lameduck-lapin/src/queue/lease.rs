//! What a delivery is settled by.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use lapin::message::Delivery;
use lapin::options::BasicQosOptions;
use lapin::types::AMQPValue;
use lapin::{Acker, Channel};

use super::RabbitMq;
use lameduck_jobs::{Settled, Taken};

/// A delivery that has to be acknowledged.
pub struct RabbitMqLease {
    pub(super) acker: Acker,
    /// Keeps it open: when it closes, everything delivered on it goes back.
    channel: Channel,
    held: Arc<AtomicUsize>,
    over: AtomicBool,
    /// What has become of it. Asked again, the broker would not know its number any more.
    settled: OnceLock<Settled>,
}

impl RabbitMqLease {
    pub(super) fn is_lost(&self) -> bool {
        self.acker.poisoned() || !self.channel.status().connected()
    }

    /// It needs the connection no longer.
    pub(super) fn over(&self) {
        if !self.over.swap(true, Ordering::SeqCst) {
            self.held.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl fmt::Debug for RabbitMqLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitMqLease")
            .field("lost", &self.is_lost())
            .finish_non_exhaustive()
    }
}

impl RabbitMq {
    pub(super) fn taken(&self, delivery: Delivery, channel: Channel) -> Taken<RabbitMqLease> {
        self.held.fetch_add(1, Ordering::SeqCst);
        let id = match delivery.properties.message_id() {
            Some(id) => id.to_string(),
            None => format!("delivery {}", delivery.delivery_tag),
        };
        Taken {
            id,
            attempt: attempt(&delivery),
            payload: Bytes::from(delivery.data),
            lease: RabbitMqLease {
                acker: delivery.acker,
                channel,
                held: self.held.clone(),
                over: AtomicBool::new(false),
                settled: OnceLock::new(),
            },
            lease_age: Duration::ZERO,
        }
    }

    /// Settles `lease` by `call`, unless the broker has taken it back.
    pub(super) async fn settle(
        &self,
        lease: &RabbitMqLease,
        call: impl Future<Output = lapin::Result<bool>>,
    ) -> Settled {
        if let Some(settled) = lease.settled.get() {
            return *settled;
        }
        let mut settled = call.await;
        if matches!(settled, Ok(true)) && self.stopping.is_set() {
            // Any question will do; this one has no effect on a channel without a new consumer.
            let question = lease.channel.basic_qos(1, BasicQosOptions::default());
            settled = question.await.map(|()| true);
        }
        let settled = match settled {
            Ok(true) => Settled::Ours,
            // Whatever the error, it is the end of the channel, and the broker has the job again.
            Ok(false) | Err(_) => Settled::NotOurs,
        };
        let settled = *lease.settled.get_or_init(|| settled);
        lease.over();
        self.goodbye_if_last().await;
        settled
    }
}

/// A quorum queue counts how often it has handed a message out before; others say whether.
fn attempt(delivery: &Delivery) -> u32 {
    let headers = delivery.properties.headers().as_ref();
    let before = headers.and_then(|headers| headers.inner().get("x-delivery-count"));
    let before = match before {
        Some(AMQPValue::LongLongInt(n)) => u32::try_from(*n).ok(),
        Some(AMQPValue::LongInt(n)) => u32::try_from(*n).ok(),
        Some(AMQPValue::LongUInt(n)) => Some(*n),
        Some(AMQPValue::ShortInt(n)) => u32::try_from(*n).ok(),
        Some(AMQPValue::ShortUInt(n)) => Some(u32::from(*n)),
        Some(AMQPValue::ShortShortInt(n)) => u32::try_from(*n).ok(),
        Some(AMQPValue::ShortShortUInt(n)) => Some(u32::from(*n)),
        _ => None,
    };
    let before = before.unwrap_or(0).max(u32::from(delivery.redelivered));
    before.saturating_add(1)
}
