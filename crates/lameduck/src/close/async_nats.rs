//! `async-nats` clients: everything published is written, subscriptions end, then FIN.
//!
//! `Client::drain` only asks for it and returns, and a drain may end before a full buffer has been
//! written: so flush first, drain then, and wait until the client's own task has gone, which is when
//! it takes no more commands.

use ::async_nats::Client;
use ::async_nats::connection::State;

use super::Close;
use crate::component::BoxError;

impl Close for Client {
    async fn close(&mut self) -> Result<(), BoxError> {
        if self.flush().await.is_err() {
            // Its task is gone: somebody has drained it before.
            return Ok(());
        }
        self.drain().await?;
        while self.flush().await.is_ok() {}
        Ok(())
    }

    async fn waits_for(&self) -> Option<String> {
        let said = match self.connection_state() {
            State::Connected => "what was published is not written yet",
            State::Pending | State::Disconnected => {
                "not connected, trying again; what was published since is not sent"
            }
        };
        Some(said.to_owned())
    }
}
