//! `deadpool` pools, of Redis connections.

use std::time::Duration;

use deadpool::managed::{Manager, Metrics, Object, Pool, RecycleResult};
use lameduck::{Exit, Lifecycle};
use real_servers::{Redis, or_skip};
use redis::RedisError;
use redis::aio::MultiplexedConnection;

use crate::life::end;
use crate::redis::{connection, sessions};

const CONNECTIONS: usize = 4;

#[derive(Debug)]
struct Connections(String);

impl Manager for Connections {
    type Type = MultiplexedConnection;
    type Error = RedisError;

    async fn create(&self) -> Result<MultiplexedConnection, RedisError> {
        Ok(connection(&self.0, "shop").await)
    }

    async fn recycle(
        &self,
        _: &mut MultiplexedConnection,
        _: &Metrics,
    ) -> RecycleResult<RedisError> {
        Ok(())
    }
}

async fn pool(server: &Redis) -> (Pool<Connections>, Vec<Object<Connections>>) {
    let manager = Connections(server.url());
    let pool = Pool::builder(manager)
        .max_size(CONNECTIONS)
        .build()
        .unwrap();
    let mut out = Vec::new();
    for _ in 0..CONNECTIONS {
        out.push(pool.get().await.unwrap());
    }
    sessions(server, CONNECTIONS).await;
    (pool, out)
}

#[tokio::test]
async fn every_connection_is_closed_although_others_have_clones_of_the_pool() {
    let Some(server) = or_skip(Redis::start()) else {
        return;
    };
    let (pool, out) = pool(&server).await;
    drop(out);
    let clone = pool.clone();
    end(Lifecycle::embedded().close("redis", lameduck::deadpool::pool(pool)))
        .await
        .cleanly();
    sessions(&server, 0).await;
    assert!(clone.get().await.is_err());
}

#[tokio::test]
async fn a_connection_that_comes_back_late_is_waited_for() {
    let Some(server) = or_skip(Redis::start()) else {
        return;
    };
    let (pool, out) = pool(&server).await;
    let watched = pool.clone();
    tokio::spawn(async move {
        while !watched.is_closed() {
            tokio::task::yield_now().await;
        }
        drop(out);
    });
    end(Lifecycle::embedded().close("redis", lameduck::deadpool::pool(pool)))
        .await
        .cleanly();
    sessions(&server, 0).await;
}

#[tokio::test]
async fn a_leaked_connection_is_counted_and_costs_nobody_else() {
    let Some(server) = or_skip(Redis::start()) else {
        return;
    };
    let (pool, mut out) = pool(&server).await;
    out.truncate(1);
    let life = Lifecycle::embedded()
        .close("redis", lameduck::deadpool::pool(pool))
        .close_with("cache", || async { Ok::<_, std::io::Error>(()) });
    let handle = life.handle();
    let leaked = tokio::spawn(async move {
        let _guard = handle.track("subscriber", "orders");
        handle.phases().reached(lameduck::Phase::Stopped).await;
        drop(out);
    });
    let ended = end(life.grace(Duration::from_secs(6))).await;
    assert_eq!(ended.exit, Exit::LET_GO);
    let error = ended.error("redis").unwrap();
    assert!(
        error.contains("1 connections still checked out; still under way: subscriber orders"),
        "{error}"
    );
    assert_eq!(ended.error("cache"), None);
    leaked.await.unwrap();
    sessions(&server, 0).await;
}
