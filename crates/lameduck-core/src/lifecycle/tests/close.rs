//! What is closed, and what is said of it if it is not.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Log, s, shut_down};
use crate::base::BoxError;
use crate::{Close, Exit, Lifecycle};

/// Never closes, and says so unless that hangs too.
struct HeldOpen {
    says: bool,
}

impl Close for HeldOpen {
    async fn close(&mut self) -> Result<(), BoxError> {
        pending().await
    }

    async fn waits_for(&self, _within: Duration) -> Option<String> {
        if !self.says {
            pending::<()>().await;
        }
        Some("2 readers".to_owned())
    }
}

#[tokio::test(start_paused = true)]
async fn stuck_told_names_what_a_closer_waits_for_and_who_may_hold_it() {
    let log = Log::default();
    let life = Lifecycle::embedded()
        .close("cache", HeldOpen { says: true })
        .close_with("pool", log.close("pool"));
    let handle = life.handle();
    let guards: Vec<_> = (1..=7)
        .map(|n| handle.track("import", n.to_string()))
        .collect();
    let (exit, report, _) = shut_down(life).await;
    assert_eq!((exit, log.all()), (Exit::LET_GO, vec!["pool"]));
    let error = report.closed[0].error.as_deref().unwrap();
    assert!(
        error.contains(": 2 readers; still under way: import "),
        "{error}"
    );
    assert!(error.ends_with(", 2 more"), "{error}");
    drop(guards);
}

#[tokio::test(start_paused = true)]
async fn a_closer_that_cannot_even_say_what_it_waits_for_costs_its_share_and_no_more() {
    let life = Lifecycle::embedded().close("cache", HeldOpen { says: false });
    let (exit, report, took) = shut_down(life).await;
    assert_eq!((exit, took.as_secs()), (Exit::LET_GO, 5));
    let error = report.closed[0].error.as_deref().unwrap();
    assert_eq!(error, "not done within 4.70 s");
}

/// Takes its time to be dropped.
struct HeldGuard {
    drop_takes: Duration,
    dropped: Arc<AtomicBool>,
}

impl Close for HeldGuard {
    const DROP_BLOCKS: bool = true;

    async fn close(&mut self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl Drop for HeldGuard {
    fn drop(&mut self) {
        std::thread::sleep(self.drop_takes);
        // Whatever is dropped may spawn.
        tokio::spawn(std::future::ready(()));
        self.dropped.store(true, Ordering::Release);
    }
}

#[tokio::test]
async fn what_blocks_when_it_is_dropped_is_waited_for() {
    let dropped = Arc::new(AtomicBool::new(false));
    let guard = HeldGuard {
        drop_takes: Duration::from_millis(50),
        dropped: dropped.clone(),
    };
    let (exit, _, _) = shut_down(Lifecycle::embedded().flush("log", guard)).await;
    assert_eq!(exit, Exit::CLEAN);
    assert!(dropped.load(Ordering::Acquire));
}

#[tokio::test]
async fn within_grace_although_a_drop_blocks_for_longer() {
    let guard = HeldGuard {
        drop_takes: s(10),
        dropped: Arc::default(),
    };
    let life = Lifecycle::embedded().grace(s(1)).flush("log", guard);
    let (exit, report, took) = shut_down(life).await;
    assert_eq!((exit, &*report.let_go[0].name), (Exit::LET_GO, "log"));
    assert!(took < s(1), "{took:?}");
}
