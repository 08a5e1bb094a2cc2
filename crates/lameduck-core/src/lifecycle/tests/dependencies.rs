//! Who ends after whom, in whole lives.

use std::future::pending;

use tokio::time::sleep;

use super::{Log, Never, s, shut_down};
use crate::base::BoxFuture;
use crate::{Exit, Handle, Lifecycle};

/// Ends once nobody uses it any more, and notes that.
fn relay(log: &Log) -> impl FnOnce(Handle) -> BoxFuture<Never> + use<> {
    let log = log.clone();
    |handle: Handle| {
        Box::pin(async move {
            handle.until_unused().await;
            log.note("relay");
            Ok(())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_used_is_told_to_stop_after_its_users_have_ended() {
    let log = Log::default();
    let noted = log.clone();
    let life = Lifecycle::embedded()
        .task("relay", relay(&log))
        .task("importer", |handle: Handle| async move {
            handle.until_lame_duck().await;
            sleep(s(3)).await;
            noted.note("importer");
            Never::Ok(())
        })
        .close_with("database", log.close("database"))
        .depends_on("importer", "relay")
        .depends_on("relay", "database");
    let (exit, _, took) = shut_down(life).await;
    assert_eq!((exit, took.as_secs()), (Exit::CLEAN, 3));
    assert_eq!(log.all(), ["importer", "relay", "database"]);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_uses_is_told_to_stop_at_once() {
    let log = Log::default();
    let life = Lifecycle::embedded()
        .task("relay", relay(&log))
        .task("importer", relay(&log))
        .depends_on("importer", "relay");
    let (exit, _, took) = shut_down(life).await;
    assert_eq!((exit, took.as_millis()), (Exit::CLEAN, 0));
}

#[tokio::test(start_paused = true)]
async fn a_user_that_panics_holds_nobody_up() {
    let log = Log::default();
    let life = Lifecycle::embedded()
        .task("relay", relay(&log))
        .task("importer", |handle: Handle| async move {
            handle.until_lame_duck().await;
            if true {
                panic!("no such file");
            }
            Never::Ok(())
        })
        .depends_on("importer", "relay");
    let (exit, report, took) = shut_down(life).await;
    assert_eq!((exit, took.as_millis()), (Exit::FAILED, 0));
    assert_eq!((log.all(), report.failed.len()), (vec!["relay"], 1));
}

#[tokio::test(start_paused = true)]
async fn a_user_that_never_ends_is_let_go_with_what_it_uses_and_alone_is_named() {
    let log = Log::default();
    let life = Lifecycle::embedded()
        .task("relay", relay(&log))
        .task("importer", |_| pending::<Never>())
        .depends_on("importer", "relay");
    let (exit, report, took) = shut_down(life).await;
    assert_eq!((exit, took.as_secs()), (Exit::LET_GO, 25));
    assert_eq!(log.all(), ["relay"], "it was told, and ended");
    let named: Vec<_> = report.let_go.iter().map(|it| &*it.name).collect();
    assert_eq!(named, ["importer"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_used_and_does_not_react_to_being_let_go_is_named_too() {
    let life = Lifecycle::embedded()
        .task("relay", |_| pending::<Never>())
        .task("importer", |_| pending::<Never>())
        .depends_on("importer", "relay");
    let (_, report, took) = shut_down(life).await;
    let mut named: Vec<_> = report.let_go.iter().map(|it| &*it.name).collect();
    named.sort_unstable();
    assert_eq!((named, took.as_secs()), (vec!["importer", "relay"], 25));
}

#[tokio::test(start_paused = true)]
async fn closers_and_flushers_run_after_those_that_use_them() {
    let log = Log::default();
    let life = Lifecycle::embedded()
        .close_with("database", log.close("database"))
        .close_with("broker", log.close("broker"))
        .close_with("cache", log.close("cache"))
        .flush_with("log", log.close("log"))
        .flush_with("traces", log.close("traces"))
        .depends_on("cache", "database")
        .depends_on("traces", "log");
    let (exit, _, _) = shut_down(life).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(
        log.all(),
        ["broker", "cache", "database", "traces", "log"],
        "the others in their order"
    );
}

#[tokio::test(start_paused = true)]
async fn an_edge_that_cannot_be_is_refused_before_anything_starts() {
    for (user, used) in [("importer", "databse"), ("importer", "importer")] {
        let log = Log::default();
        let noted = log.clone();
        let life = Lifecycle::embedded()
            .task("importer", |_| async move {
                noted.note("importer");
                Never::Ok(())
            })
            .close_with("database", log.close("database"))
            .depends_on(user, used);
        assert_eq!(life.run().await, Exit::BAD_CONFIGURATION);
        assert_eq!(log.all(), ["database"], "what was open is closed");
    }
}
