//! What the papers of the shops that are gone prove, and what they show that must not be.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use super::log::What;
use super::worker::{Gone, LetGo};

/// How soon a job that was given back must start at another shop.
const STARTS_WITHIN: Duration = Duration::from_secs(1);

/// A job that a shop could not finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished {
    shop: u32,
    order: i64,
    /// When it was let go or killed.
    since: SystemTime,
    /// How long it has waited for a shop while there was one: from the moment when it was let go
    /// or killed. `None` if it has not started again.
    pub waited: Option<Duration>,
}

/// What must not be, in how a shop ended that was told to.
pub fn of_the_end(gone: &Gone, grace: Duration) -> Vec<String> {
    let mut wrong = Vec::new();
    let shop = format!("shop {}", gone.number);
    if gone.took >= grace {
        wrong.push(format!("{shop} took {:?} of {grace:?} to end", gone.took));
    }
    let Some(report) = &gone.report else {
        let (exit, took) = (gone.exit, gone.took);
        wrong.push(format!(
            "{shop} left no report, exit {exit:?} after {took:?}"
        ));
        return wrong;
    };
    let let_go = &report.let_go;
    match gone.exit {
        Some(0) if let_go.is_empty() => {}
        Some(124) if !let_go.is_empty() && !report.forced => {}
        exit => wrong.push(format!(
            "{shop} ended with {exit:?}, forced: {}, let go: {}",
            report.forced,
            let_go.len()
        )),
    }
    for it in let_go {
        if it.kind != "job" || !it.why.ends_with(", given back") {
            wrong.push(format!("{shop} let go {} {}: {}", it.kind, it.name, it.why));
        } else if order_of(gone, it).is_none() {
            wrong.push(format!(
                "{shop} let go {}, which it has never begun",
                it.name
            ));
        }
    }
    wrong
}

/// The jobs that shops let go, by their reports, when their time for draining was over.
pub fn let_go(gone: &[Gone], drain: Duration) -> Vec<Unfinished> {
    let mut all = Vec::new();
    for shop in gone {
        let report = shop.report.iter().flat_map(|report| &report.let_go);
        for it in report.filter(|it| it.kind == "job") {
            let order = order_of(shop, it);
            all.extend(order.map(|order| unfinished(gone, shop, order, drain)));
        }
    }
    all
}

/// The order whose receipt this job is, by the shop's own log.
fn order_of(shop: &Gone, let_go: &LetGo) -> Option<i64> {
    let (_queue, job) = let_go.name.split_once(' ')?;
    let line = shop.lines.iter().find(|line| line.job == job)?;
    Some(line.order)
}

/// The jobs that ran when shops were killed.
pub fn killed(gone: &[Gone]) -> Vec<Unfinished> {
    let mut all = Vec::new();
    for shop in gone.iter().filter(|it| it.exit.is_none()) {
        let mut running = BTreeSet::new();
        for line in &shop.lines {
            match line.what {
                What::Begun => running.insert(line.order),
                What::Sent => running.remove(&line.order),
            };
        }
        let unfinished = |order| unfinished(gone, shop, order, Duration::ZERO);
        all.extend(running.into_iter().map(unfinished));
    }
    all
}

fn unfinished(gone: &[Gone], shop: &Gone, order: i64, after: Duration) -> Unfinished {
    let since = shop.signalled + after;
    let elsewhere = gone.iter().filter(|it| it.number != shop.number);
    let begun = elsewhere
        .flat_map(|it| &it.lines)
        .filter(|line| line.what == What::Begun && line.order == order && line.at >= since);
    let started = begun.map(|line| line.at).min();
    Unfinished {
        shop: shop.number,
        order,
        since,
        waited: started.map(|at| open_between(gone, since, at)),
    }
}

/// How much of this time there was a shop that takes jobs.
fn open_between(gone: &[Gone], from: SystemTime, to: SystemTime) -> Duration {
    let mut open: Vec<_> = gone
        .iter()
        .map(|shop| (shop.ready.max(from), shop.signalled.min(to)))
        .filter(|(opens, closes)| opens < closes)
        .collect();
    open.sort_unstable();
    let (mut sum, mut until) = (Duration::ZERO, from);
    for (opens, closes) in open {
        let begins = opens.max(until);
        sum += closes.duration_since(begins).unwrap_or_default();
        until = until.max(closes);
    }
    sum
}

/// What must not be, in when jobs that were given back have started elsewhere.
pub fn of_the_given_back(given_back: &[Unfinished]) -> Vec<String> {
    let wrong = given_back.iter().filter_map(|it| {
        let (order, shop) = (it.order, it.shop);
        match it.waited {
            None => Some(format!(
                "the receipt of order {order}, given back by shop {shop}, never started again"
            )),
            Some(waited) if waited >= STARTS_WITHIN => Some(format!(
                "the receipt of order {order}, given back by shop {shop}, started elsewhere after {waited:?}"
            )),
            Some(_) => None,
        }
    });
    wrong.collect()
}

/// What must not be, in which receipts were sent again (order, times sent in all): more often than
/// their jobs were let go.
pub fn of_the_duplicates(sent_again: &[(i64, i64)], let_go: &[Unfinished]) -> Vec<String> {
    let wrong = sent_again.iter().filter_map(|(order, times)| {
        let excused = let_go.iter().filter(|it| it.order == *order).count() as i64;
        (times - 1 > excused).then(|| {
            format!("the receipt of order {order} was sent {times} times, its job let go {excused} times")
        })
    });
    wrong.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::log::Line;
    use crate::jobs::worker::Report;

    fn at(ms: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
    }

    /// A shop that was open from `ready` to `signalled`.
    fn shop(number: u32, ready: u64, signalled: u64) -> Gone {
        Gone {
            number,
            ready: at(ready),
            signalled: at(signalled),
            took: Duration::from_millis(100),
            exit: Some(0),
            report: Some(Report {
                let_go: Vec::new(),
                forced: false,
            }),
            lines: Vec::new(),
        }
    }

    fn lets_go(mut shop: Gone, name: &str, why: &str) -> Gone {
        shop.exit = Some(124);
        let report = shop.report.as_mut().unwrap();
        report.let_go.push(LetGo {
            kind: "job".to_owned(),
            name: name.to_owned(),
            why: why.to_owned(),
        });
        shop
    }

    fn says(mut shop: Gone, ms: u64, what: What, order: i64) -> Gone {
        shop.lines.push(Line {
            at: at(ms),
            what,
            order,
            job: format!("job{order}"),
        });
        shop
    }

    const GIVEN_BACK: &str = "cancelled when the time for draining was over, given back";
    const GRACE: Duration = Duration::from_secs(5);

    #[test]
    fn an_exit_of_124_needs_a_job_that_was_given_back() {
        let fine = shop(1, 0, 9);
        assert!(of_the_end(&fine, GRACE).is_empty());
        let fine = says(shop(1, 0, 9), 5, What::Begun, 7);
        let fine = lets_go(fine, "receipts job7", GIVEN_BACK);
        assert!(of_the_end(&fine, GRACE).is_empty());

        let wrong = lets_go(shop(1, 0, 9), "receipts job7", GIVEN_BACK);
        assert_eq!(of_the_end(&wrong, GRACE).len(), 1, "it has no such job");
        let mut wrong = shop(1, 0, 9);
        wrong.exit = Some(124);
        assert_eq!(of_the_end(&wrong, GRACE).len(), 1);
        let mut wrong = shop(1, 0, 9);
        wrong.took = GRACE;
        assert_eq!(of_the_end(&wrong, GRACE).len(), 1);
        let wrong = lets_go(
            shop(1, 0, 9),
            "receipts job7",
            "cancelled, not given back: gone",
        );
        assert_eq!(of_the_end(&wrong, GRACE).len(), 1);
    }

    #[test]
    fn a_job_waits_only_while_there_is_a_shop() {
        let drain = Duration::from_millis(100);
        let first = says(shop(1, 0, 1_000), 900, What::Begun, 7);
        let first = lets_go(first, "receipts job7", GIVEN_BACK);
        // Gone before it could take the job.
        let second = shop(2, 500, 1_300);
        let third = says(shop(3, 5_000, 9_000), 5_050, What::Begun, 7);
        let jobs = let_go(&[first, second, third], drain);
        // From 1100 to 1300, and from 5000 to 5050.
        assert_eq!(jobs[0].waited, Some(Duration::from_millis(250)));
        assert!(of_the_given_back(&jobs).is_empty());
    }

    #[test]
    fn a_job_that_was_given_back_and_never_starts_is_told() {
        let first = says(shop(1, 0, 1_000), 900, What::Begun, 7);
        let jobs = let_go(
            &[
                lets_go(first, "receipts job7", GIVEN_BACK),
                shop(2, 0, 9_000),
            ],
            Duration::ZERO,
        );
        assert_eq!(of_the_given_back(&jobs).len(), 1);
    }

    #[test]
    fn what_ran_at_a_kill_is_what_has_begun_and_was_not_sent() {
        let mut first = shop(1, 0, 1_000);
        first.exit = None;
        let first = says(says(first, 10, What::Begun, 7), 20, What::Begun, 8);
        let first = says(first, 30, What::Sent, 7);
        let second = says(shop(2, 900, 9_000), 4_000, What::Begun, 8);
        let jobs = killed(&[first, second]);
        assert_eq!(jobs.len(), 1);
        assert_eq!(
            (jobs[0].order, jobs[0].waited),
            (8, Some(Duration::from_secs(3)))
        );
    }

    #[test]
    fn a_duplicate_is_excused_by_a_job_let_go_and_by_nothing_else() {
        let first = says(shop(1, 0, 1_000), 900, What::Begun, 7);
        let first = lets_go(first, "receipts job7", GIVEN_BACK);
        let jobs = let_go(&[first], Duration::ZERO);
        assert!(of_the_duplicates(&[(7, 2)], &jobs).is_empty());
        assert_eq!(of_the_duplicates(&[(7, 3)], &jobs).len(), 1);
        assert_eq!(of_the_duplicates(&[(8, 2)], &jobs).len(), 1);
    }
}
