//! Components that are added while the process runs, and those that are restarted.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::base::BoxError;
use crate::component::{Component, Running, Start, StartError};
use crate::{BadConfiguration, NotStarted, Phase, Restarting};

type Work = Box<dyn FnOnce(Handle) -> Running + Send>;

/// A component that does this.
struct TestComponent {
    name: &'static str,
    listens: bool,
    check: Result<(), BadConfiguration>,
    start: Result<(), StartError>,
    work: Work,
}

impl TestComponent {
    fn new<F>(name: &'static str, work: impl FnOnce(Handle) -> F + Send + 'static) -> TestComponent
    where
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        TestComponent {
            name,
            listens: false,
            check: Ok(()),
            start: Ok(()),
            work: Box::new(|handle| Box::pin(work(handle))),
        }
    }

    /// One that ends when the shutdown begins.
    fn content(name: &'static str) -> TestComponent {
        TestComponent::new(name, |handle| async move {
            handle.until_lame_duck().await;
            Ok(())
        })
    }
}

impl Component for TestComponent {
    fn name(&self) -> &str {
        self.name
    }

    fn listens(&self) -> bool {
        self.listens
    }

    fn check(&self) -> Result<(), BadConfiguration> {
        self.check.clone()
    }

    fn start(self: Box<Self>, start: Start<'_>) -> Result<Running, StartError> {
        self.start?;
        if self.listens {
            start.listens_on(self.name, format!("{} lives here", self.name));
        }
        Ok((self.work)(start.handle().clone()))
    }
}

/// Runs a life without anything in it; its handle, once it is ready.
async fn ready(life: Lifecycle) -> (Handle, tokio::task::JoinHandle<(Exit, Report)>) {
    let handle = life.handle();
    let running = tokio::spawn(life.run_with_report());
    handle.phases().reached(Phase::Ready).await;
    (handle, running)
}

/// Polls for it, for at most a minute of the paused clock.
async fn until(holds: impl Fn() -> bool) {
    for _ in 0..60_000 {
        if holds() {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    panic!("it never came to that");
}

#[tokio::test(start_paused = true)]
async fn what_is_added_is_drained_like_what_was_there_from_the_start() {
    let log = Log::default();
    let (handle, running) =
        ready(Lifecycle::embedded().close_with("pool", log.close("pool"))).await;
    let noted = log.clone();
    let part = TestComponent::new("tenant", |handle| async move {
        handle.until_lame_duck().await;
        sleep(s(2)).await;
        noted.note("tenant");
        Ok(())
    });
    assert_eq!(handle.start(part), Ok(()));
    let began = Instant::now();
    handle.shutdown("test");
    let (exit, _) = running.await.unwrap();
    assert_eq!((exit, began.elapsed().as_secs()), (Exit::CLEAN, 2));
    assert_eq!(log.all(), ["tenant", "pool"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_added_and_never_ends_is_named_and_bounded() {
    let (handle, running) = ready(Lifecycle::embedded()).await;
    assert_eq!(
        handle.start(TestComponent::new("tenant", |_| pending())),
        Ok(())
    );
    let began = Instant::now();
    handle.shutdown("test");
    let (exit, report) = running.await.unwrap();
    assert_eq!((exit, began.elapsed().as_secs()), (Exit::LET_GO, 25));
    let [it] = &report.let_go[..] else {
        panic!("{report}")
    };
    assert_eq!((&*it.kind, &*it.name), ("component", "tenant"));
}

#[tokio::test(start_paused = true)]
async fn a_component_that_is_in_no_ledger_and_never_ends_is_named() {
    let life = Lifecycle::embedded().component(TestComponent::new("feed", |_| pending()));
    let (exit, report, _) = shut_down(life).await;
    assert_eq!((exit, report.let_go.len()), (Exit::LET_GO, 1));
    assert_eq!(&*report.let_go[0].name, "feed");
}

#[tokio::test(start_paused = true)]
async fn the_failure_of_what_is_added_shuts_the_process_down() {
    let (handle, running) = ready(Lifecycle::embedded()).await;
    let part = TestComponent::new("tenant", |_| async { Err("no such tenant".into()) });
    assert_eq!(handle.start(part), Ok(()));
    let (exit, report) = running.await.unwrap();
    assert_eq!(
        (exit, &*report.reason),
        (Exit::FAILED, "the failure of tenant")
    );
    assert_eq!(
        handle.start(TestComponent::content("late")),
        Err(NotStarted::ShuttingDown)
    );
}

#[tokio::test(start_paused = true)]
async fn what_comes_before_the_start_or_after_the_end_is_refused() {
    let life = Lifecycle::embedded();
    let handle = life.handle();
    assert_eq!(
        handle.start(TestComponent::content("early")),
        Err(NotStarted::NotRunning)
    );
    let (handle, running) = ready(life).await;
    handle.shutdown("test");
    // At once, before anybody else has had a turn.
    assert_eq!(
        handle.start(TestComponent::content("late")),
        Err(NotStarted::ShuttingDown)
    );
    assert_eq!(running.await.unwrap().0, Exit::CLEAN);
    assert_eq!(
        handle.start(TestComponent::content("late")),
        Err(NotStarted::ShuttingDown)
    );
}

#[tokio::test(start_paused = true)]
async fn what_does_not_start_changes_nothing() {
    let (handle, running) = ready(Lifecycle::embedded()).await;
    let bad = BadConfiguration::new("a tenant without a name");
    let mut part = TestComponent::content("tenant");
    part.check = Err(bad.clone());
    assert_eq!(handle.start(part), Err(NotStarted::Refused(bad.into())));
    let gone = StartError::failed("no such broker");
    let mut part = TestComponent::content("tenant");
    (part.start, part.listens) = (Err(gone.clone()), true);
    assert_eq!(handle.start(part), Err(NotStarted::Refused(gone)));
    let mut part = TestComponent::content("tenant");
    part.listens = true;
    assert_eq!(handle.start(part), Ok(()), "its name is free");
    handle.shutdown("test");
    assert_eq!(running.await.unwrap().0, Exit::CLEAN);
}

#[tokio::test(start_paused = true)]
async fn a_server_has_its_name_and_address_for_as_long_as_it_runs() {
    let server = |work: TestComponent| TestComponent {
        listens: true,
        ..work
    };
    let life = Lifecycle::embedded().component(server(TestComponent::content("api")));
    let (handle, running) = ready(life).await;
    let taken = NotStarted::NameTaken("api".to_owned());
    assert_eq!(
        handle.start(server(TestComponent::content("api"))),
        Err(taken)
    );
    let (end, is_to_end) = tokio::sync::oneshot::channel::<()>();
    let short = TestComponent::new("extra", |_| async move {
        let _ = is_to_end.await;
        Ok(())
    });
    assert_eq!(handle.start(server(short)), Ok(()));
    assert!(handle.address("extra").is_some());
    drop(end);
    until(|| handle.address("extra").is_none()).await;
    assert_eq!(
        handle.start(server(TestComponent::content("extra"))),
        Ok(())
    );
    handle.shutdown("test");
    assert_eq!(running.await.unwrap().0, Exit::CLEAN);
}

/// Each `start` while a shutdown begins on another thread is either refused, or drained.
#[test]
fn whatever_the_moment_an_addition_is_refused_or_drained() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    for _ in 0..50 {
        runtime.block_on(async {
            let (handle, running) = ready(Lifecycle::embedded()).await;
            let ended = Arc::new(AtomicU32::new(0));
            let adds = {
                let (handle, ended) = (handle.clone(), ended.clone());
                tokio::spawn(async move {
                    let mut accepted = 0;
                    loop {
                        let ended = ended.clone();
                        let part = TestComponent::new("tenant", |handle| async move {
                            handle.until_draining().await;
                            ended.fetch_add(1, Ordering::SeqCst);
                            Ok(())
                        });
                        match handle.start(part) {
                            Ok(()) => accepted += 1,
                            Err(e) => {
                                assert_eq!(e, NotStarted::ShuttingDown);
                                return accepted;
                            }
                        }
                        tokio::task::yield_now().await;
                    }
                })
            };
            tokio::task::yield_now().await;
            handle.shutdown("test");
            let accepted = adds.await.unwrap();
            assert_eq!(running.await.unwrap().0, Exit::CLEAN);
            assert_eq!(ended.load(Ordering::SeqCst), accepted);
        });
    }
}

/// One that fails at once for so often, and is content after that.
fn fails(
    times: u32,
) -> (
    impl FnMut() -> TestComponent + Send + 'static,
    Arc<AtomicU32>,
) {
    let made = Arc::new(AtomicU32::new(0));
    let counts = made.clone();
    let make = move || {
        let nth = counts.fetch_add(1, Ordering::SeqCst);
        TestComponent::new("prices", move |handle| async move {
            match nth < times {
                true if nth == 1 => panic!("a bug"),
                true => Err("the broker hung up".into()),
                false => {
                    handle.until_lame_duck().await;
                    Ok(())
                }
            }
        })
    };
    (make, made)
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_is_started_anew_after_growing_pauses_and_told() {
    let (make, made) = fails(3);
    let life = Lifecycle::embedded().component(Restarting::new(make));
    let (handle, running) = ready(life).await;
    let began = Instant::now();
    until(|| made.load(Ordering::SeqCst) == 4).await;
    let took = began.elapsed().as_millis();
    // 200 + 400 + 800 ms, of which chance takes at most a half.
    assert!((700..=1410).contains(&took), "{took} ms");
    handle.shutdown("test");
    let (exit, report) = running.await.unwrap();
    assert_eq!((exit, report.restarted_total), (Exit::CLEAN, 3));
    let errors: Vec<_> = report.restarted.iter().map(|it| &*it.error).collect();
    let expected = [
        "the broker hung up",
        "panicked: a bug",
        "the broker hung up",
    ];
    assert_eq!(errors, expected);
    assert!(
        report
            .to_string()
            .contains("restarted: prices: panicked: a bug"),
        "{report}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_too_often_in_a_row_has_failed() {
    let (make, made) = fails(u32::MAX);
    let life = Lifecycle::embedded().component(Restarting::new(make).at_most(4));
    let (exit, report) = life.run_with_report().await;
    assert_eq!((exit, made.load(Ordering::SeqCst)), (Exit::FAILED, 5));
    assert_eq!(
        report.failed[0].error,
        "restarted 4 times in a row, and failed again: the broker hung up"
    );
    assert_eq!(report.reason, "the failure of prices");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_steady_in_between_never_fails_for_good() {
    let made = Arc::new(AtomicU32::new(0));
    let counts = made.clone();
    let make = move || {
        counts.fetch_add(1, Ordering::SeqCst);
        TestComponent::new("prices", |handle| async move {
            tokio::select! {
                () = sleep(s(60)) => Err("the broker hung up".into()),
                () = handle.until_lame_duck() => Ok(()),
            }
        })
    };
    let life = Lifecycle::embedded().component(Restarting::new(make).at_most(1));
    let (handle, running) = ready(life).await;
    sleep(s(3600)).await;
    assert!(made.load(Ordering::SeqCst) > 50);
    handle.shutdown("test");
    let (exit, _) = running.await.unwrap();
    assert_eq!(exit, Exit::CLEAN);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_during_a_pause_ends_it() {
    let (make, made) = fails(u32::MAX);
    let restarting = Restarting::new(make).pauses(s(100)..s(1000));
    let (handle, running) = ready(Lifecycle::embedded().component(restarting)).await;
    sleep(s(1)).await;
    let began = Instant::now();
    handle.shutdown("test");
    let (exit, _) = running.await.unwrap();
    assert_eq!((exit, began.elapsed().as_secs()), (Exit::CLEAN, 0));
    assert_eq!(made.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_restarted_once_the_shutdown_has_begun() {
    let made = Arc::new(AtomicU32::new(0));
    let counts = made.clone();
    let make = move || {
        counts.fetch_add(1, Ordering::SeqCst);
        TestComponent::new("prices", |handle| async move {
            handle.until_lame_duck().await;
            Err("the broker hung up".into())
        })
    };
    let life = Lifecycle::embedded().component(Restarting::new(make));
    let (exit, report, _) = shut_down(life).await;
    assert_eq!((exit, made.load(Ordering::SeqCst)), (Exit::FAILED, 1));
    assert_eq!(report.restarted_total, 0);
}

#[tokio::test(start_paused = true)]
async fn the_first_start_is_no_restart_and_later_ones_are() {
    let mut nth = 0;
    let make = move || {
        nth += 1;
        let mut part = TestComponent::new("prices", |_| async { Err("the broker hung up".into()) });
        part.start = match nth {
            1 => Ok(()),
            _ => Err(StartError::failed("no route to host")),
        };
        part
    };
    let life = Lifecycle::embedded().component(Restarting::new(make).at_most(2));
    let (exit, report) = life.run_with_report().await;
    assert_eq!((exit, report.restarted_total), (Exit::FAILED, 2));
    assert!(
        report.failed[0].error.ends_with("no route to host"),
        "{report}"
    );

    let make = || TestComponent {
        start: Err(StartError::failed("no route to host")),
        ..TestComponent::content("prices")
    };
    let life = Lifecycle::embedded().component(Restarting::new(make));
    let (exit, report) = life.run_with_report().await;
    assert_eq!((exit, report.restarted_total), (Exit::FAILED, 0));
    assert_eq!(report.failed[0].error, "no route to host");
}

#[tokio::test(start_paused = true)]
async fn one_that_can_be_restarted_can_be_added() {
    let (handle, running) = ready(Lifecycle::embedded()).await;
    let (make, made) = fails(1);
    assert_eq!(handle.start(Restarting::new(make)), Ok(()));
    until(|| made.load(Ordering::SeqCst) == 2).await;
    handle.shutdown("test");
    assert_eq!(running.await.unwrap().0, Exit::CLEAN);
    let (make, _) = fails(1);
    let bad = Restarting::new(make).pauses(s(2)..s(1));
    let (exit, _) = Lifecycle::embedded().component(bad).run_with_report().await;
    assert_eq!(exit, Exit::BAD_CONFIGURATION);
}
