//! `redis` connections that several tasks share.
//!
//! The goodbye is `QUIT`. Redis would rather have its clients close the socket, to keep TIME_WAIT on
//! their side, and calls `QUIT` deprecated since 7.2 for that. But the socket of a shared connection
//! is closed when its last clone is dropped, and who knows where that is; `QUIT` ends the session for
//! all of them. It is answered after everything sent before it has been, so nothing is cut either.
//!
//! A connection manager that was asked for push messages (RESP3) connects again by itself when its
//! session ends; the process takes that one along.

use ::redis::aio::{ConnectionLike, ConnectionManager, MultiplexedConnection};

use super::Close;
use crate::component::BoxError;

impl Close for MultiplexedConnection {
    async fn close(&mut self) -> Result<(), BoxError> {
        quit(self).await
    }

    async fn waits_for(&self) -> Option<String> {
        Some(UNANSWERED.to_owned())
    }
}

impl Close for ConnectionManager {
    async fn close(&mut self) -> Result<(), BoxError> {
        quit(self).await
    }

    async fn waits_for(&self) -> Option<String> {
        Some(UNANSWERED.to_owned())
    }
}

const UNANSWERED: &str = "QUIT was not answered, nor perhaps what was sent before it";

async fn quit(connection: &mut impl ConnectionLike) -> Result<(), BoxError> {
    let quit = ::redis::cmd("QUIT");
    match connection.req_packed_command(&quit).await {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("no goodbye: {error}").into()),
    }
}
