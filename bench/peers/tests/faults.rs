//! Each way to shut down wrongly is found, under the name of the promise it breaks; and a server without a fault
//! is not accused of any.

mod peer;

use std::time::Duration;

use lameduck_check::{Judgement, Plan, RequestTemplate, Ruling, RunOutcome};

use peer::{faulty, outcome, told};

fn uploads(plan: &mut Plan) {
    plan.uploads
        .push(RequestTemplate::post("/upload", vec![b'u'; 64 * 1024]));
}

async fn breaks(plan: Plan, promise: &str) -> RunOutcome {
    let outcome = outcome(&plan).await;
    let verdict = outcome
        .verdict(promise)
        .expect("a promise that the prover knows");
    assert_eq!(
        verdict.judgement,
        Judgement::Broken,
        "{promise}\n{}",
        told(&outcome)
    );
    assert!(
        !verdict.evidence.is_empty(),
        "{promise} without evidence\n{}",
        told(&outcome)
    );
    outcome
}

async fn keeps_everything(rtt: Duration) {
    let mut plan = faulty("none");
    plan.command
        .extend(["--start-up".to_owned(), "200".to_owned()]);
    plan.rtt = rtt;
    plan.slow.push(RequestTemplate::get("/work?ms=700"));
    plan.downloads.push(RequestTemplate::get("/stream?ms=1000"));
    plan.downloads.push(RequestTemplate::get("/raw?ms=1000"));
    uploads(&mut plan);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let books = folder.path().join("books.json").display().to_string();
    plan.command.extend(["--books".to_owned(), books.clone()]);
    plan.post.push(RequestTemplate::post("/orders", "{}"));
    plan.ledger = Some(vec!["cat".to_owned(), books]);
    plan.rules.strict = true;
    plan.notice = Some(Duration::from_millis(300));
    plan.rounds = 2;
    plan.startup_rounds = 3;
    plan.clients.idle = 12;
    let outcome = outcome(&plan).await;
    assert_eq!(outcome.ruling(), Ruling::Kept, "{}", told(&outcome));
    let skipped: Vec<&str> = outcome
        .verdicts
        .iter()
        .filter(|verdict| verdict.judgement == Judgement::Skipped)
        .map(|verdict| verdict.name)
        .collect();
    assert_eq!(
        skipped,
        [
            "h2-lossless",
            "grpc-lossless",
            "sse-ends",
            "websocket-closed",
            "db-closed",
            "deploy-lossless",
            "deploy-rolls-back",
            "websocket-paced"
        ],
        "{}",
        told(&outcome)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_fault_keeps_every_promise_on_the_loopback() {
    keeps_everything(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_fault_keeps_every_promise_at_40ms_round_trip() {
    keeps_everything(Duration::from_millis(40)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_reset_is_broken_by_a_reset_and_the_request_counts_as_lost() {
    let outcome = breaks(faulty("resets"), "no-reset").await;
    assert!(
        outcome.tally.reset_before_response > 0,
        "{}",
        told(&outcome)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_reset_is_broken_by_resets_at_the_end_of_connections_that_were_said_to_be_closed() {
    let outcome = breaks(faulty("resets-at-exit"), "no-reset").await;
    // Each of its requests was answered whole.
    let kept = outcome.verdict("keepalive-lossless");
    assert_eq!(
        kept.map(|it| it.judgement),
        Some(Judgement::Kept),
        "{}",
        told(&outcome)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keepalive_lossless_is_broken_by_a_close_instead_of_a_response() {
    let outcome = breaks(faulty("closes"), "keepalive-lossless").await;
    assert!(outcome.tally.eof_before_response > 0, "{}", told(&outcome));
}

#[tokio::test(flavor = "multi_thread")]
async fn keepalive_lossless_is_broken_by_closing_idle_connections_at_40ms_round_trip() {
    let mut plan = faulty("closes-idle");
    plan.rtt = Duration::from_millis(40);
    breaks(plan, "keepalive-lossless").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inflight_completes_is_broken_by_half_a_response() {
    let outcome = breaks(faulty("cuts"), "inflight-completes").await;
    assert!(outcome.tally.truncated > 0, "{}", told(&outcome));
}

#[tokio::test(flavor = "multi_thread")]
async fn download_completes_is_broken_by_a_cut_stream() {
    let mut plan = faulty("cuts");
    plan.downloads.push(RequestTemplate::get("/stream?ms=1000"));
    breaks(plan, "download-completes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inflight_completes_and_lame_duck_serves_are_broken_by_status_503() {
    let mut plan = faulty("errors");
    plan.slow.push(RequestTemplate::get("/work?ms=700"));
    let outcome = breaks(plan, "inflight-completes").await;
    assert!(outcome.tally.status_5xx > 0, "{}", told(&outcome));
    assert_eq!(
        outcome
            .verdict("lame-duck-serves")
            .map(|verdict| verdict.judgement),
        Some(Judgement::Broken)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_flips_is_broken_by_readiness_that_never_fails() {
    breaks(faulty("stays-ready"), "ready-flips").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_holds_is_broken_by_liveness_that_fails_with_the_signal() {
    breaks(faulty("not-alive"), "live-holds").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn close_announced_is_broken_by_responses_that_say_nothing_of_it() {
    breaks(faulty("unannounced"), "close-announced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_completes_is_broken_by_a_close_in_the_middle_of_the_body() {
    let mut plan = faulty("drops-uploads");
    uploads(&mut plan);
    breaks(plan, "upload-completes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exits_zero_is_broken_by_exit_code_3() {
    let outcome = breaks(faulty("exit-three"), "exits-zero").await;
    assert_eq!(
        outcome
            .verdict("exits-zero")
            .map(|verdict| verdict.evidence[0].what.as_str()),
        Some("exit code 3")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn within_grace_is_broken_by_a_target_that_does_not_react() {
    let mut plan = faulty("deaf");
    plan.grace = Duration::from_millis(500);
    let outcome = breaks(plan, "within-grace").await;
    assert!(outcome.trace.rounds[0].exit.killed);
    // What the prover itself cut off by killing is not held against the target.
    assert_eq!(outcome.tally.reset_before_response, 0, "{}", told(&outcome));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_outlives_its_grace_is_waited_for_that_long_once() {
    let mut plan = faulty("deaf");
    plan.grace = Duration::from_secs(4);
    plan.rounds = 2;
    let outcome = breaks(plan, "within-grace").await;
    let took = outcome.trace.rounds.iter().map(|it| it.signal_to_exit());
    let took: Vec<Duration> = took.collect();
    assert!(took[0] >= Duration::from_secs(4), "{took:?}");
    assert!(took[1] < Duration::from_secs(4), "{took:?}");
    // What was left so early is held against nobody.
    let within_grace = outcome
        .verdict("within-grace")
        .map(|it| (it.trials, it.failures));
    assert_eq!(within_grace, Some((1, 1)), "{}", told(&outcome));
    assert_eq!(outcome.tally.timeout, 0, "{}", told(&outcome));
    assert!(told(&outcome).contains("was not waited for that long again, in 1 shutdown"));
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_exits_is_broken_by_waiting_for_idle_peers() {
    let mut plan = faulty("hostage");
    plan.clients.idle = 8;
    breaks(plan, "idle-exits").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stuck_told_is_broken_by_silence() {
    let mut plan = faulty("stuck-untold");
    uploads(&mut plan);
    breaks(plan, "stuck-told").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn second_signal_is_broken_by_a_target_that_hears_only_one() {
    let mut plan = faulty("one-signal");
    uploads(&mut plan);
    breaks(plan, "second-signal").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn startup_signal_is_broken_by_an_error_exit_before_ready() {
    let mut plan = faulty("start-up-fails");
    plan.command
        .extend(["--start-up".to_owned(), "300".to_owned()]);
    plan.startup_rounds = 2;
    breaks(plan, "startup-signal").await;
}
