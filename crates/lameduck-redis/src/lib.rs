#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

use std::time::Duration;

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

    async fn waits_for(&self, _within: Duration) -> Option<String> {
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
