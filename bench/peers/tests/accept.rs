//! Arrivals: what is a refusal and what is none, and that they go on whatever becomes of those before them.

mod peer;

use std::time::Duration;

use lameduck_check::Judgement;
use lameduck_check::ledger::Lane;

use peer::{faulty, outcome, outcome_and_rounds, told};

#[tokio::test(flavor = "multi_thread")]
async fn accept_lossless_is_broken_by_a_listener_that_stays_and_accepts_nobody() {
    let mut plan = faulty("full-queue");
    peer::with_grace(&mut plan, 8);
    // Its queue has room for the first hundred.
    plan.clients.per_request = 20;
    let (outcome, rounds) = outcome_and_rounds(&plan).await;
    let verdict = outcome.verdict("accept-lossless").expect("it is judged");
    assert_eq!(verdict.judgement, Judgement::Broken, "{}", told(&outcome));
    assert!(outcome.tally.unanswered > 0, "{}", told(&outcome));
    // Nobody was refused before the listener was gone.
    let round = &rounds[0];
    let refused = round.first_refusal().map(|at| round.at_ms(at));
    assert!(
        refused.is_none_or(|at_ms| at_ms > 4000.0),
        "{refused:?}\n{}",
        told(&outcome)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn arrivals_do_not_wait_for_the_answers_of_a_target_that_slows_down() {
    let (outcome, rounds) = outcome_and_rounds(&faulty("slows")).await;
    let round = &rounds[0];
    let begun = |from_ms: f64, until_ms: f64| {
        let arrivals = round.exchanges.iter().filter(|exchange| {
            let at_ms = round.at_ms(exchange.intended);
            exchange.lane == Lane::PerRequest && (from_ms..until_ms).contains(&at_ms)
        });
        arrivals.count()
    };
    let (before, after) = (begun(-250.0, 0.0), begun(0.0, 250.0));
    assert!(
        before > 20 && after * 10 > before * 7,
        "{before} before the signal, {after} after it\n{}",
        told(&outcome)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn notice_served_is_broken_by_who_turns_clients_away_before_the_surroundings_notice() {
    for (fault, notice, expected) in [
        ("none", 3000, Judgement::Broken),
        ("none", 300, Judgement::Kept),
        // A 503 is a refusal too.
        ("errors", 300, Judgement::Broken),
    ] {
        let mut plan = faulty(fault);
        plan.notice = Some(Duration::from_millis(notice));
        let outcome = outcome(&plan).await;
        let judged = outcome.verdict("notice-served").map(|it| it.judgement);
        assert_eq!(
            judged,
            Some(expected),
            "{fault} {notice}\n{}",
            told(&outcome)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lame_duck_serves_is_broken_by_answers_that_take_far_longer_than_before() {
    let outcome = outcome(&faulty("slows")).await;
    let verdict = outcome.verdict("lame-duck-serves").expect("it is judged");
    assert_eq!(verdict.judgement, Judgement::Broken, "{}", told(&outcome));
    assert!(
        verdict.evidence[0]
            .what
            .contains("before the signal it took"),
        "{}",
        told(&outcome)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn accept_lossless_is_broken_by_connections_that_are_reset_before_or_behind_connect() {
    for fault in ["resets-accepted", "drops-queue"] {
        let outcome = outcome(&faulty(fault)).await;
        let verdict = outcome.verdict("accept-lossless").expect("it is judged");
        assert_eq!(
            verdict.judgement,
            Judgement::Broken,
            "{fault}\n{}",
            told(&outcome)
        );
        assert!(
            outcome.tally.reset_before_response > 0,
            "{fault}\n{}",
            told(&outcome)
        );
    }
}
