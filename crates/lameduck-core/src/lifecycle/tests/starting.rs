//! Steps of the start-up that fail.

use super::*;
use crate::{BadConfiguration, StartError};

fn refused() -> std::io::Error {
    std::io::ErrorKind::ConnectionRefused.into()
}

/// An error with a cause.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the shop")]
struct OuterError<E: std::error::Error + 'static>(#[source] E);

#[tokio::test(start_paused = true)]
async fn a_step_that_fails_closes_what_is_open_and_is_told_with_its_cause() {
    let log = Log::default();
    let mut life = Lifecycle::embedded()
        .depends_on("api", "database")
        .close_with("queue", log.close("queue"));
    let step = life.starting("database", async { Err::<(), _>(OuterError(refused())) });
    assert_eq!(step.await, None);
    let next = life.starting("catalogue", async { Never::Ok(()) });
    assert_eq!(next.await, None, "nothing begins after that");
    let (exit, report) = life.run_with_report().await;
    assert_eq!((exit, log.all()), (Exit::FAILED, vec!["queue"]));
    assert_eq!(report.reason, "the failure of database");
    let [failed] = &report.failed[..] else {
        panic!("{:?}", report.failed)
    };
    assert_eq!(failed.component, "database");
    assert_eq!(
        failed.error, "cannot open the shop: connection refused",
        "with its cause"
    );
}

#[tokio::test(start_paused = true)]
async fn a_step_that_panics_is_a_failure_too() {
    let log = Log::default();
    let mut life = Lifecycle::embedded().close_with("queue", log.close("queue"));
    let step = life.starting("database", async {
        if log.all().is_empty() {
            panic!("no pool");
        }
        Never::Ok(())
    });
    assert_eq!(step.await, None);
    let (exit, report) = life.run_with_report().await;
    assert_eq!((exit, log.all()), (Exit::FAILED, vec!["queue"]));
    assert_eq!(report.failed[0].error, "panicked: no pool");
}

#[tokio::test(start_paused = true)]
async fn a_step_that_succeeds_gives_what_it_has_made() {
    let mut life = Lifecycle::embedded();
    let step = async { Ok::<_, std::io::Error>(17) };
    assert_eq!(life.starting("database", step).await, Some(17));
    assert_eq!(
        life.starting_infallible("cache", async { 18 }).await,
        Some(18)
    );
    assert_eq!(shut_down(life).await.0, Exit::CLEAN);
}

#[tokio::test(start_paused = true)]
async fn a_step_can_say_that_the_configuration_is_at_fault() {
    let bad = || BadConfiguration::new("--database x: expected postgres://…");
    let steps: [crate::BoxError; 3] = [
        bad().into(),
        StartError::from(bad()).into(),
        OuterError(bad()).into(),
    ];
    for error in steps {
        let log = Log::default();
        let mut life = Lifecycle::embedded().close_with("queue", log.close("queue"));
        let step = life.starting("database", async { Err::<(), _>(error) });
        assert_eq!(step.await, None);
        let next = life.starting("catalogue", async { Never::Ok(()) });
        assert_eq!(next.await, None, "nothing begins after that");
        let (exit, report) = life.run_with_report().await;
        assert_eq!((exit, log.all()), (Exit::BAD_CONFIGURATION, vec!["queue"]));
        assert!(report.failed[0].error.contains("--database x"), "{report}");
        assert_eq!(report.exit, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_outside_of_a_step_ends_the_start_up_the_same_way() {
    let log = Log::default();
    let life = Lifecycle::embedded().close_with("queue", log.close("queue"));
    let (exit, report) = life.fail("spool", refused()).run_with_report().await;
    assert_eq!((exit, log.all()), (Exit::FAILED, vec!["queue"]));
    assert_eq!(report.failed[0].component, "spool");

    let log = Log::default();
    let life = Lifecycle::embedded().close_with("queue", log.close("queue"));
    let life = life.misconfigured("WORKERS=x: expected a number, for example 4");
    let (exit, report) = life.run_with_report().await;
    assert_eq!((exit, log.all()), (Exit::BAD_CONFIGURATION, vec!["queue"]));
    assert!(report.failed[0].error.starts_with("WORKERS=x"), "{report}");
}
