//! The probes as a lifecycle is given them.

use lameduck_core::internal::{BoxFuture, address};
use lameduck_core::{AdminPort, BadConfiguration, OpenAdminPort, Opening, StartError};
use tokio::runtime;

use super::server::{RunningProbes, start};
use crate::listen::bind::{bind_tcp, who_has};

/// Answers `/livez`, `/readyz`, `/startupz`, `/metrics` and `/status` on an address of its own, from a thread
/// of its own: also while every thread of the application is blocked.
///
/// ```no_run
/// # use lameduck_core::Lifecycle;
/// use lameduck_http::Probes;
///
/// let life = Lifecycle::new().probes(Probes::new("0.0.0.0:9090"));
/// ```
#[must_use = "probes that are not given to `Lifecycle::probes` answer nobody"]
#[derive(Clone, Debug)]
pub struct Probes {
    /// `None`: wherever `LAMEDUCK_ADMIN` says.
    address: Option<String>,
    drain_route: bool,
}

impl Probes {
    /// On `address`, for example `0.0.0.0:9090`. `LAMEDUCK_ADMIN` wins.
    pub fn new(address: impl Into<String>) -> Probes {
        Probes {
            address: Some(address.into()),
            drain_route: false,
        }
    }

    /// Where `LAMEDUCK_ADMIN` says, and nowhere if it is not set.
    pub fn from_env() -> Probes {
        Probes {
            address: None,
            drain_route: false,
        }
    }

    /// Answers `/drain`, which begins the shutdown: whoever can reach the address can stop the process. Default:
    /// off.
    pub fn drain_route(mut self) -> Self {
        self.drain_route = true;
        self
    }
}

impl AdminPort for Probes {
    fn is_wanted(&self, address: Option<&str>) -> bool {
        address.or(self.address.as_deref()).is_some()
    }

    fn check(&self) -> Result<(), BadConfiguration> {
        let Some(given) = &self.address else {
            return Ok(());
        };
        address::check(given).map_err(|e| BadConfiguration::new(format!("{given}: {e}")))
    }

    fn open(self: Box<Self>, opening: Opening<'_>) -> Result<Box<dyn OpenAdminPort>, StartError> {
        let address = opening.address.or(self.address.as_deref());
        let Some(address) = address else {
            return Err(StartError::bad_configuration("no address to listen on"));
        };
        let handle = opening.handle;
        let listeners =
            bind_tcp(address).map_err(|e| who_has(address, e, &handle.journal().addresses()))?;
        let running = start(listeners, handle.clone())
            .map_err(|e| StartError::failed(format!("cannot listen on {address}: {e}")))?;
        Ok(Box::new(OpenProbes {
            running,
            drain_route: self.drain_route,
        }))
    }
}

/// The probes at work.
struct OpenProbes {
    running: RunningProbes,
    drain_route: bool,
}

impl OpenAdminPort for OpenProbes {
    fn addresses(&self) -> Vec<String> {
        let addrs = self.running.addrs().iter();
        addrs.map(ToString::to_string).collect()
    }

    fn clock(&self) -> runtime::Handle {
        self.running.clock().clone()
    }

    fn started(&self) {
        self.running.complete(self.drain_route);
    }

    fn stop(self: Box<Self>) -> BoxFuture<()> {
        Box::pin(async move { self.running.stop().await })
    }
}
