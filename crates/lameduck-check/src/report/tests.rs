//! The report exactly as it is printed.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::{
    CheckReport, FailedRun, Look, TimelinePhase, html, json, json_of_failure, junit,
    junit_of_failure, table, timeline,
};
use quick_xml::events::Event;

use crate::ledger::specimen::{MadeUp, ledger, round};
use crate::ledger::{Ending, Lane, Parting, Round, RoundKind};
use crate::promise::judge_all;
use crate::rules::Rules;
use crate::run::RunOutcome;
use crate::trace::RunTrace;
use crate::verdict::Judgement;

/// What a run with these rounds comes to.
fn judged(target: &str, run: MadeUp) -> RunOutcome {
    let mut trace = RunTrace::default();
    run.rounds.iter().for_each(|round| trace.see(round, false));
    RunOutcome {
        target: target.to_owned(),
        rounds: trace.load_rounds().count() as u32,
        seed: 7,
        verdicts: judge_all(&run, &Rules::default()),
        tally: trace.tally(),
        cut_short: None,
        left_out: Vec::new(),
        ended_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        took: Duration::from_millis(41_234),
        rules: Rules::default(),
        terms: run.terms,
        preset: None,
        trace,
    }
}

#[test]
fn what_is_known_of_a_server_is_said_where_it_breaks_a_promise() {
    let of = |preset: Option<&str>| {
        let outcome = RunOutcome {
            preset: preset.map(str::to_owned),
            ..outcome()
        };
        table(&CheckReport::of(&outcome), Look::PLAIN)
    };
    let fact = "Its sync worker has no persistent connections";
    assert!(of(Some("gunicorn")).contains(fact));
    assert!(!of(Some("nginx")).contains(fact));
    assert!(!of(None).contains(fact));
}

fn report() -> CheckReport {
    let mut report = CheckReport::of(&outcome());
    report.version = "1.2.3".to_owned();
    report
}

fn outcome() -> RunOutcome {
    let mut first = round(RoundKind::Load)
        .with(Lane::KeepAlive, true, -30.0, -10.0, Ending::Ok)
        .with(Lane::Slow, false, -150.0, 850.0, Ending::OkClose)
        .with(Lane::KeepAlive, true, 5.0, 25.0, Ending::OkClose)
        .with(Lane::KeepAlive, true, 9.0, 42.5, Ending::EofBeforeResponse)
        // It still listened.
        .with(Lane::PerRequest, false, 10.0, 11.5, Ending::OkClose)
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
    insta::assert_snapshot!(table(&report(), Look::PLAIN));
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
        &report(),
        Look {
            color: true,
            ..Look::PLAIN
        },
    );
    assert!(coloured.contains("\x1b["));
    assert_eq!(without_colour(&coloured), table(&report(), Look::PLAIN));
}

#[test]
fn the_json_has_every_field_that_pipelines_rely_on() {
    insta::assert_snapshot!(json(&report()).unwrap());
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
    let phase = |name: &str, lasted| TimelinePhase {
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

#[test]
fn a_report_can_be_written_and_read_again() {
    let before = report();
    let read: CheckReport = serde_json::from_str(&json(&before).unwrap()).unwrap();
    assert!(!read.pictures.is_empty());
    assert_eq!(read, before);
    assert_eq!(table(&read, Look::PLAIN), table(&before, Look::PLAIN));
    assert_eq!(html(&read).unwrap(), html(&before).unwrap());
    assert_eq!(junit(&read).unwrap(), junit(&before).unwrap());
}

/// What nobody may take for markup: in a target's name, in a path, in what it said.
const HOSTILE: &str =
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>&\"'\u{1b}[31m\u{0}]]>--!>";

fn hostile() -> CheckReport {
    let mut report = report();
    report.target = HOSTILE.to_owned();
    report.remarks = vec![HOSTILE.to_owned()];
    for promise in &mut report.promises {
        promise.why = HOSTILE.to_owned();
        for evidence in &mut promise.evidence {
            evidence.r#where = HOSTILE.to_owned();
            evidence.what = HOSTILE.to_owned();
        }
    }
    for picture in &mut report.pictures {
        picture.requests.stories.insert(0, HOSTILE.to_owned());
    }
    report
}

#[test]
fn nothing_that_a_target_says_becomes_markup_in_the_page() {
    let page = html(&hostile()).unwrap();
    assert!(
        !page.contains("alert(1)</script>") && !page.contains("<img"),
        "{page}"
    );
    // The page's own three elements, and no more.
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script").count(), 2);
    let data = page.split_once("id=\"data\">").unwrap().1;
    let data = data.split_once("</script>").unwrap().0;
    let read: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(read["target"], HOSTILE);
    assert_eq!(read["pictures"][0]["requests"]["stories"]["0"], HOSTILE);
    assert!(read["explanations"]["keepalive-lossless"]["keep"].is_array());
}

#[test]
fn the_page_has_a_picture_of_a_shutdown_with_its_requests_and_its_story() {
    let report = CheckReport::of(&judged("./server", ledger(vec![shutdown()])));
    let [picture] = &report.pictures[..] else {
        panic!("{:?}", report.pictures)
    };
    assert_eq!(
        picture.loads,
        ["keep-alive", "connection-per-request", "slow"]
    );
    assert_eq!(picture.lost, 1);
    assert_eq!(picture.listener_closed_ms, Some(505.5));
    assert_eq!((picture.exit_ms, picture.exit.as_str()), (1303.0, "exit 0"));
    let requests = &picture.requests;
    assert_eq!(requests.load.len(), requests.took_ms.len());
    let lost = requests.ending.iter().position(|it| *it == 6).unwrap();
    assert_eq!(requests.began_ms[lost], 560.0);
    assert!(
        requests.stories[&lost].starts_with("keep-alive 1, request"),
        "{requests:?}"
    );
    assert!(
        picture
            .readiness
            .iter()
            .any(|(at, is_good)| *at > 0.0 && !is_good)
    );
}

/// The elements of an XML text, each with its attributes; the text has to be well-formed.
fn elements(xml: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut reader = quick_xml::Reader::from_str(xml);
    let mut elements = Vec::new();
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Start(tag) | Event::Empty(tag) => {
                let name = String::from_utf8_lossy(tag.name().as_ref()).into_owned();
                let attributes = tag.attributes().map(|it| {
                    let it = it.expect("an attribute");
                    let key = String::from_utf8_lossy(it.key.as_ref()).into_owned();
                    (key, it.unescape_value().expect("a value").into_owned())
                });
                elements.push((name, attributes.collect()));
            }
            Event::Eof => return elements,
            _ => {}
        }
    }
}

fn named<'a>(
    elements: &'a [(String, BTreeMap<String, String>)],
    name: &'a str,
) -> impl Iterator<Item = &'a BTreeMap<String, String>> {
    elements
        .iter()
        .filter(move |(it, _)| it == name)
        .map(|(_, attributes)| attributes)
}

#[test]
fn the_junit_file_is_printed_like_this() {
    insta::assert_snapshot!(junit(&report()).unwrap());
}

#[test]
fn junit_is_red_where_the_exit_code_is_not_0() {
    let red = |report: &CheckReport| {
        let elements = elements(&junit(report).unwrap());
        let suites: Vec<_> = named(&elements, "testsuite").cloned().collect();
        let sum = |what: &str| {
            suites
                .iter()
                .map(|it| it[what].parse::<usize>().unwrap())
                .sum::<usize>()
        };
        assert_eq!(named(&elements, "failure").count(), sum("failures"));
        assert_eq!(named(&elements, "error").count(), sum("errors"));
        assert_eq!(named(&elements, "skipped").count(), sum("skipped"));
        assert_eq!(named(&elements, "testcase").count(), sum("tests"));
        (sum("failures"), sum("errors"))
    };
    let mut report = report();
    let (failures, errors) = red(&report);
    assert!(failures > 0 && report.exit_code == 1, "{}", report.ruling);
    report.cut_short = Some("round 3 (load): the target ended".to_owned());
    assert_eq!(red(&report), (failures, errors + 1));
    report.cut_short = None;
    // Known, or a convention: shown, and not red.
    report.promises.iter_mut().for_each(|it| it.counts = false);
    assert_eq!(red(&report), (0, 0));
    let open = &mut report.promises[0];
    (open.verdict, open.asked, open.counts) = (Judgement::Undecided, true, true);
    assert_eq!(red(&report), (0, 1));
    report.allow_untested = true;
    assert_eq!(red(&report), (0, 0));
}

#[test]
fn junit_is_well_formed_whatever_a_target_says() {
    let xml = junit(&hostile()).unwrap();
    assert!(!xml.contains('\u{0}') && !xml.contains('\u{1b}'));
    let elements = elements(&xml);
    let target = named(&elements, "property").find(|it| it["name"] == "target");
    let expected = HOSTILE.replace(['\u{0}', '\u{1b}'], "\u{fffd}");
    assert_eq!(target.unwrap()["value"], expected);
}

#[test]
fn a_run_without_a_verdict_is_told_too() {
    let first = &outcome().trace.rounds[0];
    let mut failed = FailedRun::new(
        "the target ended".to_owned(),
        2,
        None,
        Duration::from_secs(3),
    )
    .after(vec![super::RoundReport::of_trace(first)]);
    failed.target = Some("./server".to_owned());
    let told: serde_json::Value = serde_json::from_str(&json_of_failure(&failed).unwrap()).unwrap();
    assert_eq!(told["error"], "the target ended");
    assert_eq!(told["exit_code"], 2);
    assert_eq!(told["took_ms"], 3000.0);
    assert_eq!(told["all_rounds"][0]["exit"], 0);
    let elements = elements(&junit_of_failure(&failed).unwrap());
    assert_eq!(
        named(&elements, "error").next().unwrap()["message"],
        "the target ended"
    );
}
