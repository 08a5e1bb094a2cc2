//! What outlives a request: plain axum and plain tonic are found out, and a server that says goodbye keeps its
//! promises.

mod peer;

use std::time::Duration;

use lameduck_check::{Judgement, Plan, RequestTemplate, RunOutcome, Verdict};

use peer::{outcome, plan, told};

/// A plan without plain requests: each test names what it is about.
fn quiet(program: &str) -> Plan {
    let mut plan = plan(program, &[]);
    plan.clients.keep_alive = 4;
    plan.clients.pooled = 2;
    plan.clients.per_request = 1;
    plan.clients.websockets = 30;
    plan.clients.event_streams = 4;
    plan.clients.grpc = 2;
    plan
}

fn verdict<'a>(outcome: &'a RunOutcome, promise: &str) -> &'a Verdict {
    outcome
        .verdict(promise)
        .expect("a promise that the prover knows")
}

/// Broken, and the first piece of evidence says all of this.
fn is_broken(outcome: &RunOutcome, promise: &str, says: &[&str]) {
    let verdict = verdict(outcome, promise);
    assert_eq!(
        verdict.judgement,
        Judgement::Broken,
        "{promise}\n{}",
        told(outcome)
    );
    let what = &verdict.evidence[0].what;
    for part in says {
        assert!(
            what.contains(part),
            "{what} should say {part}\n{}",
            told(outcome)
        );
    }
}

fn is_kept(outcome: &RunOutcome, promise: &str) {
    let verdict = verdict(outcome, promise);
    assert_eq!(
        verdict.judgement,
        Judgement::Kept,
        "{promise}\n{}",
        told(outcome)
    );
}

/// Runs the plan until a round says something of the pace: on a busy machine the prover may itself have stood
/// still for too long, and says so.
async fn paced(plan: &Plan) -> RunOutcome {
    for _ in 0..10 {
        let outcome = outcome(plan).await;
        if verdict(&outcome, "websocket-paced").judgement != Judgement::Skipped {
            return outcome;
        }
    }
    outcome(plan).await
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_closed_and_paced_are_broken_by_plain_axum_that_cuts_them_all_at_its_end() {
    let mut plan = quiet(env!("CARGO_BIN_EXE_peer-axum"));
    plan.websockets.push("/ws".to_owned());
    let outcome = paced(&plan).await;
    is_broken(
        &outcome,
        "websocket-closed",
        &["without a Close", "messages sent"],
    );
    assert_eq!(verdict(&outcome, "websocket-closed").failures, 30);
    is_broken(
        &outcome,
        "websocket-paced",
        &["15 of 30 were sent away within"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sse_ends_is_broken_by_plain_axum_that_waits_for_its_streams_for_ever() {
    let mut plan = quiet(env!("CARGO_BIN_EXE_peer-axum"));
    plan.event_streams.push(RequestTemplate::get("/events"));
    plan.h2 = true;
    plan.grace = Duration::from_secs(1);
    let outcome = outcome(&plan).await;
    is_broken(
        &outcome,
        "sse-ends",
        &["had not ended", "events, the last bytes:", "data: "],
    );
    // Four over HTTP/1.1, two over HTTP/2.
    assert_eq!(verdict(&outcome, "sse-ends").trials, 6);
    is_broken(&outcome, "within-grace", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_lossless_is_broken_by_plain_tonic_that_waits_for_its_streams_for_ever() {
    let mut plan = quiet(env!("CARGO_BIN_EXE_peer-tonic"));
    plan.get.clear();
    plan.grpc
        .push(RequestTemplate::grpc("grpc.health.v1.Health/Check", b""));
    plan.grpc_streams
        .push(RequestTemplate::grpc("grpc.health.v1.Health/Watch", b""));
    plan.grace = Duration::from_secs(1);
    let outcome = outcome(&plan).await;
    is_broken(&outcome, "grpc-lossless", &["had not ended"]);
    is_broken(&outcome, "within-grace", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_lossless_is_kept_by_plain_tonic_as_long_as_nothing_streams() {
    let mut plan = quiet(env!("CARGO_BIN_EXE_peer-tonic"));
    plan.get.clear();
    plan.grpc
        .push(RequestTemplate::grpc("grpc.health.v1.Health/Check", b""));
    // Its answers are quick: most calls are on their way back.
    plan.rtt = Duration::from_millis(40);
    let outcome = outcome(&plan).await;
    is_kept(&outcome, "grpc-lossless");
}

async fn says_goodbye(rtt: Duration) {
    let mut plan = quiet(env!("CARGO_BIN_EXE_peer-goodbye"));
    plan.rtt = rtt;
    plan.h2 = true;
    plan.websockets.push("/ws".to_owned());
    plan.event_streams.push(RequestTemplate::get("/events"));
    plan.grpc
        .push(RequestTemplate::grpc("grpc.health.v1.Health/Check", b""));
    let outcome = paced(&plan).await;
    for promise in [
        "websocket-closed",
        "websocket-paced",
        "sse-ends",
        "grpc-lossless",
    ] {
        is_kept(&outcome, promise);
    }
    assert_eq!(verdict(&outcome, "websocket-closed").trials, 30);
    let sse = &verdict(&outcome, "sse-ends").why;
    assert!(sse.contains("6 of 6 said when to come back"), "{sse}");
    let grpc = &verdict(&outcome, "grpc-lossless").why;
    assert!(grpc.contains("health said NOT_SERVING"), "{grpc}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_goodbye_keeps_what_outlives_a_request_on_the_loopback() {
    says_goodbye(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_goodbye_keeps_what_outlives_a_request_at_40ms_round_trip() {
    says_goodbye(Duration::from_millis(40)).await;
}
