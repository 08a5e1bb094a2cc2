//! An idle worker sleeps: how often the threads of this process are woken while there is no job. A process
//! of its own, with one test, since all of its threads are counted.

#![cfg(all(
    target_os = "linux",
    feature = "apalis-postgres",
    feature = "apalis-redis",
    feature = "apalis-sqlite"
))]

use std::sync::Arc;
use std::time::Duration;

use lameduck::apalis::{ApalisPostgres, ApalisRedis, ApalisSqlite};
use lameduck::{BoxError, Exit, Job, Jobs, Lifecycle, Queue};
use real_servers::{Postgres, Redis, or_skip};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{PgPool, SqlitePool};
use tokio::sync::Notify;

/// How long is counted.
const WINDOW: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_worker_sleeps_and_wakes_for_a_job() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("jobs.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal);
    let pool = SqlitePool::connect_with(options).await.expect("a file");
    ApalisSqlite::set_up(&pool).await.expect("a new file");
    // Two looks a second, each by a thread of the runtime and one of the database.
    idles("SQLite", 30, ApalisSqlite::new(&pool, "mail"), async || {
        let mut connection = pool.acquire().await.expect("the file is there");
        let pushed = ApalisSqlite::push(&mut connection, "mail", &1).await;
        pushed.expect("the table is there");
    })
    .await;

    if let Some(server) = or_skip(Postgres::start()) {
        let pool = PgPool::connect(&server.url()).await;
        let pool = pool.expect("the server is there");
        ApalisPostgres::set_up(&pool).await.expect("a new database");
        // One look a second.
        let queue = ApalisPostgres::new(&pool, "mail");
        idles("PostgreSQL", 20, queue, async || {
            let mut connection = pool.acquire().await.expect("the server is there");
            let pushed = ApalisPostgres::push(&mut connection, "mail", &1).await;
            pushed.expect("the table is there");
        })
        .await;
    }

    if let Some(server) = or_skip(Redis::start()) {
        let client = redis::Client::open(server.url()).expect("a good URL");
        let connection = client.get_connection_manager().await;
        let connection = connection.expect("the server is there");
        // Two looks a second.
        let queue = ApalisRedis::new(&connection, "mail");
        idles("Redis", 20, queue, async || {
            let pushed = ApalisRedis::push(&connection, "mail", &1).await;
            pushed.expect("the server is there");
        })
        .await;
    }
}

/// The worker wakes at most so often per second, and runs a job that is pushed then.
async fn idles(name: &'static str, most: u64, queue: impl Queue, push: impl AsyncFnOnce()) {
    let ran = Arc::new(Notify::new());
    let runs = ran.clone();
    let jobs = Jobs::raw(name, queue, move |_, _: Job| {
        let runs = runs.clone();
        async move {
            runs.notify_one();
            Ok::<_, BoxError>(())
        }
    });
    let life = Lifecycle::embedded().component(jobs);
    let handle = life.handle();
    let ended = tokio::spawn(life.run());
    // The pauses grow to their longest.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = wakes();
    tokio::time::sleep(WINDOW).await;
    let per_second = (wakes() - before) / WINDOW.as_secs();
    eprintln!("{name}: woken {per_second} times a second");
    assert!(per_second <= most, "{name}: {per_second} times a second");
    push().await;
    let running = tokio::time::timeout(Duration::from_secs(30), ran.notified());
    running.await.expect("the job runs");
    handle.shutdown("test");
    let exit = ended.await.expect("a lifecycle does not panic");
    assert_eq!(exit, Exit::CLEAN);
}

/// How often the threads of this process have gone to sleep of their own accord.
fn wakes() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let statuses = tasks.filter_map(|task| {
        // A thread may have ended meanwhile.
        std::fs::read_to_string(task.ok()?.path().join("status")).ok()
    });
    let counts = statuses.filter_map(|status| {
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        line.trim().parse::<u64>().ok()
    });
    counts.sum()
}
