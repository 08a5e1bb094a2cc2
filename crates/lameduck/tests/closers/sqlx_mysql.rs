//! `sqlx` pools of MariaDB.

use std::time::{Duration, Instant};

use lameduck::{Exit, Lifecycle};
use real_servers::{MariaDb, or_skip};
use sqlx::Connection;
use sqlx::mysql::{MySqlConnection, MySqlPool, MySqlPoolOptions};

use crate::frozen::Frozen;
use crate::life::{end, within};

const CONNECTIONS: u32 = 5;

/// What the log says of a session that ends without COM_QUIT.
const NO_GOODBYE: &str = "Got an error reading communication packets";

/// A pool with so many open connections.
async fn pool(server: &MariaDb) -> MySqlPool {
    let pool = MySqlPoolOptions::new()
        .max_connections(CONNECTIONS)
        .connect(&server.url())
        .await
        .unwrap();
    let mut all = Vec::new();
    for _ in 0..CONNECTIONS {
        all.push(pool.acquire().await.unwrap());
    }
    for mut connection in all {
        connection.return_to_pool().await;
    }
    assert_eq!(pool.num_idle(), CONNECTIONS as usize);
    pool
}

/// Waits until the server has no session beside the one that asks.
async fn ended(asks: &mut MySqlConnection) {
    let others = "SELECT count(*) FROM information_schema.processlist \
                  WHERE id <> connection_id() AND user = 'root'";
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let left: i64 = sqlx::query_scalar(others)
            .fetch_one(&mut *asks)
            .await
            .unwrap();
        if left == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{left} sessions have not ended");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn db_closed_every_session_ends_with_com_quit() {
    let Some(server) = or_skip(MariaDb::start()) else {
        return;
    };
    let mut asks = MySqlConnection::connect(&server.url()).await.unwrap();
    for _ in 0..20 {
        let life =
            Lifecycle::embedded().close("mariadb", lameduck::sqlx::pool(pool(&server).await));
        end(life).await.cleanly();
    }
    ended(&mut asks).await;
    let log = server.log();
    assert!(!log.contains(NO_GOODBYE), "{log}");
    // The test would notice.
    drop(MySqlConnection::connect(&server.url()).await.unwrap());
    within(5, || async {
        server.log().contains(NO_GOODBYE).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaked_connection_costs_nobody_else_the_goodbye_and_is_counted() {
    let Some(server) = or_skip(MariaDb::start()) else {
        return;
    };
    let pool = pool(&server).await;
    let leaked = pool.acquire().await.unwrap();
    let life = Lifecycle::embedded()
        .grace(Duration::from_secs(4))
        .close("mariadb", lameduck::sqlx::pool(pool));
    let ended = end(life).await;
    assert_eq!(ended.exit, Exit::LET_GO);
    let error = ended.error("mariadb").unwrap();
    let counted = "1 of at most 5 connections still checked out";
    assert!(error.contains(counted), "{error}");
    assert!(ended.took < Duration::from_secs(4), "{:?}", ended.took);
    let log = server.log();
    assert!(!log.contains(NO_GOODBYE), "{log}");
    drop(leaked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_gone_or_hangs_is_named_and_holds_nobody_up() {
    let Some(mut server) = or_skip(MariaDb::start()) else {
        return;
    };
    let hanging = pool(&server).await;
    let frozen = Frozen::new(server.processes());
    let grace = Duration::from_secs(12);
    let ended = end(Lifecycle::embedded()
        .grace(grace)
        .close("mariadb", lameduck::sqlx::pool(hanging)))
    .await;
    drop(frozen);
    assert_eq!(ended.exit, Exit::FAILED);
    let error = ended.error("mariadb").unwrap();
    let named = "5 of 5 sessions had no goodbye";
    assert!(error.contains(named), "{error}");
    assert!(ended.took < Duration::from_secs(3), "{:?}", ended.took);

    let gone = pool(&server).await;
    server.kill();
    let ended = end(Lifecycle::embedded().close("mariadb", lameduck::sqlx::pool(gone))).await;
    assert_eq!(ended.exit, Exit::FAILED);
    let error = ended.error("mariadb").unwrap();
    assert!(error.contains(named), "{error}");
    assert!(ended.took < Duration::from_secs(2), "{:?}", ended.took);
}
