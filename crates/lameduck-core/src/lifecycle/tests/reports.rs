//! Who gets the report.

use std::sync::mpsc;

use super::*;
use crate::report::Report;

/// A hook that sends what it gets.
fn sends() -> (impl Fn(&Report) + Send + Sync + 'static, mpsc::Receiver<u8>) {
    let (sender, receiver) = mpsc::channel();
    (
        move |report: &Report| sender.send(report.exit).unwrap(),
        receiver,
    )
}

#[tokio::test(start_paused = true)]
async fn the_report_is_to_be_had_and_a_hook_gets_the_same() {
    let (hook, got) = sends();
    let life = Lifecycle::embedded()
        .on_report(hook)
        .close_with("pool", || async { Err(std::io::Error::other("gone")) });
    let handle = life.handle();
    handle.shutdown("test");
    let (exit, report) = life.run_with_report().await;
    assert_eq!(
        (exit.code(), report.exit),
        (report.exit, got.try_recv().unwrap())
    );
    assert_eq!(report.closed[0].name, "pool");
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_panics_or_hangs_holds_nothing_up_and_keeps_nothing_from_others() {
    let (hook, got) = sends();
    let (let_on, hangs) = mpsc::channel::<()>();
    let hangs = Mutex::new(hangs);
    let life = Lifecycle::embedded()
        .on_report(|report| assert_eq!(report.exit, 77, "a bug"))
        .on_report(move |_| _ = hangs.lock().unwrap().recv())
        .on_report(hook);
    let handle = life.handle();
    handle.shutdown("test");
    let began = std::time::Instant::now();
    assert_eq!(life.run().await, Exit::CLEAN);
    assert!(began.elapsed() < s(20), "it is waited for at most 1 s");
    assert_eq!(got.recv_timeout(s(30)), Ok(0));
    drop(let_on);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_has_a_report_too() {
    let (hook, got) = sends();
    let life = Lifecycle::embedded().on_report(hook).grace(Duration::ZERO);
    let (exit, report) = life.run_with_report().await;
    assert_eq!((exit, report.exit), (Exit::BAD_CONFIGURATION, 2));
    assert!(report.failed[0].error.contains("a grace of 0s"), "{report}");
    assert_eq!(got.try_recv(), Ok(2));
}

#[tokio::test(start_paused = true)]
async fn what_is_set_wrongly_after_a_step_is_refused_as_well() {
    let mut life = Lifecycle::embedded();
    assert_eq!(
        life.starting_infallible("cache", async { 1 }).await,
        Some(1)
    );
    assert_eq!(
        life.grace(Duration::ZERO).run().await,
        Exit::BAD_CONFIGURATION
    );
}

#[tokio::test]
async fn the_thread_of_a_hook_ends_with_its_lifecycle() {
    struct Gone(mpsc::Sender<()>);
    impl Drop for Gone {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    thread_local!(static OF_THE_THREAD: std::cell::OnceCell<Gone> = const { std::cell::OnceCell::new() });
    let (gone, is_gone) = mpsc::channel();
    let life = Lifecycle::embedded().on_report(move |_| {
        OF_THE_THREAD.with(|it| _ = it.set(Gone(gone.clone())));
    });
    life.handle().shutdown("test");
    assert_eq!(life.run().await, Exit::CLEAN);
    assert_eq!(is_gone.recv_timeout(s(30)), Ok(()));
}

/// A port for probes that nobody asks.
struct FakeAdminPort(Log);

impl crate::AdminPort for FakeAdminPort {
    fn open(
        self: Box<Self>,
        _: crate::Opening<'_>,
    ) -> Result<Box<dyn crate::OpenAdminPort>, crate::StartError> {
        self.0.note("opened");
        Ok(self)
    }
}

impl crate::OpenAdminPort for FakeAdminPort {
    fn addresses(&self) -> Vec<String> {
        Vec::new()
    }

    fn clock(&self) -> tokio::runtime::Handle {
        tokio::runtime::Handle::current()
    }

    fn started(&self) {}

    fn stop(self: Box<Self>) -> crate::base::BoxFuture<()> {
        Box::pin(async move { self.0.note("stopped") })
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_set_wrongly_when_the_probes_answer_is_refused_and_they_are_stopped() {
    let log = Log::default();
    let mut life = Lifecycle::embedded().probes(FakeAdminPort(log.clone()));
    assert_eq!(
        life.starting_infallible("cache", async { 1 }).await,
        Some(1)
    );
    let mut life = life.grace(Duration::ZERO);
    assert_eq!(life.starting_infallible("more", async { 1 }).await, None);
    assert_eq!(life.run().await, Exit::BAD_CONFIGURATION);
    assert_eq!(log.all(), ["opened", "stopped"]);
}
