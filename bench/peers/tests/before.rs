//! What worked before the signal and does not after it is found; what did not work before it ends the run.

mod peer;

use std::time::Duration;

use lameduck_check::{CheckError, Judgement, Plan, RequestTemplate, RunOutcome, Silent, run};

use peer::{faulty, outcome, told};

/// The judgements of a few promises, in order.
fn judged(outcome: &RunOutcome, promises: &[&str]) -> Vec<Judgement> {
    let judgement = |name: &&str| {
        let verdict = outcome.verdict(name);
        verdict.expect("a promise that the prover knows").judgement
    };
    promises.iter().map(judgement).collect()
}

async fn answers_otherwise(fault: &str, says: &str) {
    let outcome = outcome(&faulty(fault)).await;
    assert_eq!(
        judged(&outcome, &["inflight-completes", "keepalive-lossless"]),
        [Judgement::Broken, Judgement::Kept],
        "{fault}\n{}",
        told(&outcome)
    );
    assert!(outcome.tally.changed > 0, "{fault}\n{}", told(&outcome));
    let verdict = outcome.verdict("inflight-completes");
    let evidence = &verdict.expect("it is judged").evidence;
    assert!(
        evidence.iter().all(|it| it.what.contains(says)),
        "{fault} should say {says}\n{}",
        told(&outcome)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn inflight_completes_is_broken_by_routes_that_are_torn_down() {
    answers_otherwise("not-found", "status 404").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inflight_completes_is_broken_by_an_empty_answer() {
    answers_otherwise("empty", "before the signal 4 bytes or more").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inflight_completes_is_broken_by_a_redirect_and_by_too_many_requests() {
    answers_otherwise("redirects", "status 302").await;
    answers_otherwise("too-many", "before the signal 200").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn download_completes_is_broken_by_a_body_without_a_length_that_ends_early() {
    let mut plan = faulty("short-bodies");
    plan.downloads.push(RequestTemplate::get("/raw?ms=1000"));
    let outcome = outcome(&plan).await;
    assert_eq!(
        judged(&outcome, &["download-completes", "inflight-completes"]),
        [Judgement::Broken, Judgement::Kept],
        "{}",
        told(&outcome)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_completes_is_broken_by_a_200_for_half_of_the_body() {
    let mut plan = faulty("short-uploads");
    let body = vec![b'u'; 64 * 1024];
    plan.uploads.push(RequestTemplate::post("/upload", body));
    let outcome = outcome(&plan).await;
    assert_eq!(
        judged(&outcome, &["upload-completes", "inflight-completes"]),
        [Judgement::Broken, Judgement::Kept],
        "{}",
        told(&outcome)
    );
}

/// Expects that the run ends before any signal, and says this.
async fn is_unhealthy(plan: Plan, says: &[&str]) {
    let ended = tokio::time::timeout(Duration::from_secs(30), run(&plan, &Silent));
    let error = match ended.await.expect("it ends soon") {
        Err(error @ (CheckError::Unhealthy { .. } | CheckError::Local(_))) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(outcome) => panic!("{}", told(&outcome)),
    };
    for part in says {
        assert!(error.contains(part), "should say {part}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_always_fails_is_no_fault_of_the_shutdown() {
    let says = ["before any signal, GET /work?ms=20", "status 500"];
    is_unhealthy(faulty("always-errors"), &says).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_at_a_server_that_does_not_speak_it_is_told() {
    let mut plan = faulty("none");
    plan.h2 = true;
    is_unhealthy(plan, &["(h2)", "leave out --h2"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grpc_method_that_always_fails_is_no_fault_of_the_shutdown() {
    let mut plan = peer::plan(env!("CARGO_BIN_EXE_peer-tonic"), &[]);
    plan.get.clear();
    plan.grpc
        .push(RequestTemplate::grpc("shop.v1.Shop/No", b""));
    is_unhealthy(plan, &["/shop.v1.Shop/No (grpc)", "UNIMPLEMENTED"]).await;
    let mut plan = faulty("none");
    plan.grpc
        .push(RequestTemplate::grpc("shop.v1.Shop/No", b""));
    is_unhealthy(plan, &["(grpc)", "speak gRPC"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_never_begins_is_no_fault_of_the_shutdown() {
    let quiet = |program| {
        let mut plan = peer::plan(program, &[]);
        plan.clients.keep_alive = 2;
        plan.clients.pooled = 0;
        plan
    };
    let mut plan = quiet(env!("CARGO_BIN_EXE_peer-axum"));
    plan.event_streams.push(RequestTemplate::get("/nothing"));
    is_unhealthy(plan, &["GET /nothing (events)", "status 404"]).await;
    let mut plan = quiet(env!("CARGO_BIN_EXE_peer-axum"));
    plan.websockets.push("/work".to_owned());
    is_unhealthy(plan, &["--ws /work", "answered 200"]).await;
    let mut plan = quiet(env!("CARGO_BIN_EXE_peer-tonic"));
    plan.get.clear();
    plan.grpc_streams
        .push(RequestTemplate::grpc("shop.v1.Shop/No", b""));
    is_unhealthy(plan, &["/shop.v1.Shop/No (grpc stream)", "UNIMPLEMENTED"]).await;
}
