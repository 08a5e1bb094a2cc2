//! Where `jobs-accounted` and `db-closed` draw their line, on made-up ledgers.

use std::time::Duration;

use crate::books::{Audit, Books};
use crate::database::{BadEnds, Session, Sessions};
use crate::ledger::specimen::{ledger, round};
use crate::ledger::{Ending, Lane, Round, RoundKind};
use crate::rules::Rules;
use crate::verdict::{Judgement, Verdict};

use Judgement::{Broken, Kept, Skipped};

fn verdict(promise: &str, rounds: Vec<Round>) -> Verdict {
    super::judge_all(&ledger(rounds), &Rules::default())
        .into_iter()
        .find(|verdict| verdict.name == promise)
        .unwrap()
}

fn books(orders: u64, receipts: u64, pending: u64, running: u64) -> Books {
    Books {
        orders,
        receipts,
        duplicates: 0,
        pending,
        running,
    }
}

/// A round in which so many orders were acknowledged.
fn orders(acknowledged: usize, opened: Books, closed: Books) -> Round {
    let mut round = round(RoundKind::Load);
    for _ in 0..acknowledged {
        round = round.with(Lane::Order, true, -50.0, -20.0, Ending::Ok);
        round.exchanges.last_mut().unwrap().status = Some(201);
    }
    round.audit = Some(Audit {
        listed: None,
        found: opened,
        opened,
        settling: Duration::ZERO,
        closed: Some(closed),
        goes_on: true,
    });
    round
}

/// The round after it, which had time to finish what was left.
fn settled(found: Books, opened: Books) -> Round {
    let mut round = round(RoundKind::Settle);
    round.audit = Some(Audit {
        listed: None,
        found,
        opened,
        settling: Duration::from_secs(10),
        closed: None,
        goes_on: true,
    });
    round
}

fn accounted(rounds: Vec<Round>) -> (Judgement, u64, u64) {
    let verdict = verdict("jobs-accounted", rounds);
    (verdict.judgement, verdict.trials, verdict.failures)
}

#[test]
fn an_order_is_accounted_for_by_its_receipt_or_by_its_job() {
    let (empty, left) = (books(0, 0, 0, 0), books(5, 3, 2, 0));
    let rounds = vec![orders(5, empty, left), settled(left, books(5, 5, 0, 0))];
    assert_eq!(accounted(rounds), (Kept, 5, 0));
}

#[test]
fn an_order_is_looked_up_by_the_id_it_was_answered_with_if_that_came() {
    let answered = |listed: &[&str], bodies: [Option<&'static str>; 2]| {
        let all = books(2, 2, 0, 0);
        let mut round = orders(2, books(0, 0, 0, 0), all);
        for (order, body) in round.exchanges.iter_mut().zip(bodies) {
            order.body = body.map(Into::into);
        }
        let audit = round.audit.as_mut().unwrap();
        audit.listed = Some(listed.iter().map(|&id| id.to_owned()).collect());
        accounted(vec![round, settled(all, all)])
    };
    let both = [Some(r#"{"id":1}"#), Some(r#"{"id":2}"#)];
    assert_eq!(answered(&["1", "2"], both), (Kept, 2, 0));
    assert_eq!(answered(&["1", "3"], both), (Broken, 2, 1));
    // The answer to the second broke off: which of the two it is, nobody knows.
    let cut = [Some(r#"{"id":1}"#), None];
    assert_eq!(answered(&["1", "2"], cut), (Kept, 2, 0));
}

#[test]
fn an_order_that_was_never_answered_may_be_there_or_not() {
    for there in [5, 6] {
        let closed = books(there, there, 0, 0);
        let round = orders(5, books(0, 0, 0, 0), closed).with(
            Lane::Order,
            true,
            5.0,
            9.0,
            Ending::ResetBeforeResponse,
        );
        assert_eq!(accounted(vec![round, settled(closed, closed)]).0, Kept);
    }
}

#[test]
fn an_acknowledged_order_that_is_not_in_the_books_is_lost() {
    let (before, after) = (books(10, 10, 0, 0), books(13, 13, 0, 0));
    assert_eq!(
        accounted(vec![orders(5, before, after), settled(after, after)]),
        (Broken, 5, 2)
    );
}

#[test]
fn an_order_without_receipt_and_job_has_vanished_once() {
    // Two had vanished in a round before this one: they are not this one's.
    let (before, after) = (books(10, 8, 0, 0), books(15, 11, 1, 0));
    let rounds = vec![
        orders(5, before, after),
        settled(after, books(15, 12, 0, 0)),
    ];
    assert_eq!(accounted(rounds), (Broken, 5, 1));
}

#[test]
fn a_job_held_by_a_dead_process_is_forgiven_if_the_next_start_does_it() {
    let (empty, held) = (books(0, 0, 0, 0), books(5, 4, 0, 1));
    let taken = vec![orders(5, empty, held), settled(held, books(5, 5, 0, 0))];
    assert_eq!(accounted(taken).0, Kept);
    let stuck = vec![orders(5, empty, held), settled(held, held)];
    assert_eq!(accounted(stuck), (Broken, 5, 1));
    // Nobody looks at a next start.
    let mut alone = orders(5, empty, held);
    alone.audit.as_mut().unwrap().goes_on = false;
    assert_eq!(accounted(vec![alone]), (Broken, 5, 1));
}

#[test]
fn books_that_shrink_over_a_start_have_lost_orders() {
    let (empty, full) = (books(0, 0, 0, 0), books(5, 5, 0, 0));
    let verdict = verdict(
        "jobs-accounted",
        vec![orders(5, empty, full), settled(empty, empty)],
    );
    assert_eq!((verdict.judgement, verdict.failures), (Broken, 5));
    assert!(verdict.evidence[0].what.contains("--settle 0s"));
}

#[test]
fn receipts_sent_again_are_counted_and_not_judged() {
    let (empty, left) = (books(0, 0, 0, 0), books(5, 3, 2, 0));
    let again = Books {
        duplicates: 2,
        ..books(5, 5, 0, 0)
    };
    let verdict = verdict(
        "jobs-accounted",
        vec![orders(5, empty, left), settled(left, again)],
    );
    assert_eq!(verdict.judgement, Kept);
    let figures = "2 jobs left to the next start, 2 receipts sent again";
    assert!(verdict.why.contains(figures), "{}", verdict.why);
}

fn sessions(complaints: &[&[&str]]) -> Round {
    let mut round = round(RoundKind::Load);
    let session = |(index, complaints): (usize, &&[&str])| Session {
        pid: 100 + index as i32,
        application: String::new(),
        state: "idle".to_owned(),
        query: "COMMIT".to_owned(),
        last_seen: round.moment(500.0),
        gone: Some(round.moment(510.0)),
        complaints: complaints.iter().map(|&said| said.to_owned()).collect(),
    };
    round.sessions = Some(Sessions {
        sessions: complaints.iter().enumerate().map(session).collect(),
        bad_ends: Some(BadEnds::default()),
        log_unseen: None,
        trouble: None,
    });
    round
}

fn watched(round: &mut Round) -> &mut Sessions {
    round.sessions.as_mut().unwrap()
}

fn closed(round: Round) -> (Judgement, u64, u64) {
    let verdict = verdict("db-closed", vec![round]);
    (verdict.judgement, verdict.trials, verdict.failures)
}

#[test]
fn db_closed_counts_sessions_and_names_those_that_the_log_complains_of() {
    const EOF: &str = "LOG:  unexpected EOF on client connection with an open transaction";
    assert_eq!(closed(sessions(&[&[], &[]])), (Kept, 2, 0));
    let mut cut = sessions(&[&[], &[EOF]]);
    watched(&mut cut).bad_ends = Some(BadEnds {
        abandoned: 1,
        cut: 0,
    });
    let verdict = verdict("db-closed", vec![cut]);
    assert_eq!((verdict.trials, verdict.failures), (2, 1));
    assert_eq!(verdict.evidence[0].r#where, "postgres, session 101");
    assert!(verdict.evidence[0].what.contains("open transaction"));
}

#[test]
fn db_closed_counts_abandoned_sessions_that_the_log_is_silent_about_but_never_more_than_there_were()
{
    let mut silent = sessions(&[&[], &[], &[]]);
    watched(&mut silent).bad_ends = Some(BadEnds {
        abandoned: 2,
        cut: 0,
    });
    assert_eq!(closed(silent.clone()), (Broken, 3, 2));
    watched(&mut silent).bad_ends = Some(BadEnds {
        abandoned: 9,
        cut: 0,
    });
    assert_eq!(closed(silent), (Broken, 3, 3));
}

#[test]
fn db_closed_is_broken_by_a_session_that_outlives_its_process() {
    let mut left = sessions(&[&[], &[]]);
    watched(&mut left).sessions[1].gone = None;
    assert_eq!(closed(left), (Broken, 2, 1));
}

#[test]
fn db_closed_says_what_it_did_not_see() {
    let mut unseen = sessions(&[&[]]);
    watched(&mut unseen).log_unseen = Some("give --postgres-log FILE".to_owned());
    let unseen = verdict("db-closed", vec![unseen]);
    assert_eq!(unseen.judgement, Kept);
    assert!(unseen.why.contains("not seen") && unseen.why.contains("--postgres-log FILE"));
    let mut old = sessions(&[&[]]);
    watched(&mut old).bad_ends = None;
    assert!(verdict("db-closed", vec![old]).why.contains("debug1"));
    assert_eq!(closed(sessions(&[])).0, Skipped);
}
