//! Settings: builder and environment refuse the same values, and an embedded lifecycle asks the environment nothing.

use std::collections::BTreeSet;

use super::*;
use crate::LameDuck;
use crate::environment::Environment;
use crate::environment::address;

/// What the environment says to one variable: whether it is refused.
fn environment_refuses(name: &str, value: &str) -> bool {
    let (_, bad) = crate::environment::tests::parse(&[(name, value)]);
    !bad.is_empty()
}

fn builder_refuses(life: &Lifecycle) -> bool {
    !life.bad.is_empty()
}

/// Both are asked, and agree on what the test expects.
fn agree(name: &str, value: &str, refused: bool, set: impl FnOnce(Lifecycle) -> Lifecycle) {
    let life = set(Lifecycle::embedded());
    assert_eq!(environment_refuses(name, value), refused, "{name}={value}");
    assert_eq!(
        builder_refuses(&life),
        refused,
        "{name} {value}: {:?}",
        life.bad
    );
}

#[tokio::test]
async fn builder_and_environment_refuse_the_same_values() {
    for (value, ms, refused) in [
        ("0s", 0, true),
        ("499ms", 499, true),
        ("500ms", 500, false),
        ("30s", 30_000, false),
        ("1day", 86_400_000, false),
        ("1day 1ms", 86_400_001, true),
    ] {
        let grace = Duration::from_millis(ms);
        agree("LAMEDUCK_GRACE", value, refused, |life| life.grace(grace));
    }
    for (value, lame_duck, refused) in [
        ("auto", LameDuck::Auto, false),
        ("off", LameDuck::Off, false),
        ("0s", LameDuck::from(s(0)), false),
        ("5s", LameDuck::from(s(5)), false),
        ("2s..10s", LameDuck::from(s(2)..s(10)), false),
        ("5s..5s", LameDuck::from(s(5)..s(5)), false),
        ("10s..2s", LameDuck::from(s(10)..s(2)), true),
    ] {
        let set = |life: Lifecycle| life.lame_duck(lame_duck);
        agree("LAMEDUCK_LAME_DUCK", value, refused, set);
    }
    for (value, refused) in [
        ("/up", false),
        ("MyChecker/", false),
        ("/up?x=1", true),
        ("/up/*", true),
    ] {
        let set = |life: Lifecycle| life.probers([value]);
        agree("LAMEDUCK_PROBERS", value, refused, set);
    }
    // In a list a name is missing; two in one are two.
    let set = |life: Lifecycle| life.probers(["/up", ""]);
    agree("LAMEDUCK_PROBERS", "/up,", true, set);
    assert!(builder_refuses(
        &Lifecycle::embedded().probers(["/up,/down"])
    ));
    for (value, refused) in [
        ("TERM", false),
        ("sigusr1", false),
        ("KILL", true),
        ("15", true),
    ] {
        let set = |life: Lifecycle| life.shutdown_signals([value]);
        agree("LAMEDUCK_SIGNALS", value, refused, set);
    }
    for (value, refused) in [("0.0.0.0:9090", false), ("9090", true), ("::1:9090", true)] {
        assert_eq!(environment_refuses("LAMEDUCK_ADMIN", value), refused);
        // What a server for probes looks at its address with.
        assert_eq!(address::check(value).is_err(), refused);
    }
}

#[test]
fn every_variable_has_a_place_in_the_test_above_or_a_reason_not_to() {
    let asked = std::cell::RefCell::new(BTreeSet::new());
    let _ = Environment::parse(|name| {
        asked.borrow_mut().insert(name.to_owned());
        None
    });
    let above = ["GRACE", "LAME_DUCK", "PROBERS", "SIGNALS", "ADMIN"];
    // A file that the code has no word for; a switch that is a bool in code; a duration that may be any.
    let others = ["REPORT", "REPORT_TEXT", "DETAILS", "WEBSOCKET_WINDOW"];
    let known = above
        .iter()
        .chain(&others)
        .map(|it| format!("LAMEDUCK_{it}"));
    let known: BTreeSet<_> = known
        .chain(["KUBERNETES_SERVICE_HOST".to_owned()])
        .collect();
    assert_eq!(asked.into_inner(), known);
}

#[tokio::test]
async fn a_bound_of_zero_is_refused() {
    let none = Duration::ZERO;
    let fine = || async { Never::Ok(()) };
    assert!(builder_refuses(
        &Lifecycle::embedded().check_within("db", none, fine)
    ));
    assert!(builder_refuses(
        &Lifecycle::embedded().announce_within("lb", none, fine)
    ));
    struct Hasty;
    impl crate::Announce for Hasty {
        async fn leaving(&mut self) -> Result<(), crate::BoxError> {
            Ok(())
        }

        fn timeout(&self) -> Duration {
            Duration::ZERO
        }
    }
    assert!(builder_refuses(
        &Lifecycle::embedded().announce("lb", Hasty)
    ));
    let some = Duration::from_millis(1);
    assert!(!builder_refuses(
        &Lifecycle::embedded().check_within("db", some, fine)
    ));
}
