//! Where each promise draws its line, on made-up ledgers.

use std::time::Duration;

use crate::ledger::specimen::{MadeUp, ledger, round};
use crate::ledger::{Ending, Lane, Parting, Round, RoundKind, Stall};
use crate::rules::Rules;
use crate::verdict::{Class, Judgement, Verdict};

use Judgement::{Broken, Kept, Skipped, Undecided};

fn verdict(promise: &str, ledger: &MadeUp) -> Verdict {
    super::judge_all(ledger, &Rules::default())
        .into_iter()
        .find(|verdict| verdict.name == promise)
        .unwrap()
}

fn judged(promise: &str, round: Round) -> (Judgement, u64, u64) {
    let verdict = verdict(promise, &ledger(vec![round]));
    (verdict.judgement, verdict.trials, verdict.failures)
}

fn load() -> Round {
    round(RoundKind::Load)
}

#[test]
fn without_any_round_everything_is_skipped_and_says_what_would_test_it() {
    for verdict in super::judge_all(&ledger(Vec::new()), &Rules::default()) {
        assert_eq!(verdict.judgement, Skipped, "{}", verdict.name);
        assert!(!verdict.why.is_empty(), "{}", verdict.name);
    }
}

/// What is a loss to no promise would be seen by nobody: each promise leaves some of them to the others.
#[test]
fn a_request_that_is_lost_around_the_signal_is_a_loss_to_some_promise() {
    let lanes = [
        Lane::KeepAlive,
        Lane::Pool,
        Lane::PerRequest,
        Lane::Slow,
        Lane::Order,
        Lane::BetweenRequests,
    ];
    let endings = [
        Ending::ResetBeforeResponse,
        Ending::EofBeforeResponse,
        Ending::Truncated,
        Ending::Timeout,
    ];
    let moments = [
        -900.0, -120.0, -60.0, -40.0, -10.0, -3.0, 0.0, 2.0, 30.0, 700.0,
    ];
    for (lane, ending, sent, rtt) in combined(&lanes, &endings, &moments, &[0, 40, 200]) {
        // A slow client and one that makes each time a connection have no kept one; and nothing is kept but to be used again.
        let is_reused = match lane {
            Lane::Slow | Lane::PerRequest => &[false][..],
            Lane::BetweenRequests => &[true],
            _ => &[false, true],
        };
        for &reused in is_reused {
            let mut round = load()
                .with(lane, reused, sent, sent.max(0.0) + 50.0, ending)
                .with_exit(2000.0, Some(0), None);
            round.rtt = Duration::from_millis(rtt);
            let verdicts = super::judge_all(&ledger(vec![round]), &Rules::default());
            let mut losses = verdicts.iter().filter(|it| it.class == Class::Loss);
            assert!(
                losses.any(|it| it.judgement == Broken),
                "{lane} {ending:?}, reused {reused}, sent at {sent} ms, round trip {rtt} ms"
            );
        }
    }
}

/// All combinations.
fn combined<'a>(
    lanes: &'a [Lane],
    endings: &'a [Ending],
    moments: &'a [f64],
    rtts: &'a [u64],
) -> impl Iterator<Item = (Lane, Ending, f64, u64)> + 'a {
    lanes.iter().flat_map(move |lane| {
        endings.iter().flat_map(move |ending| {
            moments
                .iter()
                .flat_map(move |at| rtts.iter().map(move |rtt| (*lane, *ending, *at, *rtt)))
        })
    })
}

#[test]
fn ready_flips_is_about_half_a_second_and_about_what_is_refused_meanwhile() {
    let in_time = load().with_readiness(&[(-5.0, 200), (5.0, 200), (10.0, 503)]);
    assert_eq!(judged("ready-flips", in_time).0, Kept);
    let late = load().with_readiness(&[(-5.0, 200), (499.0, 200), (505.0, 503)]);
    assert_eq!(judged("ready-flips", late).0, Broken);
    let refused_before = load()
        .with(Lane::PerRequest, false, 20.0, 20.5, Ending::Refused)
        .with_readiness(&[(-5.0, 200), (40.0, 200), (45.0, 503)]);
    assert_eq!(judged("ready-flips", refused_before).0, Broken);
    let never_good = load().with_readiness(&[(-5.0, 503), (5.0, 503), (10.0, 503)]);
    assert_eq!(judged("ready-flips", never_good).0, Skipped);
    let gone = load()
        .with_exit(30.0, Some(0), None)
        .with_readiness(&[(-5.0, 200)]);
    assert_eq!(judged("ready-flips", gone).0, Kept);
}

#[test]
fn live_holds_ends_with_the_listener() {
    let after = load()
        .with(Lane::PerRequest, false, 300.0, 300.5, Ending::Refused)
        .with_liveness(&[(5.0, 200), (200.0, 200), (310.0, 503)]);
    assert_eq!(judged("live-holds", after), (Kept, 2, 0));
    let before = load()
        .with(Lane::PerRequest, false, 300.0, 300.5, Ending::Refused)
        .with_liveness(&[(5.0, 200), (200.0, 503)]);
    assert_eq!(judged("live-holds", before), (Broken, 2, 1));
}

#[test]
fn lame_duck_serves_counts_what_begins_between_readiness_and_refusal() {
    let round = load()
        .with_readiness(&[(5.0, 200), (10.0, 503)])
        .with(Lane::PerRequest, false, 8.0, 9.0, Ending::EofBeforeResponse)
        .with(Lane::PerRequest, false, 50.0, 70.0, Ending::OkClose)
        .with(
            Lane::PerRequest,
            false,
            60.0,
            61.0,
            Ending::ResetBeforeResponse,
        )
        .with(Lane::PerRequest, false, 300.0, 300.5, Ending::Refused)
        .with(
            Lane::PerRequest,
            false,
            310.0,
            311.0,
            Ending::ResetBeforeResponse,
        );
    assert_eq!(judged("lame-duck-serves", round), (Broken, 2, 1));
    let without = load().with_readiness(&[(5.0, 503)]).with(
        Lane::PerRequest,
        false,
        3.0,
        3.5,
        Ending::Refused,
    );
    let without = verdict("lame-duck-serves", &ledger(vec![without]));
    assert_eq!(without.judgement, Skipped);
    assert!(
        without.why.contains("LAMEDUCK_LAME_DUCK"),
        "{}",
        without.why
    );
}

#[test]
fn inflight_completes_is_about_what_the_target_had_received() {
    let round = load()
        .with(Lane::Slow, false, -100.0, 900.0, Ending::OkClose)
        .with(
            Lane::Slow,
            false,
            -100.0,
            400.0,
            Ending::ResetBeforeResponse,
        )
        // Crossed the signal: perhaps never received.
        .with(Lane::KeepAlive, true, -1.0, 5.0, Ending::EofBeforeResponse)
        // Later, but its response began.
        .with(Lane::KeepAlive, true, 50.0, 60.0, Ending::Truncated)
        // Sent before the signal; and after it, which is told to go elsewhere.
        .with(Lane::KeepAlive, true, -60.0, 60.0, Ending::Status5xx)
        .with(Lane::KeepAlive, true, 50.0, 60.0, Ending::Status5xx);
    let mut round = round;
    round.exchanges[3].status = Some(200);
    assert_eq!(judged("inflight-completes", round), (Broken, 4, 3));
}

#[test]
fn inflight_completes_asks_for_an_answer_where_half_a_head_had_come_and_the_rest_did_too() {
    let with = |sent: f64, ended: f64, ending| {
        let round = load().with(Lane::HalfHead, false, -200.0, ended, ending);
        let mut round = round.held();
        round.exchanges[0].written = Some(round.moment(sent));
        judged("inflight-completes", round)
    };
    assert_eq!(with(100.0, 130.0, Ending::Ok), (Kept, 1, 0));
    // Asked after the signal, it may be told to go elsewhere.
    assert_eq!(with(100.0, 130.0, Ending::Status5xx), (Kept, 1, 0));
    assert_eq!(
        with(100.0, 130.0, Ending::EofBeforeResponse),
        (Broken, 1, 1)
    );
    // It was not read: the target closed without having looked.
    assert_eq!(with(100.0, 130.0, Ending::ResetBeforeResponse).0, Skipped);
    assert_eq!(with(100.0, 90.0, Ending::Unprocessed).0, Skipped);
    // With distance the end and the rest of the head may have crossed each other.
    let far = |ended: f64| {
        let round = load().with(
            Lane::HalfHead,
            false,
            -200.0,
            ended,
            Ending::EofBeforeResponse,
        );
        let mut round = round.held();
        round.rtt = Duration::from_millis(40);
        round.exchanges[0].written = Some(round.moment(100.0));
        judged("inflight-completes", round)
    };
    assert_eq!(far(130.0).0, Skipped);
    assert_eq!(far(145.0), (Broken, 1, 1));
}

#[test]
fn accept_lossless_is_broken_by_a_reset_of_what_had_come_and_was_not_read() {
    let with = |rtt: u64, ended: f64, ending| {
        let round = load().with(Lane::HalfHead, false, -200.0, ended, ending);
        let mut round = round.held();
        round.rtt = Duration::from_millis(rtt);
        round.exchanges[0].written = Some(round.moment(100.0));
        judged("accept-lossless", round)
    };
    assert_eq!(with(0, 110.0, Ending::ResetBeforeResponse), (Broken, 1, 1));
    assert_eq!(with(40, 145.0, Ending::ResetBeforeResponse), (Broken, 1, 1));
    // They may have crossed each other; and what was read is for `inflight-completes`.
    assert_eq!(with(40, 130.0, Ending::ResetBeforeResponse).0, Skipped);
    assert_eq!(with(0, 110.0, Ending::EofBeforeResponse).0, Skipped);
}

/// Quick requests that took so long before the signal; one on a fresh connection that waited for 900 ms at it, and
/// ended so.
fn queue(took: f64, ending: Ending) -> Round {
    let mut round = load().with(Lane::KeepAlive, false, -5000.0, -4980.0, Ending::Ok);
    for number in 0..10 {
        let sent = -4000.0 + f64::from(number);
        round = round.with(Lane::KeepAlive, true, sent, sent + took, Ending::Ok);
    }
    round
        .with(Lane::KeepAlive, true, -200.0, 100.0, Ending::OkClose)
        .with(Lane::PerRequest, false, -900.0, 50.0, ending)
        .with(
            Lane::KeepAlive,
            true,
            -100.0,
            50.0,
            Ending::ResetBeforeResponse,
        )
        .with(
            Lane::Upload,
            false,
            -100.0,
            50.0,
            Ending::ResetBeforeResponse,
        )
}

#[test]
fn what_a_saturated_target_had_in_its_queue_is_for_accept_lossless() {
    let saturated = ledger(vec![queue(1400.0, Ending::EofBeforeResponse)]);
    let inflight = verdict("inflight-completes", &saturated);
    assert_eq!((inflight.judgement, inflight.trials), (Kept, 1));
    assert!(
        inflight.why.contains("2 more it may never have looked at"),
        "{}",
        inflight.why
    );
    assert_eq!(verdict("upload-completes", &saturated).judgement, Skipped);
    let accept = verdict("accept-lossless", &saturated);
    assert_eq!((accept.judgement, accept.failures), (Broken, 2));
    let kept = verdict("keepalive-lossless", &saturated);
    assert_eq!((kept.judgement, kept.failures), (Broken, 1));

    // One that was seen to be read was in no queue.
    let read = ledger(vec![queue(1400.0, Ending::EofBeforeResponse).held()]);
    assert_eq!(verdict("upload-completes", &read).judgement, Broken);
    assert_eq!(verdict("accept-lossless", &read).failures, 1);

    let at_ease = ledger(vec![queue(30.0, Ending::EofBeforeResponse)]);
    assert_eq!(verdict("inflight-completes", &at_ease).judgement, Broken);
    assert_eq!(verdict("upload-completes", &at_ease).judgement, Broken);
    assert_eq!(verdict("accept-lossless", &at_ease).judgement, Skipped);
}

#[test]
fn a_target_is_saturated_too_where_quick_requests_wait_at_the_signal_that_took_no_time_before() {
    let with = |waited: f64| {
        let mut round = queue(30.0, Ending::EofBeforeResponse);
        for number in 1..10 {
            // Who comes at a constant rate has only just come.
            let sent = f64::from(-number);
            round = round.with(Lane::PerRequest, false, sent, 50.0, Ending::OkClose);
        }
        for _ in 0..5 {
            round = round.with(
                Lane::KeepAlive,
                false,
                -waited,
                50.0,
                Ending::EofBeforeResponse,
            );
        }
        let ledger = ledger(vec![round]);
        let judged = |name| verdict(name, &ledger).judgement;
        (judged("inflight-completes"), judged("accept-lossless"))
    };
    assert_eq!(with(200.0), (Kept, Broken));
    // They had only just come.
    assert_eq!(with(60.0), (Broken, Kept));
}

#[test]
fn a_quick_request_that_was_reset_had_not_been_read() {
    let with = |lane, reused, ending| {
        let round = load().with(lane, reused, -130.0, 40.0, ending);
        let ledger = ledger(vec![round]);
        [
            "inflight-completes",
            "accept-lossless",
            "keepalive-lossless",
        ]
        .map(|name| verdict(name, &ledger).judgement)
    };
    let (reset, fin) = (Ending::ResetBeforeResponse, Ending::EofBeforeResponse);
    let quick = Lane::PerRequest;
    assert_eq!(with(quick, false, reset), [Skipped, Broken, Skipped]);
    assert_eq!(
        with(Lane::KeepAlive, true, reset),
        [Skipped, Skipped, Broken]
    );
    assert_eq!(with(quick, false, fin), [Broken, Skipped, Skipped]);
    // A slow one was at work.
    assert_eq!(with(Lane::Slow, false, reset), [Broken, Skipped, Skipped]);
}

#[test]
fn lame_duck_serves_is_not_about_what_is_lost_when_nobody_can_tell_whether_it_listened() {
    let lost = |connected: f64| {
        let round = load()
            .with_readiness(&[(5.0, 503)])
            .with(
                Lane::PerRequest,
                false,
                connected,
                connected + 20.0,
                Ending::OkClose,
            )
            .with(Lane::KeepAlive, true, 15.0, 30.0, Ending::EofBeforeResponse)
            .with(Lane::PerRequest, false, 40.0, 40.5, Ending::Refused);
        judged("lame-duck-serves", round).0
    };
    assert_eq!(lost(20.0), Broken);
    assert_eq!(lost(10.0), Kept);
}

#[test]
fn how_fast_a_saturated_target_is_in_its_lame_duck_phase_is_undecided() {
    let slow = |took: f64| {
        let round = queue(took, Ending::EofBeforeResponse).with_readiness(&[(-3.0, 503)]);
        let mut round = round.with(Lane::KeepAlive, true, 10.0, 8000.0, Ending::OkClose);
        // Asked for before the signal, answered after it.
        round.readiness[0].answered = round.moment(5.0);
        judged("lame-duck-serves", round.with_exit(9000.0, Some(0), None)).0
    };
    assert_eq!(slow(1400.0), Undecided);
    assert_eq!(slow(30.0), Broken);
}

#[test]
fn a_503_to_what_arrived_with_the_signal_is_honest() {
    let with = |reused, sent: f64| {
        let mut round = load().with(Lane::PerRequest, reused, sent, 5.0, Ending::Status5xx);
        round.rtt = Duration::from_millis(40);
        judged("inflight-completes", round).0
    };
    // It takes 20 ms to get there, and a busy target needs a while to read it.
    assert_eq!(with(true, -21.0), Skipped);
    assert_eq!(with(true, -80.0), Broken);
    // A fresh one may have waited in the queue.
    assert_eq!(with(false, -60.0), Skipped);
    assert_eq!(with(false, -100.0), Broken);
}

#[test]
fn exits_zero_does_not_take_an_end_for_one_on_the_spot_because_of_a_queue() {
    let with = |took: f64| {
        let round = queue(took, Ending::EofBeforeResponse).with_exit(60.0, None, Some(15));
        let mut ledger = ledger(vec![round]);
        ledger.terms.expected_exits = vec![0, 143];
        verdict("exits-zero", &ledger).judgement
    };
    assert_eq!(with(1400.0), Kept);
    assert_eq!(with(30.0), Broken);
}

#[test]
fn inflight_completes_leaves_out_what_was_still_under_way_at_the_signal() {
    let mut ledger = ledger(vec![load().with(
        Lane::KeepAlive,
        true,
        -60.0,
        5.0,
        Ending::EofBeforeResponse,
    )]);
    assert_eq!(verdict("inflight-completes", &ledger).judgement, Broken);
    ledger.rounds[0].rtt = Duration::from_millis(40);
    assert_eq!(verdict("inflight-completes", &ledger).judgement, Skipped);
    assert_eq!(verdict("keepalive-lossless", &ledger).judgement, Broken);
}

#[test]
fn keepalive_lossless_is_about_reused_connections_after_the_signal() {
    let round = load()
        .with(
            Lane::KeepAlive,
            true,
            -50.0,
            -20.0,
            Ending::ResetBeforeResponse,
        )
        .with(
            Lane::KeepAlive,
            false,
            5.0,
            6.0,
            Ending::ResetBeforeResponse,
        )
        .with(Lane::KeepAlive, true, 5.0, 25.0, Ending::OkClose)
        .with(Lane::KeepAlive, true, 9.0, 10.0, Ending::EofBeforeResponse);
    assert_eq!(judged("keepalive-lossless", round), (Broken, 2, 1));
}

#[test]
fn close_announced_leaves_the_target_time_to_notice() {
    let round = load()
        .with(Lane::KeepAlive, true, 145.0, 165.0, Ending::Ok)
        .with(Lane::KeepAlive, true, 160.0, 180.0, Ending::OkClose)
        .with(Lane::H2, true, 160.0, 180.0, Ending::Ok);
    assert_eq!(judged("close-announced", round), (Kept, 1, 0));
    let silent = load().with(Lane::KeepAlive, true, 160.0, 180.0, Ending::Ok);
    assert_eq!(judged("close-announced", silent), (Broken, 1, 1));
}

#[test]
fn live_holds_takes_a_refusal_at_the_service_s_own_port_for_its_end() {
    let mut round = load().with_liveness(&[(5.0, 200), (200.0, 200), (300.0, 200)]);
    round.liveness[2].status = Err("Connection refused".to_owned());
    round.liveness[2].refused = true;
    let mut ledger = ledger(vec![round]);
    assert_eq!(verdict("live-holds", &ledger).judgement, Broken);
    ledger.terms.live_is_served = true;
    assert_eq!(verdict("live-holds", &ledger).judgement, Kept);
}

#[test]
fn a_probe_that_hung_since_before_the_signal_has_flipped_when_it_failed() {
    let mut round = load().with_readiness(&[(-300.0, 200), (-100.0, 200), (900.0, 503)]);
    round.readiness[1].answered = round.moment(890.0);
    round.readiness[1].status = Err("no answer in 1s".to_owned());
    assert_eq!(judged("ready-flips", round).0, Kept);
}

#[test]
fn a_refusal_counts_from_its_answer_and_not_from_the_first_attempt() {
    let repeated = load()
        .with(Lane::PerRequest, false, 100.0, 1101.0, Ending::Refused)
        .with(Lane::PerRequest, false, 1200.0, 1200.2, Ending::Refused);
    let refused = repeated.first_refusal().map(|at| repeated.at_ms(at));
    assert_eq!(refused, Some(1101.0));
}

#[test]
fn accept_lossless_is_about_fresh_connections_around_the_signal() {
    let round = load()
        // In flight long before: not waiting to be accepted.
        .with(Lane::Slow, false, -200.0, 10.0, Ending::ResetBeforeResponse)
        .with(
            Lane::PerRequest,
            false,
            -1.0,
            1.0,
            Ending::ResetBeforeResponse,
        )
        .with(Lane::PerRequest, false, -1.0, 20.0, Ending::Ok)
        .with(Lane::PerRequest, false, 5.0, 5.2, Ending::Refused);
    assert_eq!(judged("accept-lossless", round), (Broken, 2, 1));
}

#[test]
fn no_reset_is_about_well_behaved_clients_after_the_signal() {
    let round = load()
        .with_connection(Lane::KeepAlive, -10.0, Parting::Reset)
        .with_connection(Lane::Loris, 10.0, Parting::Reset)
        .with_connection(Lane::KeepAlive, 10.0, Parting::Fin)
        .with_connection(Lane::Idle, 10.0, Parting::Client);
    assert_eq!(judged("no-reset", round), (Kept, 1, 0));
    let reset = load().with_connection(Lane::Idle, 10.0, Parting::Reset);
    assert_eq!(judged("no-reset", reset), (Broken, 1, 1));
}

#[test]
fn h2_lossless_counts_no_stream_that_was_sent_back() {
    let round = load()
        .with(Lane::H2, true, 5.0, 10.0, Ending::Unprocessed)
        .with(Lane::H2, true, 5.0, 10.0, Ending::Ok)
        .with(Lane::H2, true, 5.0, 10.0, Ending::EofBeforeResponse);
    assert_eq!(judged("h2-lossless", round), (Broken, 2, 1));
}

#[test]
fn a_reset_that_a_late_request_of_a_stopped_prover_earned_is_undecided() {
    let mut round = load()
        .with(Lane::Pool, true, 100.0, 145.0, Ending::ResetBeforeResponse)
        .with_connection(Lane::Pool, 145.5, Parting::Reset);
    round.rtt = Duration::from_millis(40);
    assert_eq!(judged("no-reset", round.clone()).0, Broken);
    let (from, until) = (round.moment(60.0), round.moment(130.0));
    round.stalls.push(Stall { from, until });
    assert_eq!(judged("no-reset", round.clone()).0, Undecided);
    // Another client's lateness is no excuse.
    round.exchanges[0].client = 2;
    assert_eq!(judged("no-reset", round).0, Broken);
}

#[test]
fn what_the_prover_had_no_descriptor_for_leaves_accept_lossless_undecided() {
    let mut short = load().with(Lane::PerRequest, false, 20.0, 30.0, Ending::Ok);
    assert_eq!(judged("accept-lossless", short.clone()).0, Kept);
    short.shortages.push((crate::ledger::NO_DESCRIPTOR, 3));
    assert_eq!(judged("accept-lossless", short.clone()).0, Undecided);
    let lost = short.with(
        Lane::PerRequest,
        false,
        20.0,
        30.0,
        Ending::ResetBeforeResponse,
    );
    assert_eq!(judged("accept-lossless", lost).0, Broken);
}

#[test]
fn idle_exits_counts_from_the_last_real_work() {
    let idle = |exit_ms| {
        round(RoundKind::Idle)
            .with(Lane::PerRequest, false, 2990.0, 3000.0, Ending::OkClose)
            .with_exit(exit_ms, Some(0), None)
    };
    assert_eq!(judged("idle-exits", idle(10_900.0)).0, Kept);
    assert_eq!(judged("idle-exits", idle(11_100.0)).0, Broken);
    // Clients that were answered until the prover sent them away, after the grace of 30 s.
    let deaf = round(RoundKind::Idle)
        .with(Lane::KeepAlive, true, 33_900.0, 33_950.0, Ending::Ok)
        .with_exit(35_000.0, None, Some(9));
    assert_eq!(judged("idle-exits", deaf).0, Skipped);
}

#[test]
fn startup_signal_takes_the_signals_own_effect_for_clean_and_says_so() {
    let clean = round(RoundKind::Startup).with_exit(5.0, Some(0), None);
    let by_default = round(RoundKind::Startup).with_exit(5.0, None, Some(15));
    let verdict = verdict("startup-signal", &ledger(vec![clean, by_default]));
    assert_eq!((verdict.judgement, verdict.trials), (Kept, 2));
    assert!(
        verdict.why.contains("1 of 2 times by the signal itself"),
        "{}",
        verdict.why
    );
    assert_eq!(
        judged(
            "startup-signal",
            round(RoundKind::Startup).with_exit(5.0, Some(1), None)
        )
        .0,
        Broken
    );
    assert_eq!(
        judged(
            "startup-signal",
            round(RoundKind::Startup).with_exit(5.0, None, Some(11))
        )
        .0,
        Broken
    );
}

#[test]
fn within_grace_and_exits_zero_do_not_blame_the_same_thing_twice() {
    let late = || load().with_exit(31_000.0, Some(1), None);
    assert_eq!(judged("within-grace", late()).0, Broken);
    assert_eq!(judged("exits-zero", late()).0, Skipped);
    assert_eq!(
        judged("exits-zero", load().with_exit(100.0, Some(1), None)).0,
        Broken
    );
}

#[test]
fn stuck_told_wants_the_name_and_an_exit_that_is_not_zero() {
    let stuck = |code, said: &str| {
        let mut round = round(RoundKind::Stuck).with_exit(5000.0, Some(code), None);
        round.stuck_path = Some("/upload?x=1".to_owned());
        round.said_after_signal = said.to_owned();
        round
    };
    assert_eq!(
        judged("stuck-told", stuck(124, "let go: POST /upload after 5 s")).0,
        Kept
    );
    assert_eq!(
        judged("stuck-told", stuck(0, "let go: POST /upload after 5 s")).0,
        Broken
    );
    assert_eq!(judged("stuck-told", stuck(124, "bye")).0, Broken);
}

#[test]
fn second_signal_wants_the_third_to_end_it_and_lets_the_second_hurry() {
    let repeated = |signals: &[f64], exit_ms, code| {
        round(RoundKind::SecondSignal)
            .with_signals(signals)
            .with_connection(Lane::Upload, exit_ms, Parting::Fin)
            .with_exit(exit_ms, Some(code), None)
    };
    let three = [0.0, 300.0, 600.0];
    assert_eq!(
        judged("second-signal", repeated(&three, 610.0, 143)).0,
        Kept
    );
    assert_eq!(
        judged("second-signal", repeated(&three, 610.0, 0)).0,
        Broken
    );
    assert_eq!(
        judged("second-signal", repeated(&three, 1700.0, 143)).0,
        Broken
    );
    assert_eq!(
        judged("second-signal", repeated(&[0.0, 300.0], 400.0, 124)).0,
        Kept
    );
    assert_eq!(
        judged("second-signal", repeated(&[0.0, 300.0], 400.0, 0)).0,
        Broken
    );
    assert_eq!(
        judged("second-signal", repeated(&[0.0], 100.0, 0)).0,
        Skipped
    );
}

#[test]
fn second_signal_accuses_nobody_who_had_no_work_left() {
    let answered = |signals: &[f64], answered_ms, exit_ms| {
        round(RoundKind::SecondSignal)
            .with_signals(signals)
            .with(Lane::Slow, false, -100.0, answered_ms, Ending::OkClose)
            .with_connection(Lane::Slow, answered_ms, Parting::Client)
            .with_exit(exit_ms, Some(0), None)
    };
    let three = [0.0, 300.0, 600.0];
    // Over before the third, or so close to it that the end was on its way.
    for (answered_ms, exit_ms) in [(550.0, 602.0), (610.0, 612.0), (550.0, 2000.0)] {
        let verdict = verdict(
            "second-signal",
            &ledger(vec![answered(&three, answered_ms, exit_ms)]),
        );
        assert_eq!(verdict.judgement, Skipped);
        assert!(verdict.why.contains("longer than a second"));
    }
    // All was answered before the second.
    let verdict = verdict(
        "second-signal",
        &ledger(vec![answered(&[0.0], 100.0, 110.0)]),
    );
    assert_eq!(verdict.judgement, Skipped);
    assert!(verdict.why.contains("longer than a second"));
    // All was answered between the second and the end.
    assert_eq!(
        judged("second-signal", answered(&[0.0, 300.0], 350.0, 352.0)).0,
        Skipped
    );
    // Deaf to the third: it went on until all was answered.
    assert_eq!(
        judged("second-signal", answered(&three, 900.0, 910.0)).0,
        Broken
    );
    // Cut when the second came, gone after the third: nothing was in flight any more.
    let cut = round(RoundKind::SecondSignal)
        .with_signals(&three)
        .with_connection(Lane::Upload, 310.0, Parting::Fin)
        .with_exit(605.0, Some(124), None);
    assert_eq!(judged("second-signal", cut).0, Skipped);
    // Cut by the first: there was nothing left for the second to hurry.
    let dropped = round(RoundKind::SecondSignal)
        .with_signals(&[0.0, 300.0])
        .with_connection(Lane::Upload, 5.0, Parting::Fin)
        .with_exit(400.0, Some(0), None);
    assert_eq!(judged("second-signal", dropped).0, Skipped);
}

#[test]
fn exits_zero_takes_a_status_that_is_expected_but_no_end_on_the_spot() {
    let drained = || {
        load()
            .with(Lane::Slow, false, -100.0, 900.0, Ending::OkClose)
            .with_exit(1000.0, None, Some(15))
    };
    let expecting = |codes: &[i32], round: Round| {
        let mut ledger = ledger(vec![round]);
        ledger.terms.expected_exits = codes.to_vec();
        verdict("exits-zero", &ledger)
    };
    assert_eq!(expecting(&[0, 143], drained()).judgement, Kept);
    let unexpected = expecting(&[0], drained());
    assert_eq!(unexpected.judgement, Broken);
    assert!(unexpected.evidence[0].what.contains("--expect-exit 0,143"));
    let on_the_spot = load()
        .with(Lane::Slow, false, -100.0, 3.0, Ending::EofBeforeResponse)
        .with_exit(2.0, None, Some(15));
    let on_the_spot = expecting(&[0, 143], on_the_spot);
    assert_eq!(on_the_spot.judgement, Broken);
    assert!(on_the_spot.evidence[0].what.contains("on the spot"));
    // With nothing in flight there was nothing to drain.
    let empty = load().with_exit(2.0, None, Some(15));
    assert_eq!(expecting(&[0, 143], empty).judgement, Kept);
}

#[test]
fn what_the_prover_s_own_stalls_may_have_caused_is_undecided() {
    let stalled = |mut round: Round, from: f64, until: f64| {
        round.stalls.push(Stall {
            from: round.moment(from),
            until: round.moment(until),
        });
        round
    };
    let far = |rtt: u64| {
        let mut round = load().with(Lane::KeepAlive, true, 50.0, 90.0, Ending::EofBeforeResponse);
        round.rtt = Duration::from_millis(rtt);
        round
    };
    // Over a distance the prover brings the FIN: it may have been late.
    assert_eq!(judged("keepalive-lossless", far(40)).0, Broken);
    let late = stalled(far(40), 5.0, 48.0);
    assert_eq!(judged("keepalive-lossless", late).0, Undecided);
    // Without, the kernel is asked. A stall elsewhere changes nothing.
    let asked = stalled(far(0), 10.0, 40.0);
    assert_eq!(judged("keepalive-lossless", asked).0, Broken);
    let elsewhere = stalled(far(40), 200.0, 400.0);
    assert_eq!(judged("keepalive-lossless", elsewhere).0, Broken);
    // One that is too short to have held up the FIN for so long.
    let short = stalled(far(40), 20.0, 32.0);
    assert_eq!(judged("keepalive-lossless", short).0, Broken);
    // One loss that is in no doubt is enough.
    let both = stalled(far(40), 5.0, 48.0).with(
        Lane::KeepAlive,
        true,
        500.0,
        540.0,
        Ending::EofBeforeResponse,
    );
    let both = verdict("keepalive-lossless", &ledger(vec![both]));
    assert_eq!(
        (both.judgement, both.failures, both.undecided),
        (Broken, 1, 1)
    );

    // What is never answered crosses nothing.
    let mut never = stalled(far(40), 10.0, 40.0);
    never.exchanges[0].ending = Ending::Timeout;
    assert_eq!(judged("keepalive-lossless", never).0, Broken);

    // A connection attempt is the kernel's, which asks on meanwhile.
    let silent = || {
        let began = load().with_exit(5000.0, Some(0), None);
        began.with(Lane::PerRequest, false, 50.0, 3050.0, Ending::Unanswered)
    };
    let busy = stalled(silent(), 100.0, 150.0);
    assert_eq!(judged("accept-lossless", busy).0, Broken);
    let stopped = stalled(silent(), 100.0, 2100.0);
    assert_eq!(judged("accept-lossless", stopped).0, Undecided);

    let flips = || load().with_readiness(&[(-5.0, 200), (5.0, 200), (620.0, 503)]);
    assert_eq!(judged("ready-flips", flips()).0, Broken);
    assert_eq!(
        judged("ready-flips", stalled(flips(), 10.0, 610.0)).0,
        Undecided
    );
    let grace = || load().with_exit(31_000.0, Some(0), None);
    assert_eq!(judged("within-grace", grace()).0, Broken);
    assert_eq!(
        judged("within-grace", stalled(grace(), 29_000.0, 30_900.0)).0,
        Undecided
    );
}
