//! Where the promises about event streams and gRPC draw their line, on made-up ledgers.

use crate::ledger::specimen::{ledger, round};
use crate::ledger::{
    Ending, EventStream, Exchange, GrpcStatus, Health, HealthSample, Lane, Round, RoundKind,
};
use crate::rules::Rules;
use crate::verdict::{Judgement, Verdict};

use Judgement::{Broken, Kept, Skipped};

fn verdict(promise: &str, round: Round) -> Verdict {
    super::judge_all(&ledger(vec![round]), &Rules::default())
        .into_iter()
        .find(|verdict| verdict.name == promise)
        .unwrap()
}

/// A round with one request, made up and then changed.
fn with(
    lane: Lane,
    from: f64,
    until: f64,
    ending: Ending,
    change: impl FnOnce(&mut Exchange),
) -> Round {
    let mut round = round(RoundKind::Load).with(lane, false, from, until, ending);
    let answered = round.moment(from + 1.0);
    round.exchanges[0].answered = Some(answered);
    change(&mut round.exchanges[0]);
    round
}

fn events(until: f64, ending: Ending, text: &str) -> Verdict {
    let round = with(Lane::Events, -500.0, until, ending, |exchange| {
        let mut events = EventStream::default();
        events.pass(text.as_bytes());
        exchange.events = Some(Box::new(events));
    });
    verdict("sse-ends", round)
}

#[test]
fn sse_ends_wants_a_boundary_and_tells_of_retry() {
    let kept = events(50.0, Ending::Ok, "data: 1\n\nretry: 500\n\n");
    assert_eq!((kept.judgement, kept.trials), (Kept, 1));
    assert!(
        kept.why.contains("1 of 1 said when to come back"),
        "{}",
        kept.why
    );
    assert!(
        events(50.0, Ending::OkClose, "data: 1\n\n")
            .why
            .contains("0 of 1")
    );
}

#[test]
fn sse_ends_is_broken_by_half_an_event_a_cut_a_hang_and_an_end_past_the_grace() {
    let half = events(50.0, Ending::Ok, "data: 1\n\ndata: 2\n");
    assert_eq!(half.judgement, Broken);
    let what = &half.evidence[0].what;
    assert!(what.contains("middle of an event; 1 events"), "{what}");
    assert!(what.contains(r#""data: 1\n\ndata: 2\n""#), "{what}");
    for ending in [Ending::Truncated, Ending::Timeout] {
        assert_eq!(events(50.0, ending, "data: 1\n\n").judgement, Broken);
    }
    assert_eq!(
        events(31_000.0, Ending::Ok, "data: 1\n\n").judgement,
        Broken
    );
}

#[test]
fn sse_ends_is_about_streams_open_at_the_signal() {
    let before = events(-10.0, Ending::Ok, "data: 1\n\ndata: 2");
    assert_eq!(before.judgement, Skipped);
    assert!(before.why.contains("open at the signal"), "{}", before.why);
}

fn call(lane: Lane, ending: Ending, code: Option<u32>, messages: u64) -> Verdict {
    let round = with(lane, -5.0, 50.0, ending, |exchange| {
        let status = code.map(|code| GrpcStatus {
            code,
            message: String::new(),
            messages,
        });
        exchange.grpc = status.map(Box::new);
    });
    verdict("grpc-lossless", round)
}

#[test]
fn grpc_lossless_takes_any_status_but_unavailable() {
    for code in [0, 5, 13] {
        let kept = call(Lane::Grpc, Ending::Ok, Some(code), 0);
        assert_eq!((kept.judgement, kept.trials), (Kept, 1));
    }
    assert_eq!(
        call(Lane::Grpc, Ending::Status5xx, Some(14), 0).judgement,
        Broken
    );
    assert_eq!(
        call(Lane::Grpc, Ending::Unprocessed, None, 0).judgement,
        Skipped
    );
    for ending in [
        Ending::Truncated,
        Ending::ResetBeforeResponse,
        Ending::Timeout,
    ] {
        assert_eq!(call(Lane::Grpc, ending, None, 0).judgement, Broken);
    }
}

#[test]
fn grpc_lossless_lets_a_stream_that_has_begun_end_unavailable() {
    assert_eq!(
        call(Lane::GrpcStream, Ending::Status5xx, Some(14), 3).judgement,
        Kept
    );
    assert_eq!(
        call(Lane::GrpcStream, Ending::Status5xx, Some(14), 0).judgement,
        Broken
    );
    assert_eq!(
        call(Lane::GrpcStream, Ending::Truncated, Some(0), 3).judgement,
        Broken
    );
}

fn health(samples: &[(f64, Health)]) -> Verdict {
    let mut round = with(Lane::Grpc, -5.0, 50.0, Ending::Ok, |_| {});
    for (at, health) in samples {
        let sample = HealthSample {
            asked: round.moment(*at),
            answered: round.moment(*at + 1.0),
            health: health.clone(),
        };
        round.health.push(sample);
    }
    verdict("grpc-lossless", round)
}

#[test]
fn grpc_lossless_wants_not_serving_as_long_as_health_is_answered() {
    use Health::{Missing, NotServing, Serving, Silent};
    let kept = health(&[(-20.0, Serving), (300.0, Serving), (600.0, NotServing)]);
    assert_eq!((kept.judgement, kept.trials), (Kept, 2));
    assert!(kept.why.contains("NOT_SERVING"), "{}", kept.why);
    let broken = health(&[(-20.0, Serving), (510.0, Serving)]);
    assert_eq!((broken.judgement, broken.failures), (Broken, 1));
    assert_eq!(broken.evidence[0].r#where, "grpc.health.v1.Health/Check");
    let gone = health(&[(-20.0, Serving), (10.0, Silent("refused".to_owned()))]);
    assert_eq!((gone.judgement, gone.trials), (Kept, 1));
    assert!(gone.why.contains("not answered"), "{}", gone.why);
    let missing = health(&[(-20.0, Missing("UNIMPLEMENTED".to_owned()))]);
    assert_eq!((missing.judgement, missing.trials), (Kept, 1));
    assert!(missing.why.contains("left out") && missing.why.contains("UNIMPLEMENTED"));
}
