//! A server with a fault, and what it takes to ask it.

use std::time::Duration;

use lameduck_check::Plan;

use super::fault::Fault;
use super::faults::FAULTS;
use crate::planted::Planted;

/// A server with a fault.
#[derive(Clone, Copy)]
pub struct Case {
    pub fault: &'static Fault,
    pub server: Planted,
    /// Its place among all cases.
    pub place: usize,
}

impl Case {
    pub fn all() -> impl Iterator<Item = Case> {
        let of_fault = |fault: &'static Fault| {
            let servers = fault.servers.iter();
            servers.map(move |&server| (fault, server))
        };
        let cases = FAULTS.iter().flat_map(of_fault).enumerate();
        cases.map(|(place, (fault, server))| Case {
            fault,
            server,
            place,
        })
    }

    /// Its name in tables and filters: `rust/resets`.
    pub fn name(self) -> String {
        format!("{}/{}", self.server.name().to_lowercase(), self.fault.name)
    }

    /// What it has more of time: an interpreter on a machine with much to do is slow.
    pub fn slack(self) -> Duration {
        match self.server {
            Planted::Python | Planted::Node => Duration::from_secs(1),
            Planted::Rust | Planted::Shop => Duration::ZERO,
        }
    }

    /// Fewer clients for who has one thread, and more kinds of them than others.
    pub fn spare(self, plan: &mut Plan) {
        if self.server == Planted::Node {
            let clients = &mut plan.clients;
            clients.think = Some(Duration::from_millis(120));
            (clients.keep_alive, clients.pooled, clients.per_request) = (12, 6, 3);
            (clients.h2, clients.grpc, clients.websockets) = (1, 1, 22);
        }
    }
}
