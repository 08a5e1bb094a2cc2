//! What the verdicts come to, in a line each.

use super::check_report::PromiseReport;
use crate::rules::Ruling;
use crate::verdict::{Class, Judgement};

fn count(promises: &[PromiseReport], judgement: Judgement) -> usize {
    promises.iter().filter(|it| it.verdict == judgement).count()
}

/// How many promises were judged how.
pub(super) fn summary(promises: &[PromiseReport]) -> String {
    let broken: Vec<String> = Class::ALL
        .into_iter()
        .filter_map(|class| {
            let of_class = promises.iter().filter(|it| it.class == class);
            match of_class.filter(|it| it.is_broken()).count() {
                0 => None,
                count => Some(format!("{} {count}", class.name())),
            }
        })
        .collect();
    let by_class = match broken.is_empty() {
        true => String::new(),
        false => format!(" ({})", broken.join(", ")),
    };
    let undecided = match count(promises, Judgement::Undecided) {
        0 => String::new(),
        count => format!(", {count} undecided"),
    };
    format!(
        "{} kept, {} broken{by_class}{undecided}, {} not tested",
        count(promises, Judgement::Kept),
        count(promises, Judgement::Broken),
        count(promises, Judgement::Skipped),
    )
}

/// The exit code, and why it is this one.
pub(super) fn ruling(ruling: Ruling, promises: &[PromiseReport]) -> String {
    let named = |is: fn(&PromiseReport) -> bool| {
        let counted = promises.iter().filter(|it| it.counts && is(it));
        let names: Vec<&str> = counted.map(|it| it.name.as_str()).collect();
        names.join(", ")
    };
    let because = match ruling {
        Ruling::Kept if count(promises, Judgement::Broken) > 0 => {
            "what is broken is a convention (--strict counts them) or known".to_owned()
        }
        Ruling::Kept => "nothing that counts was broken".to_owned(),
        Ruling::CutShort => "the run did not come to its end".to_owned(),
        Ruling::Broken(_) => named(PromiseReport::is_broken),
        Ruling::Untested(_) => format!(
            "nothing broken, but asked for and not tried, or undecided: {}",
            named(PromiseReport::is_open)
        ),
    };
    format!("exit {}: {because}", ruling.exit_code())
}
