//! A `Monitor` with workers of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apalis_core::error::BoxDynError;
use apalis_core::monitor::Monitor;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_sqlite::{Config, SqliteStorage};
use lameduck::{Exit, Lifecycle};
use tokio::sync::Semaphore;

use crate::apalis_sqlite::File;
use crate::server::Server;

/// A monitor whose tasks take `time`, ten of which wait; and how many have begun and ended.
async fn monitor(time: Duration) -> (Monitor, Arc<Semaphore>, Arc<AtomicUsize>, File) {
    let file = File::new().await;
    file.push(0..10).await;
    let storage =
        SqliteStorage::<u64>::new(&file.pool).with_config(Config::default().queue("receipts"));
    let (begun, ended) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (begins, ends) = (begun.clone(), ended.clone());
    let work = move |_task: u64| {
        let (begins, ends) = (begins.clone(), ends.clone());
        async move {
            begins.add_permits(1);
            tokio::time::sleep(time).await;
            ends.fetch_add(1, Ordering::SeqCst);
            Ok::<(), BoxDynError>(())
        }
    };
    let monitor = Monitor::new().register(move |n| {
        WorkerBuilder::new(format!("test-{n}"))
            .backend(storage.clone())
            .build(work.clone())
    });
    (monitor, begun, ended, file)
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_run_are_finished_and_the_monitor_ends() {
    let (monitor, begun, ended, _file) = monitor(Duration::from_millis(500)).await;
    let life = Lifecycle::embedded().task("emails", lameduck::apalis::monitor(monitor));
    let handle = life.handle();
    let life = tokio::spawn(life.run());
    drop(begun.acquire().await.unwrap());
    handle.shutdown("test");
    assert_eq!(life.await.unwrap(), Exit::CLEAN);
    assert!(ended.load(Ordering::SeqCst) >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_without_an_end_is_let_go_and_told() {
    let (monitor, begun, ended, _file) = monitor(Duration::from_secs(600)).await;
    let life = Lifecycle::embedded()
        .grace(Duration::from_secs(2))
        .task("emails", lameduck::apalis::monitor(monitor));
    let handle = life.handle();
    let life = tokio::spawn(life.run());
    drop(begun.acquire().await.unwrap());
    handle.shutdown("test");
    let began = Instant::now();
    assert_eq!(life.await.unwrap(), Exit::LET_GO);
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(ended.load(Ordering::SeqCst), 0);
}
