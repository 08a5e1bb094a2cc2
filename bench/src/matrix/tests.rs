//! What holds of the faults whatever the prover says of them.

use std::collections::BTreeSet;

use lameduck_check::Rules;

use super::case::Case;
use super::fault::{At, Situation};
use super::faults::FAULTS;
use crate::planted::Planted;

#[test]
fn every_promise_has_a_fault_that_breaks_it_and_every_break_is_of_a_promise() {
    let known: BTreeSet<&str> = Rules::known().into_iter().collect();
    let broken: BTreeSet<&str> = FAULTS
        .iter()
        .flat_map(|fault| fault.breaks.iter().map(|it| it.promise))
        .collect();
    let without: Vec<_> = known.difference(&broken).collect();
    assert!(without.is_empty(), "no fault breaks {without:?}");
    let unknown: Vec<_> = broken.difference(&known).collect();
    assert!(unknown.is_empty(), "no promise is called {unknown:?}");
}

#[test]
fn every_promise_is_broken_at_any_distance_by_some_fault() {
    for promise in Rules::known() {
        let mut faults = FAULTS.iter().flat_map(|fault| &fault.breaks);
        let anywhere = faults.any(|it| it.promise == promise && it.at == At::Anywhere);
        assert!(anywhere, "{promise} is broken over a round trip alone");
    }
}

#[test]
fn every_break_has_its_reason_and_is_named_once() {
    for fault in FAULTS.iter() {
        let mut named = BTreeSet::new();
        for it in &fault.breaks {
            let is_sentence = it.because.ends_with('.') && it.because.split(' ').count() > 1;
            assert!(is_sentence, "{}: {}", fault.name, it.because);
            assert!(
                named.insert(it.promise),
                "{}: {} twice",
                fault.name,
                it.promise
            );
        }
        let is_unhealthy = !fault.unhealthy.is_empty();
        assert!(
            !is_unhealthy || named.is_empty(),
            "{} has no verdicts",
            fault.name
        );
    }
}

#[test]
fn every_server_has_a_case_without_a_fault_and_no_two_cases_are_called_the_same() {
    let names: Vec<String> = Case::all().map(Case::name).collect();
    let different: BTreeSet<&String> = names.iter().collect();
    assert_eq!(different.len(), names.len());
    for server in [Planted::Rust, Planted::Python, Planted::Node, Planted::Shop] {
        let mut right = Case::all().filter(|case| case.server == server);
        let is_right = |case: Case| {
            let is_plain = case.fault.situation == Situation::Shutdown;
            case.fault.breaks.is_empty() && case.fault.unhealthy.is_empty() && is_plain
        };
        assert!(right.any(is_right), "{}", server.name());
    }
}
