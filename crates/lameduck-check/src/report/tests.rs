//! The report exactly as it is printed.

use std::time::Duration;

use super::{Look, json, table};
use crate::ledger::specimen::{ledger, round};
use crate::ledger::{Ending, Lane, Parting, RoundKind, Tally};
use crate::promise::judge_all;
use crate::run::Outcome;

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
    Outcome {
        target: "./server --port 8080".to_owned(),
        rounds: 2,
        seed: 7,
        verdicts: judge_all(&ledger),
        tally: Tally::of(ledger.load_rounds()),
        ledger,
    }
}

#[test]
fn the_table_is_printed_like_this() {
    insta::assert_snapshot!(table(&outcome(), Look::PLAIN));
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
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    assert_eq!(plain, table(&outcome(), Look::PLAIN));
}

#[test]
fn the_json_has_every_field_that_pipelines_rely_on() {
    insta::assert_snapshot!(json(&outcome()).unwrap());
}
