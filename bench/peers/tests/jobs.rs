//! What becomes of orders and their jobs: a target that loses none is believed, and each way to lose one is found.

mod peer;

use std::path::Path;
use std::time::Duration;

use lameduck_check::{Judgement, Plan, RequestTemplate, RunOutcome, Verdict};

use peer::{outcome, told};

/// Orders for a target that keeps its books in a file; what is printed is the file.
fn plan(fault: &str, folder: &Path) -> Plan {
    let books = folder.join("books.json");
    let books = books.to_str().expect("a folder with a name in letters");
    let arguments = ["--fault", fault, "--grace", "3", "--books", books];
    let mut plan = peer::plan(env!("CARGO_BIN_EXE_peer-faulty"), &arguments);
    plan.get.clear();
    plan.post.push(RequestTemplate::post("/orders", "{}"));
    plan.ledger = Some(vec!["cat".to_owned(), books.to_owned()]);
    plan.grace = Duration::from_secs(3);
    plan
}

fn verdict(outcome: &RunOutcome) -> &Verdict {
    outcome
        .verdict("jobs-accounted")
        .expect("a promise that the prover knows")
}

async fn breaks(plan: Plan, says: &str) {
    let outcome = outcome(&plan).await;
    let verdict = verdict(&outcome);
    assert_eq!(verdict.judgement, Judgement::Broken, "{}", told(&outcome));
    let said = &verdict.evidence[0].what;
    assert!(said.contains(says), "{says}\n{}", told(&outcome));
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_accounted_is_kept_when_what_a_stop_leaves_is_done_by_the_next_start() {
    let folder = folder();
    let mut plan = plan("none", folder.path());
    plan.rounds = 2;
    let outcome = outcome(&plan).await;
    let verdict = verdict(&outcome);
    assert_eq!(verdict.judgement, Judgement::Kept, "{}", told(&outcome));
    assert!(verdict.trials >= 20, "{}", told(&outcome));
    let audits: Vec<_> = outcome
        .trace
        .rounds
        .iter()
        .filter_map(|round| round.audit.as_ref())
        .collect();
    assert_eq!(
        audits.len(),
        3,
        "two under load, one that finishes what was left"
    );
    let left = audits[0].closed.expect("closed after the end");
    assert!(left.pending > 0 && left.running == 0, "{left}");
    assert!(audits[2].opened.is_settled(), "{}", audits[2].opened);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_accounted_is_broken_by_orders_that_were_acknowledged_and_never_entered() {
    let folder = folder();
    breaks(
        plan("loses-orders", folder.path()),
        "acknowledged orders are not in it",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_accounted_is_broken_by_jobs_that_are_forgotten() {
    let folder = folder();
    breaks(plan("drops-jobs", folder.path()), "neither receipt nor job").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_accounted_is_broken_by_a_job_that_stays_with_the_process_that_is_gone() {
    let folder = folder();
    let mut plan = plan("holds-job", folder.path());
    plan.settle = Duration::from_secs(3);
    breaks(plan, "1 running").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_accounted_is_broken_by_a_start_with_empty_books_unless_that_was_said() {
    let folder = folder();
    let mut plan = plan("forgets", folder.path());
    breaks(plan.clone(), "orders gone: it had ").await;
    plan.settle = Duration::ZERO;
    plan.rounds = 2;
    let outcome = outcome(&plan).await;
    assert_eq!(
        verdict(&outcome).judgement,
        Judgement::Kept,
        "{}",
        told(&outcome)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_accounted_is_broken_by_lost_orders_that_unanswered_ones_make_up_for() {
    let folder = folder();
    // By count nothing is missing: as many were entered without an answer.
    breaks(
        plan("swaps-orders", folder.path()),
        "acknowledged orders are not in it: lameduck-",
    )
    .await;
}
