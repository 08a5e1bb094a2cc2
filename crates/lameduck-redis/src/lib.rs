//! Ends [`redis`](https://docs.rs/redis) connections that several tasks share, for [lameduck](https://docs.rs/lameduck).
//!
//! The goodbye is `QUIT`. Redis would rather have its clients close the socket, to keep TIME_WAIT on
//! their side, and calls `QUIT` deprecated since 7.2 for that. But the socket of a shared connection
//! is closed when its last clone is dropped, and who knows where that is; `QUIT` ends the session for
//! all of them. It is answered after everything sent before it has been, so nothing is cut either.
//!
//! A connection manager that was asked for push messages (RESP3) connects again by itself when its
//! session ends; the process takes that one along.

use lameduck_core::{BoxError, Close};
use redis::aio::ConnectionLike;

/// A connection that is ended when nothing uses it any more: a `MultiplexedConnection`, a `ConnectionManager`. Give
/// it to [`Lifecycle::close`](lameduck_core::Lifecycle::close), and keep clones for yourself.
pub fn connection<C: ConnectionLike + Send + Sync + 'static>(connection: C) -> RedisConnection<C> {
    RedisConnection(connection)
}

/// What [`connection`] makes.
#[derive(Debug)]
pub struct RedisConnection<C>(C);

impl<C: ConnectionLike + Send + Sync + 'static> Close for RedisConnection<C> {
    async fn close(&mut self) -> Result<(), BoxError> {
        quit(&mut self.0).await
    }

    async fn waits_for(&self) -> Option<String> {
        Some(UNANSWERED.to_owned())
    }
}

const UNANSWERED: &str = "QUIT was not answered, nor perhaps what was sent before it";

async fn quit(connection: &mut impl ConnectionLike) -> Result<(), BoxError> {
    let quit = redis::cmd("QUIT");
    match connection.req_packed_command(&quit).await {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("no goodbye: {error}").into()),
    }
}
