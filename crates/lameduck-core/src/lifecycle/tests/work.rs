//! Work of the application's that the shutdown waits for, and tokens that tell it of the shutdown.

use std::panic::AssertUnwindSafe;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::phase::Driver;

fn handle() -> Handle {
    Handle::new(Driver::new().phases())
}

/// Looks into the ledger when it is dropped.
struct LooksAtItsEnd(Handle, Arc<Mutex<Option<usize>>>);

impl Drop for LooksAtItsEnd {
    fn drop(&mut self) {
        *self.1.lock().unwrap() = Some(self.0.ledger().len());
    }
}

#[tokio::test]
async fn a_tracked_future_is_in_the_ledger_from_the_call_until_it_is_gone() {
    #[derive(Clone, Copy, Debug)]
    enum WorkEnd {
        Ready,
        NeverPolled,
        Dropped,
        Panicked,
    }
    for end in [
        WorkEnd::Ready,
        WorkEnd::NeverPolled,
        WorkEnd::Dropped,
        WorkEnd::Panicked,
    ] {
        let handle = handle();
        let seen = Arc::default();
        let looks = LooksAtItsEnd(handle.clone(), Arc::clone(&seen));
        let future = async move {
            let _looks = looks;
            match end {
                WorkEnd::Ready => 17,
                WorkEnd::Panicked => panic!("a bug"),
                WorkEnd::NeverPolled | WorkEnd::Dropped => pending().await,
            }
        };
        let mut tracked = Box::pin(handle.track_future("mail", "receipt", future));
        assert_eq!(handle.ledger().len(), 1, "{end:?}: from the call on");
        match end {
            WorkEnd::Ready => {
                assert_eq!(tracked.as_mut().await, 17);
                assert_eq!(handle.ledger().len(), 0, "not only when it is dropped");
            }
            WorkEnd::Dropped => assert!(futures_poll(tracked.as_mut()).is_pending()),
            WorkEnd::Panicked => {
                let polled = AssertUnwindSafe(|| futures_poll(tracked.as_mut()));
                assert!(std::panic::catch_unwind(polled).is_err());
            }
            WorkEnd::NeverPolled => {}
        }
        drop(tracked);
        assert_eq!(handle.ledger().len(), 0, "{end:?}");
        assert_eq!(*seen.lock().unwrap(), Some(1), "{end:?}: the future first");
    }
}

#[tokio::test]
async fn a_future_that_has_ended_is_gone_before_the_ledger_is_empty() {
    let handle = handle();
    let seen = Arc::default();
    let looks = LooksAtItsEnd(handle.clone(), Arc::clone(&seen));
    // Unlike a block, it keeps what it has when it ends.
    let future = std::future::poll_fn(move |_| {
        let _looks = &looks;
        std::task::Poll::Ready(())
    });
    let mut tracked = Box::pin(handle.track_future("mail", "receipt", future));
    tracked.as_mut().await;
    assert_eq!(*seen.lock().unwrap(), Some(1));
    drop(tracked);
}

fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn a_tracked_future_is_waited_for_and_named() {
    let life = Lifecycle::embedded();
    let handle = life.handle();
    let mut mails = JoinSet::new();
    mails.spawn(handle.track_future("mail", "short", sleep(s(3))));
    mails.spawn(handle.track_future("mail", "endless", pending()));
    let (exit, report, _) = shut_down(life).await;
    assert_eq!((exit, report.finished["mail"]), (Exit::LET_GO, 1));
    assert_eq!(&*report.let_go[0].name, "endless");
}

/// Which of the three tokens are cancelled.
fn cancelled(tokens: &[CancellationToken; 3]) -> [bool; 3] {
    tokens.each_ref().map(CancellationToken::is_cancelled)
}

fn tokens(handle: &Handle) -> [CancellationToken; 3] {
    [
        handle.shutdown_token(),
        handle.draining_token(),
        handle.drain_deadline_token(),
    ]
}

#[tokio::test(start_paused = true)]
async fn tokens_are_cancelled_one_after_the_other() {
    let life = Lifecycle::embedded().lame_duck(s(5));
    let handle = life.handle();
    let held = handle.track("import", "customers.csv");
    let tokens_before = tokens(&handle);
    let running = tokio::spawn(life.run());
    handle.phases().reached(crate::Phase::Ready).await;
    assert_eq!(cancelled(&tokens_before), [false; 3]);
    let mut at = Vec::new();
    let began = Instant::now();
    handle.shutdown("test");
    for it in &tokens_before {
        it.cancelled().await;
        at.push(began.elapsed().as_secs());
    }
    assert_eq!(at, [0, 5, 24]);
    assert_eq!(
        cancelled(&tokens(&handle)),
        [true; 3],
        "of those made later"
    );
    drop(held);
    assert_eq!(running.await.unwrap(), Exit::LET_GO);
}

#[tokio::test(start_paused = true)]
async fn a_drain_in_time_has_no_deadline() {
    let life = Lifecycle::embedded();
    let all = tokens(&life.handle());
    assert_eq!(shut_down(life).await.0, Exit::CLEAN);
    assert_eq!(cancelled(&all), [true, true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_given_out_is_its_owners_alone() {
    let life = Lifecycle::embedded();
    let handle = life.handle();
    let (mine, yours) = (handle.shutdown_token(), handle.shutdown_token());
    mine.cancel();
    assert!(!yours.is_cancelled() && !handle.is_shutting_down());
    assert!(!handle.shutdown_token().is_cancelled());
    drop(life);
}

#[tokio::test(start_paused = true)]
async fn a_token_of_the_applications_begins_the_shutdown() {
    let life = Lifecycle::embedded();
    let handle = life.handle();
    let token = CancellationToken::new();
    handle.shutdown_when_cancelled(token.clone(), "the admin asked");
    let running = tokio::spawn(life.run());
    handle.phases().reached(crate::Phase::Ready).await;
    sleep(s(60)).await;
    assert!(!handle.is_shutting_down());
    token.cancel();
    assert_eq!(running.await.unwrap(), Exit::CLEAN);
    assert_eq!(handle.report("", None).reason, "the admin asked");
}

#[tokio::test(start_paused = true)]
async fn who_looks_out_for_a_token_is_gone_with_the_shutdown() {
    let life = Lifecycle::embedded();
    let token = CancellationToken::new();
    let handle = life.handle();
    let before = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    handle.shutdown_when_cancelled(token.clone(), "never");
    assert_eq!(shut_down(life).await.0, Exit::CLEAN);
    tokio::task::yield_now().await;
    let after = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    assert_eq!(after, before);
    token.cancel();
    assert_eq!(handle.report("", None).reason, "test");
}
