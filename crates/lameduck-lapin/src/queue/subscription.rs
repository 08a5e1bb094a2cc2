//! The subscription, and what has been delivered on it and not been taken yet.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use lapin::message::Delivery;
use lapin::{Channel, Connection, Consumer};

use lameduck_core::BoxError;

#[derive(Default)]
pub(super) struct SubscriptionState {
    pub(super) connection: Option<Arc<Connection>>,
    /// The channel of the subscription that has ended.
    pub(super) last_channel: Option<Channel>,
    pub(super) subscription: Option<Subscription>,
    /// Delivered, and not taken yet.
    pub(super) arrived: VecDeque<(Delivery, Channel)>,
}

pub(super) struct Subscription {
    pub(super) channel: Channel,
    pub(super) consumer: Consumer,
}

impl SubscriptionState {
    /// Moves what has arrived into the buffer, up to `most` in all. Pending if nothing more is there.
    pub(super) fn collect(
        &mut self,
        most: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BoxError>> {
        let Some(Subscription { channel, consumer }) = &mut self.subscription else {
            return Poll::Ready(Err("not subscribed".into()));
        };
        while self.arrived.len() < most {
            match std::task::ready!(Pin::new(&mut *consumer).poll_next(cx)) {
                Some(Ok(delivery)) => self.arrived.push_back((delivery, channel.clone())),
                Some(Err(error)) => return Poll::Ready(Err(error.into())),
                None => {
                    let why = "the broker has ended the subscription: was the queue deleted?";
                    return Poll::Ready(Err(why.into()));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Forgets what was delivered on channels that are gone.
    pub(super) fn forget_lost(&mut self) {
        self.arrived.retain(|(delivery, _)| delivery.acker.usable());
    }
}
