//! What a shutdown does depends on nobody who reads what it says: standard error, the log, the report.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::service::{APART, Ended, Start, program, program_as, until};

/// A pipe with no room left in it. Its end to read from is to be kept.
fn full_pipe(blocking: bool) -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while writer.write(&[b'.'; 1000]).is_ok() || writer.write(b".").is_ok() {}
    rustix::io::ioctl_fionbio(&writer, !blocking).unwrap();
    (reader, writer)
}

/// Stops a service with a request in flight, which must be answered, and nothing be let go.
fn stops_well(start: Start) -> Ended {
    let service = start.serve();
    let mut client = service.client();
    client.ask("/work?ms=600");
    service.in_flight("request", "GET /work", 1);
    service.term();
    assert_eq!(client.answer().text(), "done");
    let ended = service.ended();
    ended.within_grace().exit(0).nothing_let_go();
    ended
}

#[test]
fn exits_zero_whatever_standard_error_is() {
    for subscriber in ["stderr", "prints"] {
        for blocking in [true, false] {
            let (_reader, full) = full_pipe(blocking);
            stops_well(Start::new(&["--subscriber", subscriber]).stderr(full));
        }
        let (_, broken) = pipe().unwrap();
        stops_well(Start::new(&["--subscriber", subscriber]).stderr(broken));
        let no_room = File::options().write(true).open("/dev/full").unwrap();
        stops_well(Start::new(&["--subscriber", subscriber]).stderr(no_room));
    }
}

#[test]
fn exits_zero_whatever_a_subscriber_does() {
    for subscriber in ["blocks", "panics"] {
        let ended = stops_well(Start::new(&["--subscriber", subscriber]));
        let told = "lameduck: stopped after SIGTERM";
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
    }
}

#[test]
fn exits_zero_where_no_file_may_grow() {
    let start = Start::new(&["--subscriber", "stderr"]);
    let log = File::create(start.report().with_extension("log")).unwrap();
    let mut command = Command::new("prlimit");
    command.arg("--fsize=0").arg(program());
    command.args(["--subscriber", "stderr"]);
    let service = Start::command(command).stderr(log).serve();
    service.term();
    let ended = service.ended();
    ended.within_grace();
    assert_eq!((ended.code, ended.killed_by), (Some(0), None));
}

#[test]
fn within_grace_when_nobody_reads_and_a_blocking_thread_never_returns() {
    for blocking in [true, false] {
        let (_reader, full) = full_pipe(blocking);
        let service = Start::new(&["--subscriber", "stderr"]).stderr(full).serve();
        assert_eq!(service.client().get("/spawn-blocking").status, 200);
        service.term();
        let ended = service.ended();
        ended.within_grace().exit(124);
        assert_eq!(ended.list("let_go").len(), 1, "{}", ended.report);
    }
}

#[test]
fn within_grace_when_nobody_reads_and_every_thread_is_blocked() {
    let (_reader, full) = full_pipe(true);
    let service = Start::new(&["--subscriber", "stderr"]).stderr(full).serve();
    let mut client = service.client();
    client.ask("/block-all");
    service.in_flight("thread", "blocked", 2);
    service.term();
    let ended = service.ended();
    ended.within_grace().exit(124);
    assert_eq!(ended.list("let_go").len(), 3, "{}", ended.report);
}

#[test]
fn second_signal_third_ends_it_when_nobody_reads_the_log() {
    let (_reader, full) = full_pipe(true);
    let service = Start::new(&["--subscriber", "stderr"])
        .env("LAMEDUCK_GRACE", "30s")
        .env("LAMEDUCK_LAME_DUCK", "10s")
        .stderr(full)
        .serve();
    let mut client = service.client();
    client.ask("/never");
    service.in_flight("request", "GET /never", 1);
    service.term();
    service.phase("lame-duck");
    std::thread::sleep(APART);
    service.term();
    service.phase("draining");
    std::thread::sleep(APART);
    service.signal(Signal::INT);
    let ended = service.ended();
    ended.exit(130);
    assert!(ended.took < Duration::from_secs(8), "{:?}", ended.took);
    assert_eq!(ended.list("let_go").len(), 1);
}

#[test]
fn the_report_waits_for_a_reader_that_comes_late() {
    let (mut reader, full) = full_pipe(false);
    let service = Start::new(&[]).stderr(full).serve();
    service.term();
    until("the report's file", || service.has_reported().then_some(()));
    let mut said = String::new();
    let mut some = [0; 4096];
    while !said.contains("exit 0") {
        let n = reader.read(&mut some).unwrap();
        assert!(n > 0, "nothing of a report");
        said.push_str(&String::from_utf8_lossy(&some[..n]));
    }
    service.ended().exit(0);
}

#[test]
fn the_text_of_the_report_can_be_left_out() {
    let service = Start::new(&["--subscriber", "stderr"])
        .env("LAMEDUCK_REPORT_TEXT", "off")
        .serve();
    service.term();
    let ended = service.ended();
    ended.exit(0);
    assert!(
        !ended.stderr.contains("lameduck: stopped"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("shutdown complete"),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_signal_is_told_before_the_phase_that_it_begins() {
    let service = Start::new(&["--subscriber", "stderr"]).serve();
    service.term();
    let ended = service.ended();
    let at = |text: &str| {
        ended
            .stderr
            .find(text)
            .unwrap_or_else(|| panic!("{}", ended.stderr))
    };
    assert!(at("received") < at("phase=lame-duck"), "{}", ended.stderr);
}

/// A process that may start no more threads has all that its end needs.
#[test]
fn stuck_told_at_the_limit_of_threads() {
    if !rustix::process::geteuid().is_root() {
        real_servers::skip("root, to be another user");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), everybody).unwrap();
    let report = folder.path().join("report.json");
    const NOBODY: u32 = 65534;
    let command = program_as(NOBODY, folder.path());
    let service = Start::command(command)
        .env("LAMEDUCK_REPORT", report.to_str().unwrap())
        .serve();
    let mut client = service.client();
    client.ask("/never");
    service.in_flight("request", "GET /never", 1);
    let pid = service.pid().to_string();
    let limited = Command::new("prlimit")
        .args(["--nproc=1:1", "--pid", &pid])
        .uid(NOBODY)
        .gid(NOBODY)
        .status();
    assert!(limited.unwrap().success());
    service.term();
    let ended = service.ended();
    ended.within_grace().exit(124);
    let told = "let go: request GET /never, ";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    let report = std::fs::read_to_string(report).unwrap();
    assert!(report.contains("GET /never"), "{report}");
}
