//! Which signals begin a shutdown, and hooks for those that do not.

use std::time::Duration;

use rustix::process::Signal;

use crate::service::{Service, Start};

fn stops_at(service: Service, signal: Signal, reason: &str) {
    service.signal(signal);
    let ended = service.ended();
    ended.within_grace().exit(0).nothing_let_go();
    assert_eq!(ended.report["reason"], reason);
}

#[track_caller]
fn refused(start: Start, words: &[&str]) {
    let ended = start.run();
    ended.exit(2);
    for word in words {
        assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
    }
}

#[test]
fn the_environment_says_which_signals_begin_a_shutdown() {
    let with = |list| Start::new(&[]).env("LAMEDUCK_SIGNALS", list).serve();
    stops_at(with("TERM,INT,QUIT"), Signal::QUIT, "SIGQUIT");
    stops_at(with("TERM, sigusr1"), Signal::USR1, "SIGUSR1");
    stops_at(with("WINCH"), Signal::WINCH, "SIGWINCH");
    // Always.
    stops_at(with("QUIT"), Signal::TERM, "SIGTERM");
}

#[test]
fn a_signal_that_is_left_out_does_nothing() {
    let by_builder = Start::new(&["--shutdown-signals", "TERM,INT"]);
    let by_environment =
        Start::new(&["--shutdown-signals", "TERM,HUP,QUIT"]).env("LAMEDUCK_SIGNALS", "TERM,INT");
    for start in [by_builder, by_environment] {
        let mut service = start.serve();
        for signal in [Signal::HUP, Signal::QUIT] {
            service.signal(signal);
        }
        std::thread::sleep(Duration::from_millis(300));
        assert!(service.is_running());
        assert_eq!(service.status()["phase"], "ready");
        stops_at(service, Signal::INT, "SIGINT");
    }
}

#[test]
fn signals_that_cannot_be_are_refused() {
    for bad in [
        "KILL",
        "TERM,STOP",
        "SEGV",
        "15",
        "TERM;INT",
        "TERM,,INT",
        "soon",
    ] {
        let start = Start::new(&[]).env("LAMEDUCK_SIGNALS", bad);
        refused(
            start,
            &[
                &format!("LAMEDUCK_SIGNALS={bad}: "),
                "for example TERM,INT,QUIT",
            ],
        );
    }
    let start = Start::new(&["--shutdown-signals", "TERM,KILL"]);
    refused(
        start,
        &["shutdown_signals: SIGKILL", "for example TERM,INT,QUIT"],
    );
}

#[test]
fn a_hook_runs_each_time_its_signal_comes_and_stops_nothing() {
    let start = Start::new(&["--on-signal", "HUP=works", "--on-signal", "USR1=works"]);
    let mut service = start.serve();
    for (signal, done) in [
        (Signal::HUP, "done HUP"),
        (Signal::USR1, "done USR1"),
        (Signal::HUP, "done HUP"),
    ] {
        service.signal(signal);
        service.says(done);
    }
    assert_eq!(service.status()["phase"], "ready");
    service.term();
    // Of the last signal; the first counted for `took`.
    service.ended().exit(0).nothing_let_go();
}

#[test]
fn a_hook_remembers_a_signal_that_came_before_everything_had_started() {
    let start = Start::new(&["--fault", "start-waits", "--on-signal", "HUP=works"]);
    let mut service = start.hang_in_start_up();
    service.signal(Signal::HUP);
    service.signal(Signal::HUP);
    // Before or after it says that it is ready.
    service.says("done HUP");
    service.term();
    service.ended().exit(0);
}

#[test]
fn a_hook_that_runs_runs_once_more_for_all_that_come_meanwhile() {
    let mut service = Start::new(&["--on-signal", "USR1=naps"]).serve();
    service.signal(Signal::USR1);
    service.says("hook USR1");
    for _ in 0..5 {
        service.signal(Signal::USR1);
    }
    service.says("hook USR1");
    service.says("done USR1");
    service.not_in_flight("signal hook", "SIGUSR1");
    service.term();
    service.ended().exit(0).nothing_let_go();
}

#[test]
fn a_hook_that_fails_or_panics_is_logged_and_changes_nothing() {
    let start = Start::new(&[
        "--subscriber",
        "stderr",
        "--on-signal",
        "HUP=fails",
        "--on-signal",
        "USR1=panics",
    ]);
    let mut service = start.serve();
    for _ in 0..2 {
        service.signal(Signal::HUP);
        service.says("hook HUP");
        service.signal(Signal::USR1);
        service.says("hook USR1");
    }
    service.not_in_flight("signal hook", "SIGUSR1");
    assert_eq!(service.status()["phase"], "ready");
    service.term();
    let ended = service.ended();
    ended.exit(0).nothing_let_go();
    assert!(
        ended.stderr.contains("the file is not there"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("a bug in the hook for USR1"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_hook_at_work_is_waited_for_and_one_that_hangs_is_named() {
    let mut service = Start::new(&["--on-signal", "HUP=naps"]).serve();
    service.signal(Signal::HUP);
    service.says("hook HUP");
    service.term();
    service.says("done HUP");
    service.ended().exit(0).nothing_let_go();

    let mut service = Start::new(&["--on-signal", "HUP=hangs"]).serve();
    service.signal(Signal::HUP);
    service.says("hook HUP");
    service.term();
    let ended = service.ended();
    ended.exit(124).let_go("signal hook", "SIGHUP");
}

#[test]
fn a_hook_for_a_signal_that_stops_or_cannot_be_is_refused() {
    let hook = |name: &str| Start::new(&["--on-signal", &format!("{name}=works")]);
    refused(
        hook("TERM"),
        &[
            "on_signal: SIGTERM begins a shutdown already",
            "for example USR1",
        ],
    );
    refused(
        hook("INT"),
        &["on_signal: SIGINT begins a shutdown already"],
    );
    refused(
        hook("HUP").env("LAMEDUCK_SIGNALS", "TERM,HUP"),
        &["on_signal: SIGHUP begins"],
    );
    for name in ["KILL", "STOP", "SEGV"] {
        refused(
            hook(name),
            &[&format!("on_signal: SIG{name} cannot be caught")],
        );
    }
    refused(hook("reload"), &["on_signal: \"reload\" is none of TERM"]);
}

#[test]
fn a_fork_after_it_began_to_listen_is_refused() {
    let ended = Start::new(&["--fork"]).run();
    ended.exit(2);
    assert!(
        ended.stderr.contains("forked after Lifecycle::new()"),
        "{}",
        ended.stderr
    );
}
