//! `within-grace`, `stuck-told`: whatever hangs, the process is gone in time and says what it was.

use crate::service::{PATIENT, Service, Start};

#[test]
fn within_grace_when_every_runtime_thread_is_blocked() {
    let service = Start::new(&["--threads", "2"]).serve();
    let mut client = service.client();
    client.ask("/block-all");
    service.in_flight("thread", "blocked", 2);
    service.term();
    let ended = service.ended();
    ended
        .within_grace()
        .exit(124)
        .let_go("request", "GET /block-all")
        .let_go("thread", "blocked");
    assert_eq!(ended.list("let_go").len(), 3);
    assert_eq!(ended.report["forced"], true);
}

#[test]
fn within_grace_when_the_only_thread_is_blocked() {
    let service = Start::new(&["--threads", "0"]).serve();
    let mut client = service.client();
    client.ask("/block");
    service.in_flight("request", "GET /block", 1);
    service.term();
    let ended = service.ended();
    ended
        .within_grace()
        .exit(124)
        .let_go("request", "GET /block");
}

#[test]
fn within_grace_when_nobody_reads_standard_error() {
    // A pipe holds 64 KiB; with `RUST_LOG` unset only panics and the report go there.
    let service = Start::new(&["--fault", "closer-hangs"])
        .nobody_reads_stderr()
        .serve();
    for _ in 0..600 {
        let mut client = service.client();
        client.ask("/panic");
        client.finish();
    }
    service.term();
    let ended = service.ended();
    assert_eq!(ended.code, Some(124));
    ended.within_grace();
}

#[test]
fn within_grace_when_the_report_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("nobody-reads-this");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let service = Start::new(&[])
        .env("LAMEDUCK_REPORT", fifo.to_str().unwrap())
        .serve();
    service.term();
    let ended = service.ended();
    ended.within_grace();
    assert!(
        ended.stderr.contains("lameduck: stopped after SIGTERM"),
        "{}",
        ended.stderr
    );
}

#[test]
fn stuck_told_names_the_closer_that_never_returns() {
    let service = Service::with_fault("closer-hangs");
    service.term();
    let ended = service.ended();
    ended.within_grace().exit(124).let_go("closer", "pool");
}

#[test]
fn stuck_told_names_the_closer_that_blocks_its_thread() {
    let service = Service::with_fault("closer-blocks");
    service.term();
    let ended = service.ended();
    ended.within_grace().exit(124).let_go("closer", "pool");
}

#[test]
fn within_grace_when_a_closer_blocks_the_only_thread() {
    let service = Start::new(&["--threads", "0", "--fault", "closer-blocks"]).serve();
    service.term();
    let ended = service.ended();
    ended.within_grace().exit(124).let_go("closer", "pool");
}

#[test]
fn a_closer_that_hangs_leaves_the_ones_after_it_their_turn() {
    let service = Start::new(&["--fault", "closer-hangs", "--fault", "flush-hangs"]).serve();
    service.term();
    let ended = service.ended();
    ended.within_grace().exit(124);
    ended.let_go("closer", "pool").let_go("closer", "collector");
    let closed = ended.list("closed");
    let names: Vec<_> = closed
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["pool", "last closer", "collector", "telemetry"]);
    for it in closed {
        let hung = it["name"] == "pool" || it["name"] == "collector";
        assert_eq!(it["error"].is_null(), !hung, "{it}");
    }
}

#[test]
fn stuck_told_names_the_task_that_never_ends() {
    let service = Service::with_fault("task-never-ends");
    service.term();
    let ended = service.ended();
    ended.within_grace().exit(124).let_go("task", "mailer");
}

#[test]
fn stuck_told_names_the_request_that_never_ends_and_answers_it_503() {
    let service = Service::patient();
    let mut client = service.client();
    client.ask("/never");
    service.in_flight("request", "GET /never", 1);
    service.term();
    let answer = client.answer();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(answer.says_close());
    client.ends_with_fin();
    let ended = service.ended();
    ended
        .within(PATIENT)
        .exit(124)
        .let_go("request", "GET /never");
    assert_eq!(ended.report["forced"], false);
}

#[test]
fn stuck_told_names_the_stream_that_never_ends() {
    stream_is_cut_and_named("/endless");
}

#[test]
fn stuck_told_names_the_stream_that_never_pauses() {
    stream_is_cut_and_named("/firehose");
}

fn stream_is_cut_and_named(path: &str) {
    let service = Service::plain();
    let mut client = service.client();
    client.ask(path);
    assert!(client.head().unwrap().starts_with("HTTP/1.1 200"));
    service.term();
    // The client reads all the while, and learns that this was not the end.
    let error = loop {
        if let Err(error) = client.exactly(1000) {
            break error;
        }
    };
    assert!(!error.to_string().is_empty());
    let ended = service.ended();
    ended
        .within_grace()
        .exit(124)
        .let_go("request", &format!("GET {path}"));
}

#[test]
fn stuck_told_names_the_request_whose_peer_never_reads() {
    let service = Service::plain();
    let mut client = service.client();
    client.ask("/big?bytes=100000000");
    // The head has come, so the rest is stuck in the sockets' buffers.
    client.head().unwrap();
    service.term();
    let ended = service.ended();
    ended.within_grace().exit(124).let_go("request", "GET /big");
}

/// What still runs on a blocking thread has the rest of the grace.
#[test]
fn exits_zero_when_a_blocking_thread_has_more_to_do_than_the_drain_takes() {
    let mut service = Start::new(&[]).env("LAMEDUCK_GRACE", "20s").serve();
    assert_eq!(service.client().get("/spawn-blocking?ms=2500").status, 200);
    service.term();
    service.says("the blocking thread is done");
    service.ended().exit(0).nothing_let_go();
}

#[test]
fn stuck_told_when_a_blocking_thread_never_returns() {
    let service = Service::plain();
    assert_eq!(service.client().get("/spawn-blocking").status, 200);
    service.term();
    let ended = service.ended();
    ended.within_grace().exit(124).let_go("process", "main");
    assert_eq!(ended.report["forced"], true);
    assert!(ended.stderr.contains("spawn_blocking"), "{}", ended.stderr);
}

#[test]
fn exits_zero_when_a_task_of_a_request_that_was_answered_is_done() {
    let mut service = Service::plain();
    assert_eq!(service.client().get("/spawn?ms=500").status, 200);
    service.term();
    service.says("the mail is sent");
    let ended = service.ended();
    ended.within_grace().exit(0).nothing_let_go();
    assert_eq!(ended.report["finished"]["mail"], 1);
}

#[test]
fn stuck_told_names_the_task_of_a_request_that_was_answered() {
    let service = Service::plain();
    assert_eq!(service.client().get("/spawn?ms=60000").status, 200);
    service.term();
    let ended = service.ended();
    ended.within_grace().exit(124).let_go("mail", "receipt 17");
}

#[test]
fn stuck_told_of_a_hundred_thousand_things_in_time() {
    let service = Service::patient();
    assert_eq!(service.client().get("/track?n=100000").status, 200);
    service.term();
    let ended = service.ended();
    ended.within(PATIENT).exit(124);
    assert_eq!(ended.report["let_go_total"], 100_000);
    assert_eq!(ended.report["let_go_by_kind"]["import"], 100_000);
    assert_eq!(ended.list("let_go").len(), 100);
    assert!(
        ended.stderr.contains("let go: 99900 more"),
        "{}",
        ended.stderr
    );
    let end = &ended.stderr[ended.stderr.len() - 2048..];
    let told = end.contains(" after SIGTERM, ") && end.contains("exit 124");
    assert!(told, "{end}");
}

#[test]
fn stuck_told_when_main_hangs_before_anything_is_started() {
    let service = Start::new(&["--fault", "main-hangs"]).spawn();
    service.listens_to(rustix::process::Signal::TERM);
    service.term();
    let ended = service.ended();
    ended.within_grace().exit(124).let_go("start-up", "main");
}

/// Nobody can end a process that is stopped in time; but it says what it was about when it goes on.
#[test]
fn stuck_told_by_a_process_that_was_stopped_until_its_grace_was_over() {
    let service = Service::plain();
    let mut client = service.client();
    client.ask("/never");
    service.in_flight("request", "GET /never", 1);
    service.term();
    service.phase("draining");
    service.signal(rustix::process::Signal::STOP);
    std::thread::sleep(std::time::Duration::from_millis(2500));
    service.signal(rustix::process::Signal::CONT);
    service.ended().exit(124).let_go("request", "GET /never");
}

/// What the hook has said of the report.
fn hook_got(stderr: &str, report: &str) {
    let told = format!("hook: {report}\n");
    assert!(stderr.contains(&told), "{stderr}");
}

#[test]
fn a_report_hook_that_hangs_or_panics_holds_up_nothing_at_a_proper_end() {
    for fault in ["report-hook-hangs", "report-hook-panics"] {
        let service = Start::new(&["--fault", fault]).serve();
        service.term();
        let ended = service.ended();
        ended.within_grace().exit(0).nothing_let_go();
        hook_got(&ended.stderr, "exit 0, forced: false");
    }
}

#[test]
fn a_report_hook_gets_the_report_of_an_end_by_force_and_holds_up_nothing() {
    for fault in ["report-hook-hangs", "report-hook-panics"] {
        let service = Start::new(&["--fault", fault]).serve();
        let mut client = service.client();
        client.ask("/block-all");
        service.in_flight("thread", "blocked", 2);
        service.term();
        let ended = service.ended();
        ended.within_grace().exit(124).let_go("thread", "blocked");
        hook_got(&ended.stderr, "exit 124, forced: true");
    }
}
