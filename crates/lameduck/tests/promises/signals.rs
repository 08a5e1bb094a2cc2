//! `second-signal`: a second signal hurries, a third ends it; and what is one stop counts as one signal.

use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;

use crate::client::Client;
use crate::service::{APART, Service, Start, until};

/// A service with a long grace, and a lame-duck phase that only a second signal ends soon.
fn patient() -> Service {
    Start::new(&[])
        .env("LAMEDUCK_GRACE", "30s")
        .env("LAMEDUCK_LAME_DUCK", "15s")
        .serve()
}

/// Sends a signal, waits until the process has taken note of it, and then until another one is no
/// copy of it.
fn send(service: &Service, signal: Signal, phase: &str) {
    service.signal(signal);
    service.phase(phase);
    sleep(APART);
}

/// Signals again and again until it is gone, each time as somebody who has seen that it is not.
fn until_gone(service: &mut Service, signal: Signal) {
    until("the end", || {
        service.signal(signal);
        sleep(APART);
        (!service.is_running()).then_some(())
    });
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
    let mut client = service.client();
    // Two requests that block a thread each may be given the same one.
    client.ask("/block-all");
    service.in_flight("thread", "blocked", 2);
    until_gone(&mut service, Signal::TERM);
    let ended = service.ended();
    ended.exit(143).let_go("request", "GET /block-all");
    assert_eq!(ended.list("let_go").len(), 3);
}

#[test]
fn second_signal_third_ends_it_when_nobody_reads_the_log() {
    let mut start = Start::new(&["--subscriber", "stderr"])
        .env("LAMEDUCK_GRACE", "30s")
        .env("LAMEDUCK_LAME_DUCK", "15s")
        .nobody_reads_stderr();
    let (_read, write) = rustix::pipe::pipe().unwrap();
    let filler = write.try_clone().unwrap();
    start.command.stderr(Stdio::from(write));
    // What it says at its start is to get through.
    let mut service = start.serve();
    fill(&filler);
    drop(filler);
    until_gone(&mut service, Signal::TERM);
    let ended = service.ended();
    ended.exit(143);
    assert!(ended.took < Duration::from_secs(10), "{:?}", ended.took);
}

/// Leaves no room in a pipe.
fn fill(pipe: &OwnedFd) {
    let flags = rustix::fs::fcntl_getfl(pipe.as_fd()).unwrap();
    rustix::fs::fcntl_setfl(pipe, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    for size in [4096, 1] {
        while rustix::io::write(pipe, &vec![b'.'; size]).is_ok() {}
    }
    let full = rustix::io::write(pipe, b".").unwrap_err();
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    rustix::fs::fcntl_setfl(pipe, flags).unwrap();
}

/// Sends them in one breath, and expects the whole lame-duck phase of 3 s and nothing lost.
fn are_one(signals: &[Signal]) {
    let service = Start::new(&[])
        .env("LAMEDUCK_GRACE", "10s")
        .env("LAMEDUCK_LAME_DUCK", "3s")
        .serve();
    let mut client = working(&service, "/work?ms=1500");
    for signal in signals {
        service.signal(*signal);
        sleep(Duration::from_millis(3));
    }
    assert_eq!(client.answer().text(), "done");
    let ended = service.ended();
    ended.exit(0).nothing_let_go();
    assert_eq!(ended.report["signals"], 1);
    let lasted = ended.lasted("lame-duck");
    assert!(lasted >= Duration::from_millis(2990), "{lasted:?}");
}

#[test]
fn two_signals_in_one_breath_are_one() {
    are_one(&[Signal::TERM, Signal::TERM]);
}

#[test]
fn three_signals_in_one_breath_are_one() {
    are_one(&[Signal::TERM, Signal::TERM, Signal::TERM]);
}

#[test]
fn signals_of_several_kinds_in_one_breath_are_one() {
    are_one(&[Signal::INT, Signal::TERM, Signal::HUP, Signal::INT]);
}

#[test]
fn sigint_from_a_platform_leaves_the_lame_duck_phase_as_it_is() {
    // `auto` and set.
    let auto = Start::new(&[])
        .env("LAMEDUCK_GRACE", "10s")
        .env("KUBERNETES_SERVICE_HOST", "10.0.0.1");
    let set = Start::new(&[])
        .env("LAMEDUCK_GRACE", "10s")
        .env("LAMEDUCK_LAME_DUCK", "1s");
    for start in [auto, set] {
        let service = start.serve();
        service.signal(Signal::INT);
        let ended = service.ended();
        ended.exit(0).nothing_let_go();
        assert_eq!(ended.report["reason"], "SIGINT");
        let lasted = ended.lasted("lame-duck");
        assert!(lasted >= Duration::from_millis(990), "{lasted:?}");
    }
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
