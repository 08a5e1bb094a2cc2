//! How checks are run, shared, bounded and given up.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{Check, Readiness, with_causes};
use crate::shutdown::phase::{Driver, at};

fn readiness(
    check: Check,
    main: runtime::Handle,
    clock: &runtime::Handle,
) -> (Readiness, Driver<at::ReadyPhase>) {
    let driver = Driver::new().ready();
    let readiness = Readiness::new(main, driver.phases());
    readiness.depend_on(vec![check], clock);
    (readiness, driver)
}

/// Where everything is on the runtime of the test.
fn here(check: Check) -> (Readiness, Driver<at::ReadyPhase>) {
    let here = runtime::Handle::current();
    readiness(check, here.clone(), &here)
}

/// A runtime that keeps the time.
fn clock() -> runtime::Runtime {
    let mut builder = runtime::Builder::new_current_thread();
    builder.enable_time().build().unwrap()
}

async fn error_of(readiness: &Readiness) -> Option<String> {
    readiness.run().await.remove(0).1.error
}

#[tokio::test]
async fn all_who_ask_at_once_share_one_run() {
    let (runs, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let check = {
        let (runs, go) = (runs.clone(), go.clone());
        Check::new("db", Duration::from_secs(60), move || {
            runs.fetch_add(1, Ordering::SeqCst);
            let go = go.clone();
            async move {
                go.acquire().await?.forget();
                Ok(())
            }
        })
    };
    let (readiness, _driver) = here(check);
    let mut asks: Vec<_> = (0..50).map(|_| Box::pin(readiness.run())).collect();
    poll_fn(|cx| {
        for ask in &mut asks {
            assert!(ask.as_mut().poll(cx).is_pending());
        }
        Poll::Ready(())
    })
    .await;
    go.add_permits(1);
    for ask in asks {
        assert_eq!(ask.await[0].1.error, None);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    // The next to ask is not given the old answer.
    go.add_permits(1);
    readiness.run().await;
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_check_without_an_answer_fails_at_its_time_out_and_is_cancelled() {
    struct CountsTold(Arc<AtomicUsize>);
    impl Drop for CountsTold {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let check = {
        let dropped = dropped.clone();
        Check::new("db", Duration::from_secs(1), move || {
            let told = CountsTold(dropped.clone());
            async move {
                let _told = told;
                pending().await
            }
        })
    };
    let (readiness, _driver) = here(check);
    let began = Instant::now();
    let error = error_of(&readiness).await;
    assert_eq!(error.as_deref(), Some("no answer within 1 s"));
    // Timers are as fine as a millisecond.
    assert!(matches!(began.elapsed().as_millis(), 1000..=1001));
    tokio::task::yield_now().await;
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn a_run_that_blocks_its_thread_is_not_joined_by_another() {
    let main = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let runs = Arc::new(AtomicUsize::new(0));
    let (release, released) = mpsc::channel::<()>();
    let check = {
        let (runs, released) = (runs.clone(), Mutex::new(released));
        Check::new("db", Duration::from_millis(40), move || {
            runs.fetch_add(1, Ordering::SeqCst);
            let _ = released.lock().unwrap().recv();
            async { Ok(()) }
        })
    };
    let here = clock();
    let (readiness, _driver) = readiness(check, main.handle().clone(), here.handle());
    here.block_on(async {
        // On a busy machine the first may be over before its thread has begun.
        while runs.load(Ordering::SeqCst) == 0 {
            let first = error_of(&readiness).await;
            assert!(first.unwrap().starts_with("no answer within 40 ms"));
        }
        let second = error_of(&readiness).await;
        let blocked = "no answer within 40 ms: the run before is still blocked";
        assert_eq!(second.as_deref(), Some(blocked));
    });
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    drop(release);
}

#[test]
fn a_run_that_a_blocked_runtime_has_asked_for_still_ends_at_its_time_out() {
    let (clock, blocked) = (clock(), clock());
    let check = Check::new("db", Duration::from_millis(40), pending);
    let (readiness, _driver) = readiness(check, clock.handle().clone(), clock.handle());
    let mut asked = pin!(error_of(&readiness));
    blocked.block_on(poll_fn(|cx| {
        assert!(asked.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    }));
    // From here on nothing runs there.
    let joined = clock.block_on(error_of(&readiness));
    assert_eq!(joined.as_deref(), Some("no answer within 40 ms"));
}

#[tokio::test]
async fn a_run_is_given_up_when_the_shutdown_begins() {
    let check = Check::new("db", Duration::from_secs(3600), pending);
    let (readiness, driver) = here(check);
    let mut asked = pin!(error_of(&readiness));
    poll_fn(|cx| {
        assert!(asked.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    let _driver = driver.lame_duck();
    let error = asked.await;
    assert_eq!(error.as_deref(), Some("given up: the shutdown has begun"));
}

#[test]
fn without_the_applications_runtime_a_check_fails() {
    let main = runtime::Builder::new_current_thread().build().unwrap();
    let check = Check::new("db", Duration::from_secs(1), || async { Ok(()) });
    let here = clock();
    let (readiness, _driver) = readiness(check, main.handle().clone(), here.handle());
    drop(main);
    let error = here.block_on(error_of(&readiness));
    assert_eq!(
        error.as_deref(),
        Some("the application's runtime has ended")
    );
}

#[test]
fn an_error_is_told_with_its_causes_once() {
    let cause = std::io::Error::other("connection refused");
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Outer(&'static str, #[source] std::io::Error);
    let short = Outer("no database", std::io::Error::other("connection refused"));
    assert_eq!(with_causes(&short), "no database: connection refused");
    let full = Outer("no database: connection refused", cause);
    assert_eq!(with_causes(&full), "no database: connection refused");
}
