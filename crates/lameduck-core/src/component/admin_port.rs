//! Who answers the probes: whoever does is no business of the engine's, but when it does is.
//!
//! The port is taken as early as can be, so that liveness is good while the process starts, and is the last thing
//! to go, after the report.

use std::fmt;
use std::sync::Arc;

use tokio::runtime;

use super::StartError;
use crate::base::BadConfiguration;
use crate::handle::Handle;
use crate::readiness::Readiness;

/// A server for probes. Given to [`Lifecycle::probes`](crate::Lifecycle::probes).
pub trait AdminPort: Send + 'static {
    /// Whether there is to be a port, `address` being what is in `LAMEDUCK_ADMIN`. Default: always.
    fn is_wanted(&self, address: Option<&str>) -> bool {
        let _ = address;
        true
    }

    /// Looks at its settings, before any port is bound.
    ///
    /// # Errors
    ///
    /// What cannot be, and what to write instead.
    fn check(&self) -> Result<(), BadConfiguration> {
        Ok(())
    }

    /// Begins to answer: `/livez` and the like are good, readiness is not yet.
    ///
    /// # Errors
    ///
    /// As for a component.
    fn open(self: Box<Self>, opening: Opening<'_>) -> Result<Box<dyn OpenAdminPort>, StartError>;
}

/// What a server for probes is given.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opening<'a> {
    /// The shutdown.
    pub handle: &'a Handle,
    /// What there is to be said of readiness.
    pub readiness: Arc<Readiness>,
    /// The address in `LAMEDUCK_ADMIN`, which wins over any other.
    pub address: Option<&'a str>,
}

/// A server for probes that answers.
pub trait OpenAdminPort: Send + Sync + 'static {
    /// Where.
    fn addresses(&self) -> Vec<String>;

    /// A runtime that keeps time while the application's is blocked.
    fn clock(&self) -> runtime::Handle;

    /// The start-up is over.
    fn started(&self);

    /// Ends it. Called after the report.
    fn stop(self: Box<Self>) -> crate::base::BoxFuture<()>;
}

impl fmt::Debug for dyn OpenAdminPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OpenAdminPort")
            .field(&self.addresses())
            .finish()
    }
}
