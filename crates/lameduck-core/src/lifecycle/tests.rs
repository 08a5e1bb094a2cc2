//! Whole lives under a paused clock: nothing here waits, so every bound is checked to the
//! millisecond.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Lifecycle;
use crate::report::Report;
use crate::{Exit, Handle};

mod additions;
mod close;
mod dependencies;
mod reports;
mod settings;
mod starting;
mod work;

type Never = Result<(), std::io::Error>;

const fn s(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Runs `life` and shuts it down once it is ready; how it ended, its report, and how long the
/// shutdown took.
async fn shut_down(life: Lifecycle) -> (Exit, Report, Duration) {
    let handle = life.handle();
    let running = tokio::spawn(life.run());
    handle.phases().reached(crate::Phase::Ready).await;
    let began = Instant::now();
    handle.shutdown("test");
    let exit = running.await.unwrap();
    (exit, handle.report("", None), began.elapsed())
}

/// Remembers the order in which things happened.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }

    fn close(&self, what: &'static str) -> impl FnOnce() -> std::future::Ready<Never> + use<> {
        let log = self.clone();
        move || {
            log.note(what);
            std::future::ready(Ok(()))
        }
    }

    fn all(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn exits_zero_when_everything_ends_and_closes_in_order() {
    let log = Log::default();
    let noted = log.clone();
    let life = Lifecycle::embedded()
        .flush_with("telemetry", log.close("telemetry"))
        .task("importer", |handle: Handle| async move {
            handle.until_lame_duck().await;
            sleep(s(2)).await;
            noted.note("importer");
            Never::Ok(())
        })
        .close_with("pool", log.close("pool"))
        .close_with("broker", log.close("broker"));
    let (exit, report, took) = shut_down(life).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(log.all(), ["importer", "pool", "broker", "telemetry"]);
    assert_eq!(took.as_secs(), 2);
    assert_eq!(report.finished["task"], 1);
}

#[tokio::test(start_paused = true)]
async fn within_grace_and_told_when_a_task_never_ends() {
    let log = Log::default();
    let life = Lifecycle::embedded()
        .task("importer", |_| pending::<Never>())
        .close_with("pool", log.close("pool"));
    let (exit, report, took) = shut_down(life).await;
    assert_eq!(exit, Exit::LET_GO);
    assert_eq!(took.as_secs(), 25, "24 s to drain, 1 s to let go");
    assert_eq!(log.all(), ["pool"], "closers get their turn all the same");
    let [it] = &report.let_go[..] else {
        panic!("{:?}", report.let_go)
    };
    assert_eq!((&*it.kind, &*it.name), ("task", "importer"));
}

#[tokio::test(start_paused = true)]
async fn what_is_tracked_is_waited_for_then_named() {
    let life = Lifecycle::embedded();
    let handle = life.handle();
    let guard = handle.track("import", "customers.csv");
    let (exit, report, _) = shut_down(life).await;
    assert_eq!(
        (exit, &*report.let_go[0].name),
        (Exit::LET_GO, "customers.csv")
    );
    drop(guard);
}

#[tokio::test(start_paused = true)]
async fn work_that_gives_up_when_told_costs_no_time_but_is_named() {
    let life = Lifecycle::embedded();
    let handle = life.handle();
    let guard = handle.track("import", "customers.csv");
    tokio::spawn(async move {
        handle.until_drain_deadline().await;
        drop(guard);
    });
    let (exit, report, took) = shut_down(life).await;
    assert_eq!((exit, report.let_go.len()), (Exit::LET_GO, 1));
    assert_eq!(took.as_secs(), 24);
}

#[tokio::test(start_paused = true)]
async fn stuck_told_names_a_closer_that_never_returns_and_others_keep_their_time() {
    let log = Log::default();
    let life = Lifecycle::embedded()
        .close_with("stuck", pending::<Never>)
        .close_with("pool", log.close("pool"))
        .flush_with("telemetry", log.close("telemetry"));
    let (exit, report, took) = shut_down(life).await;
    assert_eq!(exit, Exit::LET_GO);
    assert_eq!(log.all(), ["pool", "telemetry"]);
    assert_eq!(
        (&*report.let_go[0].kind, &*report.let_go[0].name),
        ("closer", "stuck")
    );
    assert_eq!(took.as_secs(), 5, "the reserve, however early it is");
}

#[tokio::test(start_paused = true)]
async fn a_component_that_fails_shuts_the_process_down() {
    let log = Log::default();
    let life = Lifecycle::embedded()
        .task("importer", |_| async {
            sleep(s(1)).await;
            Err(std::io::Error::other("no such file"))
        })
        .close_with("pool", log.close("pool"));
    let handle = life.handle();
    assert_eq!(life.run().await, Exit::FAILED);
    let report = handle.report("", None);
    assert_eq!(report.reason, "the failure of importer");
    assert_eq!(report.failed[0].error, "no such file");
    assert_eq!(log.all(), ["pool"]);
}

#[tokio::test(start_paused = true)]
async fn a_closer_that_panics_is_a_failure_by_name() {
    let life = Lifecycle::embedded().close_with("pool", || async {
        if true {
            panic!("double close");
        }
        Never::Ok(())
    });
    let (exit, report, _) = shut_down(life).await;
    assert_eq!((exit, &*report.failed[0].component), (Exit::FAILED, "pool"));
    assert!(report.failed[0].error.contains("double close"));
}

#[tokio::test(start_paused = true)]
async fn startup_signal_closes_what_there_is() {
    let log = Log::default();
    let mut life = Lifecycle::embedded();
    life.handle().shutdown("early");
    let step = life.starting("database", pending::<Never>()).await;
    assert!(step.is_none());
    let ran = log.clone();
    let exit = life
        .task("importer", |_| async move {
            ran.note("importer");
            Never::Ok(())
        })
        .close_with("pool", log.close("pool"))
        .run()
        .await;
    assert_eq!((exit, log.all()), (Exit::CLEAN, vec!["pool"]));
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_hangs_costs_two_seconds_and_no_exit_code() {
    let life = Lifecycle::embedded().announce_with("consul", pending::<Never>);
    let (exit, report, took) = shut_down(life).await;
    assert_eq!((exit, took.as_secs()), (Exit::CLEAN, 2));
    assert_eq!(report.announced[0].name, "consul");
    assert!(report.announced[0].error.is_some());
}

#[tokio::test(start_paused = true)]
async fn hooks_run_side_by_side() {
    let hook = || async {
        sleep(s(1)).await;
        Never::Ok(())
    };
    let life = Lifecycle::embedded()
        .announce_with("a", hook)
        .announce_with("b", hook);
    let (_, report, took) = shut_down(life).await;
    assert_eq!((took.as_secs(), report.announced.len()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_lame_duck_keeps_serving_for_its_time() {
    let life = Lifecycle::embedded().lame_duck(s(5));
    let (_, report, took) = shut_down(life).await;
    assert_eq!(took.as_secs(), 5);
    assert_eq!(report.phases[0].phase, crate::Phase::LameDuck);
}
