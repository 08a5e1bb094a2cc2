//! `async-nats` clients: everything published has reached the server, subscriptions end, then FIN.
//!
//! `Client::drain` only asks for it and returns, and a client that is woken after that ends at once,
//! without reading what still comes in, which resets the connection: what was published and is still
//! on its way may be lost by that. So an echo comes first, which the server sends back after it has
//! read everything before it. Then the drain, which ends with a ping; nothing may wake the client
//! until the pong has come, and so the end is seen in the echo's subscription, which goes with the
//! client's own task.
//!
//! While messages for a subscription keep coming in, or another clone goes on publishing, the end
//! may be a reset all the same. NATS does not mind, and nothing that was published is lost.

use std::time::Duration;

use async_nats::Client;
use async_nats::connection::State;
use futures_util::StreamExt;
use lameduck_core::{BoxError, Close};
use tokio::time::timeout;

/// How long to wait for the echo. It never comes if the account may not subscribe to its inbox.
const ECHO: Duration = Duration::from_millis(500);

/// How long to wait for an answer of the client's task before asking once more. What is asked in the very
/// moment in which it goes stays in its channel, and nobody answers.
const ASK: Duration = Duration::from_millis(20);

/// A client that is drained when nothing uses it any more. Give it to
/// [`Lifecycle::close`](lameduck_core::Lifecycle::close), and keep clones for yourself.
pub fn client(client: Client) -> NatsClient {
    NatsClient(client)
}

/// What [`client`] makes.
#[derive(Debug)]
pub struct NatsClient(Client);

impl Close for NatsClient {
    async fn close(&mut self) -> Result<(), BoxError> {
        if lives(&self.0).await && drain(&self.0).await.is_ok() {
            while lives(&self.0).await {}
        }
        // Otherwise somebody else has drained it before.
        Ok(())
    }

    async fn waits_for(&self, _within: Duration) -> Option<String> {
        let said = match self.0.connection_state() {
            State::Connected => "what was published is not written yet",
            State::Pending | State::Disconnected => {
                "not connected, trying again; what was published since is not sent"
            }
        };
        Some(said.to_owned())
    }
}

/// Has the client end, and waits for it as long as that can be seen without waking it. An error says that it
/// has ended already.
async fn drain(client: &Client) -> Result<(), BoxError> {
    let inbox = client.new_inbox();
    let mut echo = client.subscribe(inbox.clone()).await?;
    client.publish(inbox, Default::default()).await?;
    let _ = timeout(ECHO, echo.next()).await;
    client.drain().await?;
    while echo.next().await.is_some() {}
    Ok(())
}

/// Whether the client's task is there: as soon as it has written everything that was published, or is gone.
async fn lives(client: &Client) -> bool {
    loop {
        if let Ok(answer) = timeout(ASK, client.flush()).await {
            return answer.is_ok();
        }
    }
}
