//! The probes' port: taken as early as possible, so that liveness is good while the process starts;
//! and what readiness depends on.

use std::sync::Arc;

use tokio::runtime;

use super::builder::Lifecycle;
use crate::component::StartError;
use crate::component::admin_port::{AdminPort, OpenAdminPort, Opening};
use crate::process::final_report;
use crate::readiness::Readiness;

/// Something is wrong; [`Lifecycle::run`] will say what.
pub(super) struct Refused;

impl Lifecycle {
    /// Takes the probes' port if there is to be one, unless something is wrong that must be said
    /// before any port is.
    pub(super) fn open_probes(&mut self) -> Result<(), Refused> {
        let port = match &self.probes.port {
            Some(_) => None,
            None => self.admin_port(),
        };
        if let Some(Err(problem)) = port.as_ref().map(|port| port.check()) {
            self.bad.push(format!("probes: {problem}"));
        }
        if !self.bad.is_empty() || self.failed.is_some() {
            return Err(Refused);
        }
        let Some(port) = port else { return Ok(()) };
        let readiness = self.readiness();
        let opened = port.open(Opening {
            handle: &self.handle,
            readiness,
            address: self.environment.admin.as_deref(),
        });
        match opened {
            Ok(port) => {
                for address in port.addresses() {
                    self.handle.journal().listens("probes", address);
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

    /// Who answers: whom the application says, or whom a component offers if the environment asks for one.
    fn admin_port(&mut self) -> Option<Box<dyn AdminPort>> {
        let asked = self.environment.admin.as_deref();
        if let Some(port) = self.probes.plan.take() {
            return port.is_wanted(asked).then_some(port);
        }
        asked?;
        self.components.iter().find_map(|it| it.admin_port())
    }

    /// Says that the environment asks for probes and there are none. To be called when all components are known.
    pub(super) fn tell_missing_probes(&self) {
        if let (Some(asked), None) = (&self.environment.admin, &self.probes.port) {
            final_report::say(format!(
                "LAMEDUCK_ADMIN={asked} changes nothing: this service has no probes; give it some with \
                 Lifecycle::probes"
            ));
        }
    }

    fn readiness(&mut self) -> Arc<Readiness> {
        let phases = self.handle.phases().clone();
        let made = || Arc::new(Readiness::new(runtime::Handle::current(), phases));
        self.probes.readiness.get_or_insert_with(made).clone()
    }

    /// Has readiness depend on the checks, for as long as it is kept, whether there is a port or not.
    pub(super) fn complete_probes(&mut self) -> (Option<Box<dyn OpenAdminPort>>, Arc<Readiness>) {
        let readiness = self.readiness();
        let plan = std::mem::take(&mut self.probes);
        let clock = match &plan.port {
            Some(port) => port.clock(),
            None => runtime::Handle::current(),
        };
        readiness.depend_on(plan.checks, &clock);
        if let Some(port) = &plan.port {
            port.started();
        }
        self.handle.depend_on(&readiness);
        (plan.port, readiness)
    }
}
