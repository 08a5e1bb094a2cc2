//! What is flushed last.

use std::io::{Error, Result};
use std::time::Duration;

use lameduck::{Exit, Lifecycle};

use crate::life::{end, reported};

#[tokio::test]
async fn the_report_goes_out_before_telemetry_is_flushed() {
    let life = Lifecycle::embedded()
        .close_with("before the flush", || async { Result::Ok(()) })
        .flush_with("log", || async {
            let said = Error::other("the report was not there to be flushed");
            reported("before the flush").then_some(()).ok_or(said)
        });
    end(life).await.cleanly();
}

#[tokio::test]
async fn a_flusher_that_fails_is_reported_although_the_report_was_out() {
    let life = Lifecycle::embedded()
        .flush_with("log", || async { Result::<()>::Err(Error::other("full")) });
    let ended = end(life).await;
    assert_eq!(ended.exit, Exit::FAILED);
    assert_eq!(ended.error("log").unwrap(), "full");
    assert!(ended.took < Duration::from_secs(1), "{:?}", ended.took);
}
