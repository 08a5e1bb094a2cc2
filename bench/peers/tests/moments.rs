//! The moments at which a signal can catch a connection: each is reached before the signal, a server that does right at all of
//! them is accused of nothing, and one that is wrong at a single one is found out by the clients that were there.

mod peer;

use std::time::Duration;

use lameduck_check::ledger::{Lane, Round};
use lameduck_check::wire::Reach;
use lameduck_check::{Judgement, Plan, RequestTemplate, RunOutcome};

use peer::{faulty, outcome_and_rounds, told};

/// Requests for every moment, and few clients beside those.
fn moments(fault: &str) -> Plan {
    let mut plan = faulty(fault);
    plan.get = vec![
        RequestTemplate::get("/work?ms=5"),
        RequestTemplate::get("/big"),
    ];
    plan.slow.push(RequestTemplate::get("/work?ms=700"));
    plan.downloads.push(RequestTemplate::get("/stream?ms=1000"));
    plan.uploads
        .push(RequestTemplate::post("/upload", vec![b'u'; 64 * 1024]));
    plan.rules.only = JUDGED.map(str::to_owned).into();
    plan.clients.keep_alive = 2;
    plan.clients.pooled = 0;
    plan.clients.per_request = 1;
    plan
}

/// The promises that the moments are judged under.
const JUDGED: [&str; 4] = [
    "inflight-completes",
    "keepalive-lossless",
    "upload-completes",
    "download-completes",
];

fn are_held(rounds: &[Round], lanes: &[(Lane, usize)]) {
    for round in rounds {
        for &(lane, count) in lanes {
            let of_lane = round.exchanges.iter().filter(|it| it.lane == lane);
            let held = of_lane
                .filter_map(|it| it.held)
                .filter(|held| held.reach == Reach::Read && held.at <= round.signalled());
            assert_eq!(held.count(), count, "{lane}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_moment_is_reached_before_the_signal_near_and_far() {
    for rtt in [0, 40].map(Duration::from_millis) {
        let mut plan = moments("none");
        plan.rtt = rtt;
        let (outcome, rounds) = outcome_and_rounds(&plan).await;
        for name in JUDGED {
            let judgement = outcome.verdict(name).map(|it| it.judgement);
            assert_eq!(judgement, Some(Judgement::Kept), "{}", told(&outcome));
        }
        are_held(
            &rounds,
            &[
                (Lane::Silent, 5),
                (Lane::HalfHead, 5),
                (Lane::BetweenRequests, 5),
                (Lane::Unread, 5),
                (Lane::HeadSent, 5),
                (Lane::Upload, 5),
                (Lane::Download, 5),
                (Lane::Slow, 10),
            ],
        );
    }
}

/// Wrong at one moment: the promise is broken, and each piece of evidence is of a client that was there.
async fn is_wrong_at(fault: &str, promise: &str, lane: Lane) -> RunOutcome {
    is_wrong_from(fault, promise, lane, Duration::ZERO).await
}

/// The same, over a round trip.
async fn is_wrong_from(fault: &str, promise: &str, lane: Lane, rtt: Duration) -> RunOutcome {
    let mut plan = moments(fault);
    plan.rtt = rtt;
    let (outcome, _) = outcome_and_rounds(&plan).await;
    for name in JUDGED {
        let expected = match name == promise {
            true => Judgement::Broken,
            false => Judgement::Kept,
        };
        let judgement = outcome.verdict(name).map(|it| it.judgement);
        assert_eq!(judgement, Some(expected), "{name}\n{}", told(&outcome));
    }
    let verdict = outcome.verdict(promise).expect("it is judged");
    let of_lane = |it: &&lameduck_check::Evidence| it.lane.as_deref() == Some(&lane.to_string());
    assert!(
        verdict.evidence.iter().any(|it| of_lane(&it)),
        "{}",
        told(&outcome)
    );
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn inflight_completes_is_broken_by_dropping_who_was_connected_and_silent() {
    is_wrong_at("drops-silent", "inflight-completes", Lane::Silent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inflight_completes_is_broken_by_dropping_half_heads() {
    is_wrong_at("drops-half-heads", "inflight-completes", Lane::HalfHead).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inflight_completes_is_broken_by_throwing_away_what_was_not_read() {
    is_wrong_at("drops-unread", "inflight-completes", Lane::Unread).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keepalive_lossless_is_broken_by_dropping_the_next_request_of_a_kept_connection() {
    // Without a round trip a client that a busy machine stops behind its last byte may take the end for one that came before it.
    let rtt = Duration::from_millis(40);
    is_wrong_from(
        "drops-kept",
        "keepalive-lossless",
        Lane::BetweenRequests,
        rtt,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_completes_is_broken_by_dropping_bodies_of_which_the_head_had_come() {
    is_wrong_at("drops-heads", "upload-completes", Lane::HeadSent).await;
}

/// axum and tonic, which speak HTTP/2 and WebSocket.
fn over_http2(program: &str) -> Plan {
    let mut plan = peer::plan(program, &[]);
    plan.h2 = true;
    plan.slow.push(RequestTemplate::get("/work"));
    plan.websockets.push("/ws".to_owned());
    plan.rules.only = ["h2-lossless", "websocket-closed"]
        .map(str::to_owned)
        .into();
    plan.clients.keep_alive = 2;
    plan.clients.pooled = 0;
    plan.clients.per_request = 1;
    plan.clients.websockets = 10;
    plan
}

fn websockets_are_held(rounds: &[Round]) {
    for round in rounds {
        let held = round.sockets.iter().filter_map(|it| it.held);
        let held = held.filter(|held| held.reach == Reach::Read && held.at <= round.signalled());
        assert_eq!(held.count(), 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preface_and_half_of_a_websocket_message_are_reached_before_the_signal() {
    let plan = over_http2(env!("CARGO_BIN_EXE_peer-goodbye"));
    let (outcome, rounds) = outcome_and_rounds(&plan).await;
    for name in ["h2-lossless", "websocket-closed"] {
        let judgement = outcome.verdict(name).map(|it| it.judgement);
        assert_eq!(judgement, Some(Judgement::Kept), "{}", told(&outcome));
    }
    are_held(&rounds, &[(Lane::H2Preface, 5), (Lane::H2, 4)]);
    websockets_are_held(&rounds);
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_closed_is_broken_by_a_cut_in_the_middle_of_a_message() {
    let plan = over_http2(env!("CARGO_BIN_EXE_peer-axum"));
    let (outcome, rounds) = outcome_and_rounds(&plan).await;
    websockets_are_held(&rounds);
    let verdict = outcome.verdict("websocket-closed").expect("it is judged");
    assert_eq!(verdict.judgement, Judgement::Broken, "{}", told(&outcome));
    let mut evidence = verdict.evidence.iter();
    assert!(
        evidence.any(|it| it
            .what
            .ends_with("half of a message had come before the signal")),
        "{}",
        told(&outcome)
    );
}
