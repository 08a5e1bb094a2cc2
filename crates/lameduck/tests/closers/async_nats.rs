//! `async-nats` clients.

use std::time::{Duration, Instant};

use async_nats::Client;
use futures_util::StreamExt;
use lameduck::{Close, Exit, Lifecycle};
use real_servers::{Nats, or_skip};
use tokio::task::JoinSet;

use crate::life::{end, within};
use crate::relay::{End, Relay};

async fn client(url: &str) -> Client {
    async_nats::connect(url).await.unwrap()
}

const MESSAGES: usize = 2_000;

/// Publishes so many messages and closes the client at once; none may be lost. How the client ended.
async fn publish_and_close(server: &Nats, prepare: impl AsyncFnOnce(&Client)) -> End {
    let watcher = client(&server.url()).await;
    let mut orders = watcher.subscribe("orders").await.unwrap();
    watcher.flush().await.unwrap();

    let (relay, url) = Relay::to(&server.url()).await;
    let nats = client(&url).await;
    prepare(&nats).await;
    for _ in 0..MESSAGES {
        let payload = vec![b'x'; 1_000].into();
        nats.publish("orders", payload).await.unwrap();
    }
    let clone = nats.clone();
    end(Lifecycle::embedded().close("nats", lameduck::nats::client(nats)))
        .await
        .cleanly();
    let all = tokio::time::timeout(Duration::from_secs(5), async {
        for _ in 0..MESSAGES {
            orders.next().await.unwrap();
        }
    });
    all.await.unwrap();
    assert!(clone.publish("orders", "late".into()).await.is_err());
    within(5, || async { relay.ends().first().copied() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_published_is_sent_before_the_fin() {
    let Some(server) = or_skip(Nats::start()) else {
        return;
    };
    assert_eq!(publish_and_close(&server, async |_| {}).await, End::Fin);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_published_is_lost_while_messages_keep_coming_in() {
    let Some(server) = or_skip(Nats::start()) else {
        return;
    };
    let other = client(&server.url()).await;
    let flood = tokio::spawn(async move {
        loop {
            let sent = other.publish("news", vec![b'x'; 1_000].into()).await;
            sent.unwrap();
        }
    });
    let subscribe = async |nats: &Client| {
        let mut news = nats.subscribe("news").await.unwrap();
        news.next().await.unwrap();
        tokio::spawn(async move { while news.next().await.is_some() {} });
    };
    publish_and_close(&server, subscribe).await;
    flood.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_end_before_the_fin() {
    let Some(server) = or_skip(Nats::start()) else {
        return;
    };
    let (relay, url) = Relay::to(&server.url()).await;
    let nats = client(&url).await;
    let mut orders = nats.subscribe("orders").await.unwrap();
    end(Lifecycle::embedded().close("nats", lameduck::nats::client(nats)))
        .await
        .cleanly();
    assert!(orders.next().await.is_none());
    let ends = within(5, || async {
        Some(relay.ends()).filter(|it| !it.is_empty())
    })
    .await;
    assert_eq!(ends, [End::Fin]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_somebody_has_drained_is_closed_already() {
    let Some(server) = or_skip(Nats::start()) else {
        return;
    };
    let nats = client(&server.url()).await;
    nats.drain().await.unwrap();
    end(Lifecycle::embedded().close("nats", lameduck::nats::client(nats)))
        .await
        .cleanly();
}

/// What is asked of a client in the very moment in which it ends is never answered, and that is when a
/// closer asks, on another thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_closer_does_not_wait_for_a_client_that_has_ended() {
    let Some(server) = or_skip(Nats::start()) else {
        return;
    };
    let mut closing = JoinSet::new();
    for _ in 0..8 {
        let url = server.url();
        closing.spawn(async move {
            for _ in 0..300 {
                lameduck::nats::client(client(&url).await)
                    .close()
                    .await
                    .unwrap();
            }
        });
    }
    let closed = tokio::time::timeout(Duration::from_secs(20), closing.join_all()).await;
    closed.expect("all of them are closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_somebody_drains_meanwhile_is_closed() {
    let Some(server) = or_skip(Nats::start()) else {
        return;
    };
    for _ in 0..300 {
        let nats = client(&server.url()).await;
        nats.drain().await.unwrap();
        let drained = Instant::now();
        let mut closing = JoinSet::new();
        for after in (0..1_000).step_by(50).map(Duration::from_micros) {
            let nats = nats.clone();
            closing.spawn(async move {
                while drained.elapsed() < after {
                    tokio::task::yield_now().await;
                }
                lameduck::nats::client(nats).close().await.unwrap();
            });
        }
        let closed = tokio::time::timeout(Duration::from_secs(2), closing.join_all()).await;
        closed.expect("all of them are closed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_gone_is_named_and_others_keep_their_time() {
    let Some(mut server) = or_skip(Nats::start()) else {
        return;
    };
    let nats = client(&server.url()).await;
    server.kill();
    let life = Lifecycle::embedded()
        .grace(Duration::from_secs(6))
        .close("nats", lameduck::nats::client(nats))
        .close_with("cache", || async { Ok::<_, std::io::Error>(()) });
    let ended = end(life).await;
    assert_eq!(ended.exit, Exit::LET_GO);
    let error = ended.error("nats").unwrap();
    assert!(error.contains("not connected, trying again"), "{error}");
    assert_eq!(ended.error("cache"), None);
    assert!(ended.took < Duration::from_secs(2), "{:?}", ended.took);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_in_time_is_waited_for() {
    let Some(mut server) = or_skip(Nats::start()) else {
        return;
    };
    let nats = client(&server.url()).await;
    server.kill();
    let gone = || async {
        (nats.connection_state() != async_nats::connection::State::Connected).then_some(())
    };
    within(5, gone).await;
    nats.publish("orders", "one".into()).await.unwrap();
    let ending = tokio::spawn(end(
        Lifecycle::embedded().close("nats", lameduck::nats::client(nats))
    ));
    server.start_again();
    ending.await.unwrap().cleanly();
}
