//! How far what a client has written has come: onto the wire, to the target's machine, or into the target.
//!
//! # What must hold
//! - What is said to be read was read by the target: its process has the connection, and nothing of what came on it is
//!   left with the kernel.
//! - Where the target's machine cannot be looked into, less is said, and nothing is guessed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::socket_queues::{SocketQueues, socket_queues};

/// How far what was written on a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Not all of it has arrived.
    UnderWay,
    /// It was handed over to the kernel, which says no more: a Unix socket, or a system that cannot be asked.
    Sent,
    /// The kernel of the target's machine has acknowledged it.
    Delivered,
    /// The target has accepted the connection and read it.
    Read,
}

/// Follows the bytes of one connection. Cheap to clone, and of no consequence for the connection.
#[derive(Clone, Debug)]
pub(crate) struct Tracer(Arc<TracedSocket>);

#[derive(Debug)]
struct TracedSocket {
    /// Here and there; none of a Unix socket.
    ends: Option<(SocketAddr, SocketAddr)>,
    /// Where a courier carries them.
    courier: Option<Arc<CarriedBytes>>,
}

/// What a courier was given, and what of that it has delivered.
#[derive(Debug, Default)]
pub(super) struct CarriedBytes {
    given: AtomicU64,
    delivered: AtomicU64,
}

impl CarriedBytes {
    pub(super) fn given(&self, bytes: usize) {
        self.given.fetch_add(bytes as u64, Ordering::Release);
    }

    pub(super) fn delivered(&self, bytes: usize) {
        self.delivered.fetch_add(bytes as u64, Ordering::Release);
    }

    fn has_delivered_all(&self) -> bool {
        let delivered = self.delivered.load(Ordering::Acquire);
        delivered == self.given.load(Ordering::Acquire)
    }
}

impl Tracer {
    /// Of a connection between these two, if it is one of TCP, and carried by this courier, if there is one.
    pub(super) fn of(
        ends: Option<(SocketAddr, SocketAddr)>,
        courier: Option<Arc<CarriedBytes>>,
    ) -> Self {
        Self(Arc::new(TracedSocket { ends, courier }))
    }

    /// Asks once how things stand, at this end and, if it is on this machine too, at the target's.
    pub(crate) fn look(&self) -> Sighting {
        let courier = self.0.courier.as_ref();
        let is_carried = courier.is_some_and(|bytes| !bytes.has_delivered_all());
        let (own, served) = match self.0.ends {
            Some((here, there)) => (socket_queues(here, there), socket_queues(there, here)),
            None => (None, None),
        };
        Sighting {
            is_carried,
            own,
            served,
        }
    }

    /// Whether the target has ended the connection, as far as the kernel knows.
    pub(crate) fn has_ended(&self) -> bool {
        self.look().has_ended()
    }
}

/// What one look at a connection has shown.
pub(crate) struct Sighting {
    /// Whether a courier still has some of what was written.
    is_carried: bool,
    own: Option<SocketQueues>,
    served: Option<SocketQueues>,
}

impl Sighting {
    /// How far all has come that was written so far.
    pub(crate) fn reach(&self) -> Reach {
        if self.is_carried {
            return Reach::UnderWay;
        }
        match (&self.own, &self.served) {
            (None, _) => Reach::Sent,
            (Some(own), _) if own.unacknowledged > 0 => Reach::UnderWay,
            (_, Some(served)) if served.is_accepted && served.unread == 0 => Reach::Read,
            _ => Reach::Delivered,
        }
    }

    /// Whether the target has ended the connection, as far as the kernel knows.
    pub(crate) fn has_ended(&self) -> bool {
        self.own.is_some_and(|own| own.has_ended)
    }

    /// Whether the target's process runs where this one can look at its connections.
    pub(crate) fn sees_the_target(&self) -> bool {
        self.served.is_some()
    }

    /// Whether the kernel holds an answer that nobody has read.
    pub(crate) fn holds_an_answer(&self) -> bool {
        self.own.is_some_and(|own| own.unread > 0)
    }
}
