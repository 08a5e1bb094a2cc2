//! What the prover must find in axum's own graceful shutdown. A prover that finds nothing there is broken.

mod peer;

use std::time::Duration;

use lameduck_check::{Judgement, RequestTemplate};

use peer::{outcome, told};

#[tokio::test(flavor = "multi_thread")]
async fn keepalive_lossless_is_broken_by_axum_at_40ms_round_trip() {
    let mut plan = peer::plan(env!("CARGO_BIN_EXE_peer-axum"), &[]);
    plan.rtt = Duration::from_millis(40);
    plan.rounds = 2;
    let outcome = outcome(&plan).await;
    let verdict = outcome
        .verdict("keepalive-lossless")
        .expect("a promise that the prover knows");
    assert_eq!(verdict.judgement, Judgement::Broken, "{}", told(&outcome));
    assert!(verdict.failures >= 4, "{}", told(&outcome));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_axum_does_right_is_not_held_against_it() {
    let mut plan = peer::plan(env!("CARGO_BIN_EXE_peer-axum"), &[]);
    plan.get.clear();
    plan.slow.push(RequestTemplate::get("/work?ms=900"));
    plan.uploads
        .push(RequestTemplate::post("/upload", vec![b'u'; 64 * 1024]));
    plan.downloads.push(RequestTemplate::get("/stream?ms=1000"));
    plan.h2 = true;
    plan.grace = Duration::from_secs(3);
    let outcome = outcome(&plan).await;
    for promise in [
        "inflight-completes",
        "upload-completes",
        "download-completes",
        "h2-lossless",
        "exits-zero",
    ] {
        let judgement = outcome.verdict(promise).map(|verdict| verdict.judgement);
        assert_eq!(
            judgement,
            Some(Judgement::Kept),
            "{promise}\n{}",
            told(&outcome)
        );
    }
}

/// Only clients that share pools: how long one of their connections has done nothing says nothing about when it
/// will be taken up.
#[tokio::test(flavor = "multi_thread")]
async fn keepalive_lossless_is_broken_by_axum_for_clients_that_share_pools() {
    let mut plan = peer::plan(env!("CARGO_BIN_EXE_peer-axum"), &[]);
    plan.rtt = Duration::from_millis(40);
    plan.rounds = 2;
    plan.clients.keep_alive = 0;
    plan.clients.per_request = 0;
    let outcome = outcome(&plan).await;
    let verdict = outcome
        .verdict("keepalive-lossless")
        .expect("a promise that the prover knows");
    assert_eq!(verdict.judgement, Judgement::Broken, "{}", told(&outcome));
    let all = verdict
        .evidence
        .iter()
        .all(|it| it.r#where.contains("pool"));
    assert!(all, "{}", told(&outcome));
}
