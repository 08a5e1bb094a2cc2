//! Signals as whoever started the process has left them: blocked, ignored, or those of PID 1.

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::service::{Service, Start, program};

fn wrapped(words: &[&str]) -> Start {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(program());
    Start::command(command)
}

fn stops_at(service: Service, signal: Signal, reason: &str) {
    service.signal(signal);
    let ended = service.ended();
    ended.within_grace().exit(0).nothing_let_go();
    assert_eq!(ended.report["reason"], reason);
}

#[test]
fn signals_that_were_blocked_are_heard() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::QUIT, "SIGQUIT")] {
        stops_at(wrapped(&["env", "--block-signal"]).serve(), signal, name);
    }
}

#[test]
fn sigterm_that_was_ignored_is_heard() {
    let service = wrapped(&["env", "--ignore-signal=TERM"]).serve();
    stops_at(service, Signal::TERM, "SIGTERM");
}

/// It serves on after `signal`, also a while after.
fn does_nothing(service: &mut Service, signal: Signal) {
    service.signal(signal);
    std::thread::sleep(Duration::from_millis(300));
    assert!(service.is_running());
    assert_eq!(service.status()["phase"], "ready");
}

#[test]
fn what_was_ignored_stays_so() {
    let ignored = [
        "env",
        "--ignore-signal=INT",
        "--ignore-signal=QUIT",
        "--ignore-signal=HUP",
    ];
    let default = wrapped(&ignored);
    let asked_for = wrapped(&ignored).env("LAMEDUCK_SIGNALS", "TERM,INT,QUIT,HUP");
    for start in [default, asked_for] {
        let mut service = start.serve();
        for signal in [Signal::INT, Signal::QUIT, Signal::HUP] {
            does_nothing(&mut service, signal);
        }
        stops_at(service, Signal::TERM, "SIGTERM");
    }
}

#[test]
fn nohup_outlives_its_terminal() {
    let mut service = wrapped(&["nohup"]).serve();
    does_nothing(&mut service, Signal::HUP);
    stops_at(service, Signal::TERM, "SIGTERM");
}

#[test]
fn every_signal_that_would_end_it_drains_it_by_default() {
    let all = [
        (Signal::TERM, "SIGTERM"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::HUP, "SIGHUP"),
    ];
    for (signal, name) in all {
        let service = Service::plain();
        let mut client = service.client();
        client.ask("/work?ms=300");
        service.in_flight("request", "GET /work", 1);
        service.signal(signal);
        assert_eq!(client.answer().text(), "done");
        let ended = service.ended();
        ended.within_grace().exit(0).nothing_let_go();
        assert_eq!(ended.report["reason"], name);
    }
}

#[test]
fn pid_1_hears_each_of_them() {
    let possible = Command::new("unshare")
        .args(["--pid", "--fork", "true"])
        .status();
    if !possible.is_ok_and(|it| it.success()) {
        real_servers::skip("a PID namespace (root, or unprivileged user namespaces)");
        return;
    }
    for (signal, name) in [
        (Signal::TERM, "SIGTERM"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::HUP, "SIGHUP"),
    ] {
        let service = wrapped(&["unshare", "--pid", "--fork", "--kill-child"]).serve();
        let mut client = service.client();
        client.ask("/work?ms=300");
        service.in_flight("request", "GET /work", 1);
        service.signal_child(signal);
        assert_eq!(client.answer().text(), "done");
        let ended = service.ended();
        ended.within_grace().exit(0).nothing_let_go();
        assert_eq!(ended.report["reason"], name);
    }
}

#[test]
fn pid_1_reloads_at_sighup_when_asked_to() {
    let possible = Command::new("unshare")
        .args(["--pid", "--fork", "true"])
        .status();
    if !possible.is_ok_and(|it| it.success()) {
        real_servers::skip("a PID namespace (root, or unprivileged user namespaces)");
        return;
    }
    let mut start = wrapped(&["unshare", "--pid", "--fork", "--kill-child"]);
    start.command.args(["--on-signal", "HUP=works"]);
    let mut service = start.serve();
    service.signal_child(Signal::HUP);
    service.says("done HUP");
    service.signal_child(Signal::TERM);
    service.ended().within_grace().exit(0);
}
