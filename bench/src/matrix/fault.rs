//! A fault, and what it breaks: which promises, where, and why.
//!
//! # What must hold
//! - What is expected follows from the fault and from what the promise says, and from nothing that was seen: each
//!   expectation has its reason.

use std::time::Duration;

use lameduck_check::Plan;

use super::deploy::Deploy;
use crate::planted::Planted;

/// Something that a server does wrong, or does in an odd way and right.
pub struct Fault {
    pub name: &'static str,
    /// What it is called on the server's command line.
    pub acts_as: &'static str,
    /// What the server does.
    pub does: &'static str,
    /// Which servers can do it.
    pub servers: &'static [Planted],
    /// The promises that it breaks, and no other.
    pub breaks: Vec<Break>,
    /// The run ends before any signal, and says one of these.
    pub unhealthy: &'static [&'static str],
    /// What the server has from the signal to its end.
    pub grace: Duration,
    pub situation: Situation,
    /// What differs in what the prover is asked.
    pub asks: fn(&mut Plan),
}

/// A promise that is broken.
pub struct Break {
    pub promise: &'static str,
    pub at: At,
    /// In one sentence.
    pub because: &'static str,
}

/// Where a promise is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// At any distance.
    Anywhere,
    /// Over a round trip. Without one there are only microseconds in which it could be seen: there it may be or not.
    Far,
}

/// What a server is put into.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Situation {
    /// The prover starts and stops it.
    Shutdown,
    /// The same, with a PostgreSQL in which it has a session.
    Database,
    /// It is deployed, around a trigger.
    Deployed(Deploy),
}

/// A fault of these servers.
pub fn fault(servers: &'static [Planted], name: &'static str, does: &'static str) -> Fault {
    Fault {
        name,
        acts_as: name,
        does,
        servers,
        breaks: Vec::new(),
        unhealthy: &[],
        grace: Duration::from_secs(4),
        situation: Situation::Shutdown,
        asks: |_| {},
    }
}

impl Fault {
    /// It breaks this promise, at any distance.
    pub fn breaks(self, promise: &'static str, because: &'static str) -> Fault {
        self.broken(promise, At::Anywhere, because)
    }

    /// It breaks this promise over a round trip.
    pub fn breaks_far(self, promise: &'static str, because: &'static str) -> Fault {
        self.broken(promise, At::Far, because)
    }

    fn broken(mut self, promise: &'static str, at: At, because: &'static str) -> Fault {
        self.breaks.push(Break {
            promise,
            at,
            because,
        });
        self
    }

    /// The run ends before the signal, and says one of these.
    pub fn unhealthy(mut self, says: &'static [&'static str]) -> Fault {
        self.unhealthy = says;
        self
    }

    pub fn acts_as(mut self, name: &'static str) -> Fault {
        self.acts_as = name;
        self
    }

    pub fn grace(mut self, seconds: u64) -> Fault {
        self.grace = Duration::from_secs(seconds);
        self
    }

    pub fn put_into(mut self, situation: Situation) -> Fault {
        self.situation = situation;
        self
    }

    pub fn asked(mut self, asks: fn(&mut Plan)) -> Fault {
        self.asks = asks;
        self
    }

    /// The expectation of a promise, if it is to be broken somewhere.
    pub fn expected(&self, promise: &str) -> Option<&Break> {
        self.breaks.iter().find(|it| it.promise == promise)
    }
}
