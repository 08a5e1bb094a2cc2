//! The probes' port: taken as early as possible, so that liveness is good while the process starts;
//! and what readiness depends on.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use tokio::runtime;

use super::builder::Lifecycle;
use crate::probe::{self, Probes};
use crate::readiness::Readiness;

/// Something is wrong; [`Lifecycle::run`] will say what.
pub(super) struct Refused;

impl Lifecycle {
    /// Takes the probes' port if there is to be one, unless something is wrong that must be said
    /// before any port is.
    pub(super) fn open_probes(&mut self) -> Result<(), Refused> {
        if self.probes.port.is_some() {
            return Ok(());
        }
        let addr = self.admin_addr();
        if !self.bad.is_empty() || self.failed.is_some() {
            return Err(Refused);
        }
        let Some(addr) = addr else { return Ok(()) };
        let main = runtime::Handle::current();
        let opened = TcpListener::bind(addr)
            .and_then(|listener| probe::start(listener, self.handle.clone(), main));
        match opened {
            Ok(port) => {
                self.handle
                    .journal()
                    .listens("probes", port.addr().to_string());
                self.probes.port = Some(port);
                Ok(())
            }
            Err(e) => {
                self.failed = Some(format!("probes: cannot listen on {addr}: {e}"));
                Err(Refused)
            }
        }
    }

    /// Has readiness depend on the checks, for as long as it is kept, whether there is a port or not.
    pub(super) fn complete_probes(&mut self) -> (Option<Probes>, Arc<Readiness>) {
        let plan = std::mem::take(&mut self.probes);
        let readiness = match &plan.port {
            Some(probes) => {
                probes.complete(plan.checks, plan.drain_route);
                probes.readiness().clone()
            }
            None => {
                let main = runtime::Handle::current();
                let readiness = Readiness::new(main.clone(), self.handle.phases().clone());
                readiness.depend_on(plan.checks, &main);
                Arc::new(readiness)
            }
        };
        self.handle.depend_on(&readiness);
        (plan.port, readiness)
    }

    fn admin_addr(&mut self) -> Option<SocketAddr> {
        if let Some(addr) = self.environment.admin {
            return Some(addr);
        }
        let addr = self.probes.bind.as_ref()?;
        match addr.parse() {
            Ok(addr) => Some(addr),
            Err(_) => {
                let expected = "expected ADDRESS:PORT, for example 0.0.0.0:9090";
                self.bad.push(format!("probes on {addr}: {expected}"));
                None
            }
        }
    }
}
