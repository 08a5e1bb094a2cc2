//! What the sweep asks of a connection's task, and what the end of the connection needs.

use std::future::poll_fn;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;

use super::Conn;
use lameduck_core::internal::clock::Millis;

/// What the sweep asks of a connection's task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Order {
    /// Go on.
    Serve = 0,
    /// HTTP/2: send GOAWAY, finish the streams. HTTP/1.x: go on; the next answer says that it is the last.
    GoAway = 1,
    /// Close if it is idle.
    CloseIdle = 2,
    /// The time is over: close whatever is under way.
    Cut = 3,
}

impl Conn {
    /// GOAWAY is on its way; whether this is the first time.
    pub(crate) fn tell(&self) -> bool {
        self.told.set_once(Millis::now())
    }

    /// What the peer sends from here on nobody will read.
    pub(crate) fn leaves_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    /// The answer to the last look at the kernel's queue no longer counts.
    pub(crate) fn forget_look(&self) {
        self.nothing_unread.store(false, Relaxed);
    }

    /// Whether our FIN and all before it has reached the peer, with nothing of its own left to read.
    pub(crate) fn is_delivered(&self) -> bool {
        self.delivered.is_set()
    }

    /// Our FIN and all before it has reached the peer.
    pub(crate) fn delivered(&self) {
        if !self.unread.load(Relaxed) {
            self.delivered.set_once(Millis::now());
        }
    }

    /// Completes once the connection is to be cut.
    pub(crate) async fn cut(&self) {
        poll_fn(|cx| {
            self.waker.register(cx);
            match self.order() {
                Order::Cut => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
    }

    #[inline]
    pub(crate) fn order(&self) -> Order {
        match self.order.load(Relaxed) {
            0 => Order::Serve,
            1 => Order::GoAway,
            2 => Order::CloseIdle,
            _ => Order::Cut,
        }
    }

    /// Gives the task something to do, once.
    pub(crate) fn give(&self, order: Order) {
        if self.order() != order {
            self.order.store(order as u8, Relaxed);
            self.waker.wake();
        }
    }

    /// The task will not do what it was asked to. A later order stands.
    pub(crate) fn decline(&self, order: Order) {
        let serve = Order::Serve as u8;
        let _ = self
            .order
            .compare_exchange(order as u8, serve, Relaxed, Relaxed);
    }

    /// Whether closing now would lose nothing that has reached this machine.
    pub(crate) fn may_close(&self) -> bool {
        self.snapshot().is_idle() && self.nothing_unread.load(Relaxed)
    }
}
