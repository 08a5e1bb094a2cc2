//! `bb8` pools, of Redis connections.

use bb8::{ManageConnection, Pool};
use lameduck::{Exit, Lifecycle};
use real_servers::{Redis, or_skip};
use redis::RedisError;
use redis::aio::MultiplexedConnection;

use crate::life::end;
use crate::redis::{connection, sessions};

const CONNECTIONS: u32 = 4;

#[derive(Debug)]
struct Connections(String);

impl ManageConnection for Connections {
    type Connection = MultiplexedConnection;
    type Error = RedisError;

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        Ok(connection(&self.0, "shop").await)
    }

    async fn is_valid(&self, _: &mut MultiplexedConnection) -> Result<(), RedisError> {
        Ok(())
    }

    fn has_broken(&self, _: &mut MultiplexedConnection) -> bool {
        false
    }
}

async fn pool(server: &Redis) -> Pool<Connections> {
    let pool = Pool::builder()
        .max_size(CONNECTIONS)
        .min_idle(CONNECTIONS)
        .build(Connections(server.url()))
        .await
        .unwrap();
    sessions(server, CONNECTIONS as usize).await;
    pool
}

#[tokio::test]
async fn every_connection_is_closed_with_the_last_clone_of_the_pool() {
    let Some(server) = or_skip(Redis::start()) else {
        return;
    };
    let pool = pool(&server).await;
    end(Lifecycle::embedded().close("redis", lameduck::bb8::pool(pool)))
        .await
        .cleanly();
    sessions(&server, 0).await;
}

#[tokio::test]
async fn a_leaked_connection_is_counted() {
    let Some(server) = or_skip(Redis::start()) else {
        return;
    };
    let pool = pool(&server).await;
    let leaked = pool.get_owned().await.unwrap();
    let ended = end(Lifecycle::embedded().close("redis", lameduck::bb8::pool(pool))).await;
    assert_eq!(ended.exit, Exit::LET_GO);
    let error = ended.error("redis").unwrap();
    assert!(
        error.contains("1 of at most 4 connections still checked out"),
        "{error}"
    );
    drop(leaked);
}
