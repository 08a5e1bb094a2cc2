//! `lapin` connections: Connection.Close with code 200, and the broker's Close-Ok.

use std::time::Duration;

use lameduck_core::{BoxError, Close};
use lapin::Connection;

/// AMQP's reply code for a connection that is closed because its work is done.
const SUCCESS: u16 = 200;

/// A connection that is closed when nothing uses it any more. Give it to
/// [`Lifecycle::close`](lameduck_core::Lifecycle::close).
pub fn connection(connection: Connection) -> LapinConnection {
    LapinConnection(connection)
}

/// What [`connection`] makes.
#[derive(Debug)]
pub struct LapinConnection(Connection);

impl Close for LapinConnection {
    async fn close(&mut self) -> Result<(), BoxError> {
        if self.0.status().closed() {
            return Ok(());
        }
        if self.0.status().errored() {
            return Err("no goodbye: the connection was lost before".into());
        }
        self.0
            .close(SUCCESS, "shutting down".into())
            .await
            .map_err(|error| format!("no goodbye: {error}").into())
    }

    async fn waits_for(&self, _within: Duration) -> Option<String> {
        let said = if self.0.status().blocked() {
            "the broker has blocked the connection, and not answered Connection.Close"
        } else {
            "the broker has not answered Connection.Close"
        };
        Some(said.to_owned())
    }
}
