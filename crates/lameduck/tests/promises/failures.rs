//! `exits-zero` and what it does not say: a failure is told, by name, and costs nobody else
//! anything.

use crate::service::{Ended, Service, Start};

#[track_caller]
fn failed(ended: &Ended, component: &str, error: &str) {
    let line = format!("failed: {component}: {error}");
    assert!(ended.stderr.contains(&line), "{}", ended.stderr);
    let failed = ended.list("failed");
    let found = failed
        .iter()
        .any(|it| it["component"] == component && it["error"] == error);
    assert!(found, "{failed:?}");
}

#[test]
fn exits_zero_when_nothing_was_let_go() {
    let service = Service::plain();
    assert_eq!(service.client().get("/").text(), "hello");
    service.term();
    let ended = service.ended();
    ended.within_grace().exit(0).nothing_let_go();
    assert_eq!(ended.report["reason"], "SIGTERM");
    assert_eq!(ended.report["forced"], false);
}

#[test]
fn a_failing_task_shuts_the_process_down_with_exit_1() {
    let ended = Start::new(&["--fault", "task-fails"]).run();
    ended.exit(1).nothing_let_go();
    failed(&ended, "mailer", "the mail server is gone");
    assert_eq!(ended.report["reason"], "the failure of mailer");
    assert_eq!(ended.list("closed").len(), 2, "every closer had its turn");
}

#[test]
fn a_panicking_task_shuts_the_process_down_with_exit_1() {
    let ended = Start::new(&["--fault", "task-panics"]).run();
    ended.exit(1);
    failed(&ended, "mailer", "panicked: a bug");
}

#[test]
fn a_failing_closer_is_told_with_exit_1() {
    let service = Service::with_fault("closer-fails");
    service.term();
    let ended = service.ended();
    ended.within_grace().exit(1).nothing_let_go();
    failed(&ended, "pool", "redis://…@cache: no route to host");
    assert_eq!(ended.list("closed").len(), 3, "the others had their turn");
}

#[test]
fn a_panicking_closer_is_told_with_exit_1() {
    let service = Service::with_fault("closer-panics");
    service.term();
    let ended = service.ended();
    ended.within_grace().exit(1).nothing_let_go();
    failed(&ended, "pool", "panicked: a bug");
    assert_eq!(ended.list("closed").len(), 3, "the others had their turn");
}

#[test]
fn a_panicking_handler_is_answered_500_and_costs_no_connection() {
    let service = Service::plain();
    let mut client = service.client();
    assert_eq!(client.get("/panic").status, 500);
    assert_eq!(client.get("/").text(), "hello", "the connection is usable");
    service.term();
    let ended = service.ended();
    ended.within_grace().exit(0).nothing_let_go();
    let panicked = ended.list("panicked");
    assert_eq!(panicked.len(), 1);
    assert_eq!(panicked[0]["name"], "GET /panic");
    assert_eq!(panicked[0]["message"], "a bug in the handler");
    let line = "panicked: request GET /panic: a bug in the handler";
    assert!(ended.stderr.contains(line), "{}", ended.stderr);
}

#[test]
fn a_hook_that_hangs_is_told_and_delays_no_more_than_its_bound() {
    let service = Service::with_fault("hook-hangs");
    service.term();
    let ended = service.ended();
    ended.within_grace().exit(0).nothing_let_go();
    let told = ended.list("announced");
    assert_eq!(told[0]["name"], "balancer");
    assert_eq!(told[0]["error"], "not done within 300 ms");
    assert!(ended.stderr.contains("balancer (3"), "{}", ended.stderr);
}

#[test]
fn a_hook_that_fails_is_told_and_stops_nothing() {
    let service = Service::with_fault("hook-fails");
    service.term();
    let ended = service.ended();
    ended.within_grace().exit(0).nothing_let_go();
    assert_eq!(
        ended.list("announced")[0]["error"],
        "http://…@balancer/leave: connection refused"
    );
    let line = "FAILED: http://…@balancer/leave: connection refused";
    assert!(ended.stderr.contains(line), "{}", ended.stderr);
}
