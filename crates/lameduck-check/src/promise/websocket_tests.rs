//! Where the promises about WebSockets draw their line, on made-up ledgers.

use crate::ledger::specimen::{ledger, round};
use crate::ledger::{Parting, Round, RoundKind, Stall};
use crate::rules::Rules;
use crate::verdict::{Judgement, Verdict};

use Judgement::{Broken, Kept, Skipped, Undecided};

fn verdict(promise: &str, rounds: Vec<Round>) -> Verdict {
    super::judge_all(&ledger(rounds), &Rules::default())
        .into_iter()
        .find(|verdict| verdict.name == promise)
        .unwrap()
}

fn load() -> Round {
    round(RoundKind::Load)
}

/// So many, sent away one after the other.
fn each(pause_ms: f64, count: u32) -> Round {
    (0..count).fold(load(), |round, number| {
        round.with_socket(10.0 + f64::from(number) * pause_ms, 1001)
    })
}

#[test]
fn websocket_closed_takes_1001_and_1012_with_a_handshake() {
    let round = load().with_socket(10.0, 1001).with_socket(20.0, 1012);
    let verdict = verdict("websocket-closed", vec![round]);
    assert_eq!((verdict.judgement, verdict.trials), (Kept, 2));
}

#[test]
fn websocket_closed_names_each_other_end() {
    type Change = fn(&mut crate::ledger::Socket);
    let cases: [(Change, &[&str]); 7] = [
        (
            |socket| socket.close = None,
            &["FIN", "without a Close", "20 messages sent"],
        ),
        (
            |socket| {
                socket.close = None;
                socket.cut = Some("3 bytes of a frame".to_owned());
            },
            &["in the middle of a message (3 bytes of a frame missing)"],
        ),
        (
            |socket| socket.close.as_mut().unwrap().code = Some(1000),
            &["Close 1000 (going)", "expected 1001 or 1012"],
        ),
        (
            |socket| socket.close.as_mut().unwrap().code = None,
            &["Close without a code"],
        ),
        (
            |socket| socket.close.as_mut().unwrap().answered = false,
            &["Close 1001", "before the client's Close"],
        ),
        (
            |socket| socket.parting = Parting::Reset,
            &["Close 1001", "at +40.0 ms", "RST"],
        ),
        (
            |socket| socket.fault = Some("no frame".to_owned()),
            &["broke the protocol: no frame"],
        ),
    ];
    for (change, expected) in cases {
        let mut round = load().with_socket(10.0, 1001);
        change(&mut round.sockets[0]);
        let verdict = verdict("websocket-closed", vec![round]);
        assert_eq!((verdict.judgement, verdict.failures), (Broken, 1));
        let what = &verdict.evidence[0].what;
        for part in expected {
            assert!(what.contains(part), "{what} should say {part}");
        }
    }
}

#[test]
fn websocket_closed_is_about_those_open_at_the_signal() {
    let before = load().with_socket(-10.0, 1000);
    let skipped = verdict("websocket-closed", vec![before]);
    assert_eq!(skipped.judgement, Skipped);
    assert!(skipped.why.contains("open at the signal"));
}

#[test]
fn websocket_paced_is_broken_by_half_of_them_at_once() {
    let at_once = verdict("websocket-paced", vec![each(1.0, 50)]);
    assert_eq!((at_once.judgement, at_once.trials), (Broken, 1));
    assert_eq!(
        at_once.evidence[0].what,
        "25 of 50 were sent away within 24.0 ms"
    );
    assert_eq!(
        verdict("websocket-paced", vec![each(20.0, 50)]).judgement,
        Kept
    );
    // Cut without a Close is sent away too.
    let mut cut = each(1.0, 50);
    cut.sockets
        .iter_mut()
        .for_each(|socket| socket.close = None);
    assert_eq!(verdict("websocket-paced", vec![cut]).judgement, Broken);
}

#[test]
fn websocket_paced_needs_twenty_and_says_so() {
    let few = verdict("websocket-paced", vec![each(20.0, 19)]);
    assert_eq!(few.judgement, Skipped);
    assert!(
        few.why.contains("19 were open") && few.why.contains("--ws-clients 50"),
        "{}",
        few.why
    );
    assert_eq!(
        verdict("websocket-paced", vec![each(20.0, 20)]).judgement,
        Kept
    );
}

#[test]
fn websocket_paced_says_nothing_of_a_target_that_sends_nobody_away() {
    let mut hanging = each(20.0, 30);
    for socket in &mut hanging.sockets {
        (socket.close, socket.parting) = (None, Parting::Client);
    }
    let skipped = verdict("websocket-paced", vec![hanging]);
    assert_eq!(skipped.judgement, Skipped);
    assert!(
        skipped.why.contains("of 30 the target sent 0"),
        "{}",
        skipped.why
    );
}

#[test]
fn websocket_paced_takes_no_busy_machine_for_a_verdict() {
    let stalled = |mut round: Round, from: f64, until: f64| {
        round.stalls.push(Stall {
            from: round.moment(from),
            until: round.moment(until),
        });
        verdict("websocket-paced", vec![round])
    };
    // Seen within 24 ms, after a quarter of a second in which nobody looked.
    let blind = stalled(each(1.0, 50), -240.0, 10.0);
    assert_eq!(blind.judgement, Undecided);
    assert!(blind.why.contains("stood still"), "{}", blind.why);
    // Seen over 120 ms, most of which is the prover's own slowness.
    assert_eq!(stalled(each(5.0, 50), 30.0, 100.0).judgement, Undecided);
    // Elsewhere, or too short to matter, it changes nothing.
    assert_eq!(stalled(each(1.0, 50), -900.0, -600.0).judgement, Broken);
    assert_eq!(stalled(each(1.0, 50), 20.0, 40.0).judgement, Broken);
    assert_eq!(stalled(each(20.0, 50), 300.0, 400.0).judgement, Kept);
}

#[test]
fn websocket_paced_is_not_hidden_by_stragglers() {
    let round = (0..20).fold(each(1.0, 30), |round, number| {
        round.with_socket(3000.0 + f64::from(number) * 100.0, 1001)
    });
    assert_eq!(verdict("websocket-paced", vec![round]).judgement, Broken);
}

#[test]
fn websocket_paced_one_round_at_once_is_enough() {
    let rounds = vec![each(20.0, 50), each(0.5, 50), each(20.0, 50)];
    let verdict = verdict("websocket-paced", rounds);
    assert_eq!(
        (verdict.judgement, verdict.trials, verdict.failures),
        (Broken, 3, 1)
    );
}
