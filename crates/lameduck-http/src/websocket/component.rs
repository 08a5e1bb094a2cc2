//! The settings as a component of a lifecycle.

use lameduck_core::{BadConfiguration, Component, Running, Start, StartError};

use super::closing::pacer::sockets_of;
use super::settings::WebSockets;

/// It sets the settings, and has nothing to do after that.
impl Component for WebSockets {
    fn name(&self) -> &str {
        "websockets"
    }

    fn check(&self) -> Result<(), BadConfiguration> {
        WebSockets::check(self)
    }

    fn start(self: Box<Self>, start: Start<'_>) -> Result<Running, StartError> {
        sockets_of(start.handle()).set(*self, start.handle());
        Ok(Box::pin(async { Ok(()) }))
    }
}
