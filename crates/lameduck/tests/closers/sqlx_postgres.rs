//! `sqlx` pools of PostgreSQL.

use std::time::Duration;

use lameduck::{Close, Exit, Lifecycle};
use real_servers::{Postgres, or_skip};
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};

use crate::frozen::Frozen;
use crate::life::{end, within};

const CONNECTIONS: u32 = 5;

/// What the log says, at this level, of a session that ends without Terminate.
const NO_GOODBYE: &str = "unexpected EOF on client connection";

fn options(server: &Postgres) -> PgConnectOptions {
    let options: PgConnectOptions = server.url().parse().unwrap();
    options.options([("log_min_messages", "debug1")])
}

/// A pool with so many open connections.
async fn pool(server: &Postgres) -> PgPool {
    pool_called(server, "shop").await
}

async fn pool_called(server: &Postgres, application: &str) -> PgPool {
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .connect_with(options(server).application_name(application))
        .await
        .unwrap();
    let mut all = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = pool.acquire().await.unwrap();
        sqlx::query("SELECT 1")
            .execute(&mut *connection)
            .await
            .unwrap();
        all.push(connection);
    }
    for mut connection in all {
        connection.return_to_pool().await;
    }
    assert_eq!(pool.num_idle(), CONNECTIONS as usize);
    pool
}

/// Waits until the server has noted the end of so many sessions.
async fn ended(server: &Postgres, sessions: u32) -> String {
    within(5, || async {
        let log = server.log();
        let ends = log.matches("disconnection: session time").count();
        (ends >= sessions as usize).then_some(log)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn db_closed_every_session_ends_with_terminate() {
    let Some(server) = or_skip(Postgres::start()) else {
        return;
    };
    for round in 1..=20 {
        let life =
            Lifecycle::embedded().close("postgres", lameduck::sqlx::pool(pool(&server).await));
        end(life).await.cleanly();
        let log = ended(&server, round * CONNECTIONS).await;
        assert!(!log.contains(NO_GOODBYE), "{log}");
    }
    // The test would notice.
    let rude = sqlx::PgConnection::connect_with(&options(&server))
        .await
        .unwrap();
    drop(rude);
    within(5, || async {
        server.log().contains(NO_GOODBYE).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_costs_nobody_else_the_goodbye_and_is_named() {
    let Some(server) = or_skip(Postgres::start()) else {
        return;
    };
    let pool = pool(&server).await;
    let mut listener = PgListener::connect_with(&pool).await.unwrap();
    listener.ignore_pool_close_event(true);
    listener.listen("orders").await.unwrap();
    let other = pool_called(&server, "other").await;

    let life = Lifecycle::embedded()
        .grace(Duration::from_secs(24))
        .close("postgres", lameduck::sqlx::pool(pool))
        .close("other", lameduck::sqlx::pool(other));
    let handle = life.handle();
    let held = tokio::spawn(async move {
        let _guard = handle.track("listener", "orders");
        let never = listener.recv().await;
        drop(never);
    });
    let ended = end(life).await;
    assert_eq!(ended.exit, Exit::LET_GO);
    let error = ended.error("postgres").unwrap();
    for part in [
        "1 of at most 5 connections still checked out: session ",
        "idle for ",
        "last query \"LISTEN",
        "still under way: listener orders (",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    assert_eq!(error.matches("session ").count(), 1, "{error}");
    assert_eq!(ended.error("other"), None, "the other pool had its turn");
    assert!(ended.took < Duration::from_secs(24), "{:?}", ended.took);

    // Four of its sessions, and all of the other's.
    let log = self::ended(&server, 2 * CONNECTIONS - 1).await;
    assert!(!log.contains(NO_GOODBYE), "{log}");
    held.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_waits_hears_that_its_pool_is_closed() {
    let Some(server) = or_skip(Postgres::start()) else {
        return;
    };
    let pool = pool(&server).await;
    let mut listener = PgListener::connect_with(&pool).await.unwrap();
    listener.listen("orders").await.unwrap();
    let listening = tokio::spawn(async move { listener.recv().await.is_err() });
    end(Lifecycle::embedded().close("postgres", lameduck::sqlx::pool(pool)))
        .await
        .cleanly();
    assert!(listening.await.unwrap(), "it was told by an error");
    let log = ended(&server, CONNECTIONS).await;
    assert!(!log.contains(NO_GOODBYE), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaked_connection_within_a_transaction_is_named_with_its_query() {
    let Some(server) = or_skip(Postgres::start()) else {
        return;
    };
    let pool = pool(&server).await;
    let mut leaked = pool.acquire().await.unwrap();
    sqlx::query("BEGIN").execute(&mut *leaked).await.unwrap();
    sqlx::query("SELECT 17 AS leaked")
        .execute(&mut *leaked)
        .await
        .unwrap();
    let ended = end(Lifecycle::embedded().close("postgres", lameduck::sqlx::pool(pool))).await;
    assert_eq!(ended.exit, Exit::LET_GO);
    let error = ended.error("postgres").unwrap();
    assert!(error.contains("idle in transaction for"), "{error}");
    assert!(
        error.contains("last query \"SELECT ? AS leaked\""),
        "{error}"
    );
    assert!(!error.contains("still under way"), "nobody is: {error}");
    let log = self::ended(&server, CONNECTIONS - 1).await;
    assert!(!log.contains(NO_GOODBYE), "{log}");
    drop(leaked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn db_closed_ends_what_comes_back_while_the_pool_is_closed() {
    let Some(server) = or_skip(Postgres::start()) else {
        return;
    };
    for round in 1..=20 {
        let pool = pool(&server).await;
        let leaked = pool.acquire().await.unwrap();
        let mut closed = lameduck::sqlx::pool(pool.clone());
        // They are tested before they are idle again: the pool is closed meanwhile.
        for _ in 1..CONNECTIONS {
            drop(pool.acquire().await.unwrap());
        }
        let closing = tokio::spawn(async move { closed.close().await });
        let log = ended(&server, round * CONNECTIONS - 1).await;
        assert!(!log.contains(NO_GOODBYE), "{log}");
        drop(leaked);
        closing.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_others_are_not_named() {
    let Some(server) = or_skip(Postgres::start()) else {
        return;
    };
    // Another process: same machine, same user, same name.
    let mut other = std::process::Command::new("psql")
        .args([&server.url(), "-c", "SELECT 'psql', pg_sleep(60)"])
        .env("PGAPPNAME", "twin")
        .env("PGOPTIONS", "-c log_min_messages=debug1")
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let pool = PgPoolOptions::new()
        .connect_with(options(&server).application_name("twin"))
        .await
        .unwrap();
    let leaked = pool.acquire().await.unwrap();
    within(5, || async {
        let count = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' \
                     AND application_name = 'twin' AND pid <> pg_backend_pid()";
        let found: i64 = sqlx::query_scalar(count).fetch_one(&pool).await.unwrap();
        (found == 1).then_some(())
    })
    .await;
    let ended = end(Lifecycle::embedded().close("postgres", lameduck::sqlx::pool(pool))).await;
    let error = ended.error("postgres").unwrap();
    assert!(error.contains("checked out: session "), "{error}");
    assert!(!error.contains("psql"), "{error}");
    other.kill().unwrap();
    other.wait().unwrap();
    drop(leaked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_gone_is_named_and_holds_nobody_up() {
    let Some(mut server) = or_skip(Postgres::start()) else {
        return;
    };
    let pool = pool(&server).await;
    server.kill();
    let life = Lifecycle::embedded()
        .close("postgres", lameduck::sqlx::pool(pool))
        .close_with("cache", || async { Ok::<_, std::io::Error>(()) });
    let ended = end(life).await;
    assert_eq!(ended.exit, Exit::FAILED);
    let error = ended.error("postgres").unwrap();
    assert!(error.contains("5 of 5 sessions had no goodbye"), "{error}");
    assert_eq!(ended.error("cache"), None);
    assert!(ended.took < Duration::from_secs(2), "{:?}", ended.took);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_ended_long_ago_are_no_failure_if_the_server_is_there() {
    let Some(mut server) = or_skip(Postgres::start()) else {
        return;
    };
    let pool = pool(&server).await;
    server.kill();
    server.start_again();
    end(Lifecycle::embedded().close("postgres", lameduck::sqlx::pool(pool)))
        .await
        .cleanly();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_named_and_holds_nobody_up() {
    let Some(server) = or_skip(Postgres::start()) else {
        return;
    };
    let pool = pool(&server).await;
    let frozen = Frozen::new(server.processes());
    let life = Lifecycle::embedded()
        .grace(Duration::from_secs(12))
        .close("postgres", lameduck::sqlx::pool(pool))
        .close_with("cache", || async { Ok::<_, std::io::Error>(()) });
    let ended = end(life).await;
    drop(frozen);
    assert_eq!(ended.exit, Exit::FAILED);
    let error = ended.error("postgres").unwrap();
    assert!(
        error.contains("5 of 5 sessions had no goodbye: no answer"),
        "{error}"
    );
    assert_eq!(ended.error("cache"), None);
    assert!(ended.took < Duration::from_secs(3), "{:?}", ended.took);
}
