//! `lapin` connections: Connection.Close with code 200, and the broker's Close-Ok.

use ::lapin::Connection;

use super::Close;
use crate::component::BoxError;

/// AMQP's reply code for a connection that is closed because its work is done.
const SUCCESS: u16 = 200;

impl Close for Connection {
    async fn close(&mut self) -> Result<(), BoxError> {
        if self.status().closed() {
            return Ok(());
        }
        if self.status().errored() {
            return Err("no goodbye: the connection was lost before".into());
        }
        Connection::close(self, SUCCESS, "shutting down".into())
            .await
            .map_err(|error| format!("no goodbye: {error}").into())
    }

    async fn waits_for(&self) -> Option<String> {
        let said = if self.status().blocked() {
            "the broker has blocked the connection, and not answered Connection.Close"
        } else {
            "the broker has not answered Connection.Close"
        };
        Some(said.to_owned())
    }
}
