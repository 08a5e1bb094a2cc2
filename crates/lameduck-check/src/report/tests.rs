//! The report exactly as it is printed.

use std::time::Duration;

use super::{Look, Phase, json, table, timeline};
use crate::ledger::specimen::{MadeUp, ledger, round};
use crate::ledger::{Ending, Lane, Parting, Round, RoundKind};
use crate::promise::judge_all;
use crate::rules::Rules;
use crate::run::Outcome;
use crate::trace::RunTrace;

/// What a run with these rounds comes to.
fn judged(target: &str, run: MadeUp) -> Outcome {
    let mut trace = RunTrace::default();
    run.rounds.iter().for_each(|round| trace.see(round, false));
    Outcome {
        target: target.to_owned(),
        rounds: trace.load_rounds().count() as u32,
        seed: 7,
        verdicts: judge_all(&run, &Rules::default()),
        tally: trace.tally(),
        cut_short: None,
        rules: Rules::default(),
        terms: run.terms,
        trace,
    }
}

fn outcome() -> Outcome {
    let mut first = round(RoundKind::Load)
        .with(Lane::KeepAlive, true, -30.0, -10.0, Ending::Ok)
        .with(Lane::Slow, false, -150.0, 850.0, Ending::OkClose)
        .with(Lane::KeepAlive, true, 5.0, 25.0, Ending::OkClose)
        .with(Lane::KeepAlive, true, 9.0, 42.5, Ending::EofBeforeResponse)
        .with(Lane::PerRequest, false, 12.0, 12.5, Ending::Refused)
        .with_connection(Lane::KeepAlive, 42.5, Parting::Fin)
        .with_readiness(&[(-5.0, 200), (5.0, 503)]);
    first.exit.at = first.moment(1303.0);
    let mut second = round(RoundKind::Load).with(Lane::KeepAlive, true, 5.0, 25.0, Ending::OkClose);
    second.number = 2;
    let mut startup = round(RoundKind::Startup).with_exit(4.0, Some(0), None);
    startup.number = 3;
    let mut ledger = ledger(vec![first, second, startup]);
    for round in &mut ledger.rounds {
        round.rtt = Duration::from_millis(2);
    }
    judged("./server --port 8080", ledger)
}

#[test]
fn the_table_is_printed_like_this() {
    insta::assert_snapshot!(table(&outcome(), Look::PLAIN));
}

fn without_colour(coloured: &str) -> String {
    let mut plain = String::new();
    let mut rest = coloured;
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain
}

#[test]
fn colour_changes_nothing_but_the_colour() {
    let coloured = table(
        &outcome(),
        Look {
            color: true,
            ..Look::PLAIN
        },
    );
    assert!(coloured.contains("\x1b["));
    assert_eq!(without_colour(&coloured), table(&outcome(), Look::PLAIN));
}

#[test]
fn the_json_has_every_field_that_pipelines_rely_on() {
    insta::assert_snapshot!(json(&outcome()).unwrap());
}

/// A shutdown of 1.3 s, with a lame-duck phase of half a second.
fn shutdown() -> Round {
    let mut round = round(RoundKind::Load).with_exit(1303.0, Some(0), None);
    let work = |from: i32, to: i32, every: usize| (from..to).step_by(every).map(f64::from);
    for sent in work(-400, 500, 7) {
        round = round
            .with(Lane::PerRequest, false, sent, sent + 21.0, Ending::Ok)
            .with_connection(Lane::PerRequest, sent + 21.0, Parting::Client);
        let opened = round.moment(sent);
        round.connections.last_mut().unwrap().opened = opened;
    }
    for late in work(505, 1300, 11) {
        round = round.with(Lane::PerRequest, false, late, late + 0.5, Ending::Refused);
    }
    for sent in [-200.0, -150.0, -20.0] {
        round = round.with(Lane::Slow, false, sent, sent + 1300.0, Ending::OkClose);
    }
    round = round.with(
        Lane::KeepAlive,
        true,
        560.0,
        580.0,
        Ending::EofBeforeResponse,
    );
    let probe = |good_until: f64| -> Vec<(f64, u16)> {
        let status = |at| if at < good_until { 200 } else { 503 };
        work(-300, 1300, 5).map(|at| (at, status(at))).collect()
    };
    round
        .with_readiness(&probe(3.0))
        .with_liveness(&probe(2000.0))
}

fn drawn(round: Round, look: Look) -> String {
    let phase = |name: &str, lasted| Phase {
        name: name.to_owned(),
        lasted: Duration::from_millis(lasted),
    };
    let phases = [
        phase("lame-duck", 500),
        phase("draining", 798),
        phase("closing", 5),
    ];
    let outcome = judged("./server", ledger(vec![round]));
    timeline(&outcome.terms, &outcome.trace.rounds[0], &phases, look)
}

#[test]
fn the_timeline_is_drawn_like_this() {
    insta::assert_snapshot!(drawn(shutdown(), Look::PLAIN));
}

#[test]
fn the_timeline_begins_with_what_was_seen_last_before_it() {
    let round = shutdown().with_readiness(&[(-900.0, 503), (-800.0, 200), (20.0, 503)]);
    let drawn = drawn(round, Look::PLAIN);
    let row = drawn.lines().find(|line| line.starts_with("readiness"));
    let (ready, not) = row.unwrap().split_once('□').unwrap();
    assert!(ready.starts_with("readiness        ■") && ready.ends_with('■'));
    assert!(!not.contains('■'));
}

#[test]
fn the_timeline_of_a_target_that_dies_at_once_has_room_for_its_marks() {
    let mut round = round(RoundKind::Load)
        .with(Lane::KeepAlive, true, -30.0, -10.0, Ending::Ok)
        .with(
            Lane::KeepAlive,
            true,
            -5.0,
            1.0,
            Ending::ResetBeforeResponse,
        )
        .with_exit(1.0, None, Some(15));
    round.rtt = Duration::from_millis(40);
    let outcome = judged("./server", ledger(vec![round]));
    let round = &outcome.trace.rounds[0];
    insta::assert_snapshot!(timeline(&outcome.terms, round, &[], Look::PLAIN));
}

#[test]
fn the_timeline_fits_into_the_width_in_any_colour() {
    let round = shutdown();
    for width in 60..=200 {
        let plain = Look {
            width,
            color: false,
        };
        let coloured = Look { width, color: true };
        let text = drawn(round.clone(), plain);
        let longest = text.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(usize::from(width)), "{width}:\n{text}");
        assert_eq!(without_colour(&drawn(round.clone(), coloured)), text);
    }
}

#[test]
fn many_rounds_are_told_by_their_range() {
    let zero = [0.3, 0.1, 0.2].map(|seconds| ("exit 0".to_owned(), seconds));
    let exits = zero.into_iter().chain([("killed".to_owned(), 9.0)]);
    let told = [
        "0.100 to 0.300 s, median 0.200 s (exit 0, 3 times)",
        "9.000 s (killed, once)",
    ];
    assert_eq!(table::by_end(exits.collect()), told);
}
