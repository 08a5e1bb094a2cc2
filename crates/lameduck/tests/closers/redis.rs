//! Shared `redis` connections.

use std::time::Duration;

use lameduck::{Exit, Lifecycle};
use real_servers::{Redis, or_skip};
use redis::aio::MultiplexedConnection;

use crate::frozen::Frozen;
use crate::life::{end, within};
use crate::relay::{End, Relay};

pub async fn connection(url: &str, name: &str) -> MultiplexedConnection {
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut cmd = redis::cmd("CLIENT");
    let named = cmd.arg("SETNAME").arg(name);
    named.query_async::<()>(&mut connection).await.unwrap();
    connection
}

/// Waits until the server has exactly so many sessions called `shop`.
pub async fn sessions(server: &Redis, count: usize) {
    let mut watcher = connection(&server.url(), "watcher").await;
    let mut list = redis::cmd("CLIENT");
    list.arg("LIST");
    let mut clients = String::new();
    for _ in 0..1000 {
        clients = list.query_async(&mut watcher).await.unwrap();
        if clients.matches("name=shop ").count() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not {count} sessions but:\n{clients}");
}

#[tokio::test]
async fn a_shared_connection_quits_although_others_have_clones_of_it() {
    let Some(server) = or_skip(Redis::start()) else {
        return;
    };
    let (relay, url) = Relay::to(&server.url()).await;
    let connection = connection(&url, "shop").await;
    let mut clone = connection.clone();
    sessions(&server, 1).await;
    end(Lifecycle::embedded().close("redis", lameduck::redis::connection(connection)))
        .await
        .cleanly();
    sessions(&server, 0).await;
    let ping = redis::cmd("PING").query_async::<()>(&mut clone).await;
    assert!(ping.is_err(), "the session is over for all");
    drop(clone);
    let ends = within(5, || async {
        Some(relay.ends()).filter(|it| !it.is_empty())
    })
    .await;
    assert_eq!(ends, [End::Fin]);
}

#[tokio::test]
async fn a_connection_manager_quits() {
    let Some(server) = or_skip(Redis::start()) else {
        return;
    };
    let client = redis::Client::open(server.url()).unwrap();
    let mut manager = client.get_connection_manager().await.unwrap();
    let mut name = redis::cmd("CLIENT");
    name.arg("SETNAME").arg("shop");
    name.query_async::<()>(&mut manager).await.unwrap();
    let clone = manager.clone();
    sessions(&server, 1).await;
    end(Lifecycle::embedded().close("redis", lameduck::redis::connection(manager)))
        .await
        .cleanly();
    sessions(&server, 0).await;
    drop(clone);
}

#[tokio::test]
async fn what_was_sent_before_the_goodbye_is_answered() {
    let Some(server) = or_skip(Redis::start()) else {
        return;
    };
    let connection = connection(&server.url(), "shop").await;
    let mut clone = connection.clone();
    let long = tokio::spawn(async move {
        let mut cmd = redis::cmd("EVAL");
        let cmd = cmd.arg("for i = 1, 5000000 do end return 17").arg(0);
        cmd.query_async::<i64>(&mut clone).await
    });
    tokio::task::yield_now().await;
    end(Lifecycle::embedded().close("redis", lameduck::redis::connection(connection)))
        .await
        .cleanly();
    assert_eq!(long.await.unwrap().unwrap(), 17);
}

#[tokio::test]
async fn a_server_that_is_gone_is_named_and_holds_nobody_up() {
    let Some(mut server) = or_skip(Redis::start()) else {
        return;
    };
    let connection = connection(&server.url(), "shop").await;
    server.kill();
    let life = Lifecycle::embedded()
        .close("redis", lameduck::redis::connection(connection))
        .close_with("cache", || async { Ok::<_, std::io::Error>(()) });
    let ended = end(life).await;
    assert_eq!(ended.exit, Exit::FAILED);
    let error = ended.error("redis").unwrap();
    assert!(error.contains("no goodbye"), "{error}");
    assert_eq!(ended.error("cache"), None);
    assert!(ended.took < Duration::from_secs(2), "{:?}", ended.took);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_named_and_holds_nobody_up() {
    let Some(server) = or_skip(Redis::start()) else {
        return;
    };
    let connection = connection(&server.url(), "shop").await;
    let frozen = Frozen::new(server.processes());
    let life = Lifecycle::embedded()
        .grace(Duration::from_secs(12))
        .close("redis", lameduck::redis::connection(connection))
        .close_with("cache", || async { Ok::<_, std::io::Error>(()) });
    let ended = end(life).await;
    drop(frozen);
    assert_eq!(ended.exit, Exit::FAILED);
    let error = ended.error("redis").unwrap();
    assert!(error.contains("no goodbye: "), "{error}");
    assert_eq!(ended.error("cache"), None);
    assert!(ended.took < Duration::from_secs(3), "{:?}", ended.took);
}
