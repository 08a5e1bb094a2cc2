//! The probes' port: taken as early as possible, so that liveness is good while the process starts;
//! and what readiness depends on.

use std::sync::Arc;

use tokio::runtime;

use super::builder::Lifecycle;
use crate::bind::{bind_tcp, check_tcp, who_has};
use crate::component::StartError;
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
        let opened = match bind_tcp(&addr) {
            Ok(listeners) => probe::start(listeners, self.handle.clone(), main)
                .map_err(|e| StartError::Failed(format!("cannot listen on {addr}: {e}"))),
            Err(e) => Err(who_has(&addr, e, &self.handle.journal().addresses())),
        };
        match opened {
            Ok(port) => {
                for addr in port.addrs() {
                    self.handle.journal().listens("probes", addr.to_string());
                }
                self.probes.port = Some(port);
                Ok(())
            }
            Err(StartError::BadConfiguration(problem)) => {
                self.bad.push(format!("probes: {problem}"));
                Err(Refused)
            }
            Err(StartError::Failed(problem)) => {
                self.failed = Some(format!("probes: {problem}"));
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

    fn admin_addr(&mut self) -> Option<String> {
        if let Some(addr) = &self.environment.admin {
            return Some(addr.clone());
        }
        let addr = self.probes.bind.clone()?;
        match check_tcp(&addr) {
            Ok(()) => Some(addr),
            Err(expected) => {
                self.bad.push(format!("probes on {addr}: {expected}"));
                None
            }
        }
    }
}
