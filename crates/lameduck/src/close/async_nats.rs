//! `async-nats` clients: everything published has reached the server, subscriptions end, then FIN.
//!
//! `Client::drain` only asks for it and returns, and then the client ends without reading what still
//! comes in, which resets the connection: what was published and is still on its way may be lost by
//! that. So an echo comes first, which the server sends back after it has read everything before
//! it; then the drain, and the wait until the client's own task has gone, which is when it takes no
//! more commands.
//!
//! While messages for a subscription keep coming in, the end is a reset all the same. NATS does not
//! mind, and nothing that was published is lost.

use std::time::Duration;

use ::async_nats::Client;
use ::async_nats::connection::State;
use futures_util::StreamExt;

use super::Close;
use crate::component::BoxError;

/// How long to wait for the echo. It never comes if the account may not subscribe to its inbox.
const ECHO: Duration = Duration::from_millis(500);

impl Close for Client {
    async fn close(&mut self) -> Result<(), BoxError> {
        if self.flush().await.is_err() {
            // Its task is gone: somebody has drained it before.
            return Ok(());
        }
        if let Ok(heard) = tokio::time::timeout(ECHO, echo(self)).await {
            heard?;
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

/// Completes when the server has read everything that was published before.
async fn echo(client: &Client) -> Result<(), BoxError> {
    let inbox = client.new_inbox();
    let mut echo = client.subscribe(inbox.clone()).await?;
    client.publish(inbox, Default::default()).await?;
    echo.next().await;
    Ok(())
}
