//! `second-signal`: a second signal hurries, a third ends it.

use std::time::Duration;

use rustix::process::Signal;

use crate::client::Client;
use crate::service::{Service, Start, until};

/// A service with a long grace, and a lame-duck phase that only a second signal ends soon.
fn patient() -> Service {
    Start::new(&[])
        .env("LAMEDUCK_GRACE", "30s")
        .env("LAMEDUCK_LAME_DUCK", "15s")
        .serve()
}

/// Sends a signal and waits until the process has taken note of it: signals that are pending
/// together are one signal.
fn send(service: &Service, signal: Signal, phase: &str) {
    service.signal(signal);
    service.phase(phase);
}

fn working(service: &Service, path: &str) -> Client {
    let mut client = service.client();
    client.ask(path);
    service.in_flight("request", &format!("GET {path}"), 1);
    client
}

#[test]
fn second_signal_skips_the_lame_duck_phase_and_loses_nothing() {
    let service = patient();
    let mut client = working(&service, "/work?ms=500");
    send(&service, Signal::TERM, "lame-duck");
    send(&service, Signal::TERM, "draining");
    assert_eq!(client.answer().text(), "done");
    let ended = service.ended();
    ended.exit(0).nothing_let_go();
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
    assert_eq!(ended.report["signals"], 2);
}

#[test]
fn second_signal_third_ends_it_at_once_with_143_and_a_report() {
    let service = patient();
    let _client = working(&service, "/never");
    send(&service, Signal::TERM, "lame-duck");
    send(&service, Signal::TERM, "draining");
    service.term();
    let ended = service.ended();
    ended.exit(143).let_go("request", "GET /never");
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
    assert!(ended.stderr.contains("a third signal"), "{}", ended.stderr);
    assert_eq!(ended.report["forced"], true);
}

#[test]
fn second_signal_third_ctrl_c_ends_it_with_130() {
    let service = patient();
    let _client = working(&service, "/never");
    send(&service, Signal::TERM, "lame-duck");
    send(&service, Signal::INT, "draining");
    service.signal(Signal::INT);
    let ended = service.ended();
    ended.exit(130).let_go("request", "GET /never");
}

#[test]
fn second_signal_third_ends_it_when_every_runtime_thread_is_blocked() {
    let mut service = patient();
    let mut clients = [service.client(), service.client()];
    for client in &mut clients {
        client.ask("/block");
    }
    service.in_flight("request", "GET /block", 2);
    // Signals that are pending together become one, so send until three were heard.
    until("the end", || {
        service.term();
        (!service.is_running()).then_some(())
    });
    service.ended().exit(143).let_go("request", "GET /block");
}

#[test]
fn ctrl_c_skips_the_lame_duck_phase() {
    let service = patient();
    service.signal(Signal::INT);
    let ended = service.ended();
    ended.exit(0).nothing_let_go();
    assert_eq!(ended.report["reason"], "SIGINT");
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
    assert!(ended.lasted("lame-duck") < Duration::from_millis(500));
}

#[test]
fn two_signals_in_one_breath_lose_nothing() {
    let service = Start::new(&[]).env("LAMEDUCK_LAME_DUCK", "300ms").serve();
    let mut client = working(&service, "/work?ms=600");
    // One signal or two, whatever the kernel makes of them.
    service.term();
    service.term();
    assert_eq!(client.answer().text(), "done");
    let ended = service.ended();
    ended.within_grace().exit(0).nothing_let_go();
}

#[test]
fn a_drain_request_is_no_signal_so_the_next_one_hurries_nobody() {
    let service = Start::new(&["--drain-route"])
        .env("LAMEDUCK_GRACE", "20s")
        .env("LAMEDUCK_LAME_DUCK", "800ms")
        .serve();
    let mut hook = service.admin();
    hook.ask("/drain");
    service.phase("lame-duck");
    service.term();
    // It is answered when the lame-duck phase is over, as a preStop hook wants it.
    assert_eq!(hook.answer().text(), "draining\n");
    let ended = service.ended();
    ended.exit(0).nothing_let_go();
    assert!(
        ended.lasted("lame-duck") >= Duration::from_millis(790),
        "{ended:?}"
    );
    let reason = ended.report["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("drain requested by 127.0.0.1:"),
        "{reason}"
    );
}
