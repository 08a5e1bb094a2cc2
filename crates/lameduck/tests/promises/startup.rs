//! `startup-signal`: SIGTERM during start-up ends the process cleanly; and a start that cannot be
//! is told.

use std::net::TcpListener;

use crate::service::Start;

#[test]
fn startup_signal_during_a_step_that_hangs_exits_zero() {
    let service = Start::new(&["--fault", "start-hangs"]).hang_in_start_up();
    service.term();
    let ended = service.ended();
    ended.within_grace().exit(0).nothing_let_go();
    assert_eq!(ended.report["reason"], "SIGTERM");
    // Nobody is let down by it, but it has not finished.
    assert!(ended.report["finished"].get("start-up").is_none());
    let given_up = ended.list("given_up");
    assert_eq!(given_up.len(), 1, "{}", ended.report);
    assert_eq!(given_up[0]["name"], "database");
}

#[test]
fn startup_signal_during_a_step_that_blocks_its_thread_ends_within_grace_by_name() {
    let service = Start::new(&["--fault", "start-blocks"]).hang_in_start_up();
    service.term();
    let ended = service.ended();
    ended
        .within_grace()
        .exit(124)
        .let_go("start-up", "database");
    assert!(
        ended.stderr.contains("start-up was still under way"),
        "{}",
        ended.stderr
    );
}

#[test]
fn live_holds_while_the_start_up_hangs_and_readiness_does_not() {
    for fault in ["start-hangs", "start-blocks"] {
        let service = Start::new(&["--fault", fault]).hang_in_start_up();
        assert_eq!(service.probe("/livez").0, 200, "{fault}");
        assert_eq!(service.probe("/readyz").0, 503, "{fault}");
        assert_eq!(service.probe("/startupz").0, 503, "{fault}");
        service.in_flight("start-up", "database", 1);
        service.signal(rustix::process::Signal::KILL);
        assert_eq!(service.ended().killed_by, Some(9));
    }
}

#[test]
fn two_servers_of_one_name_are_refused() {
    let ended = Start::new(&["--fault", "two-servers"]).run();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let told = "two servers are called api: give each a name of its own, for example api-2";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

#[test]
fn a_port_that_another_process_has_is_told_with_exit_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let ended = Start::new(&["--listen", &addr]).run();
    ended.exit(1);
    let told = format!("api: cannot listen on {addr}: another process has it");
    assert!(ended.stderr.contains(&told), "{}", ended.stderr);
    drop(taken);
}

#[test]
fn a_probes_port_that_another_process_has_is_told_with_exit_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let ended = Start::new(&[]).env("LAMEDUCK_ADMIN", &addr).run();
    ended.exit(1);
    let told = format!("probes: cannot listen on {addr}");
    assert!(ended.stderr.contains(&told), "{}", ended.stderr);
    drop(taken);
}

#[test]
fn a_step_that_fails_is_told_with_exit_1_and_without_its_password() {
    let ended = Start::new(&["--fault", "start-fails"]).run();
    ended.exit(1);
    let told = "failed: database: postgres://…@db/shop: connection refused";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert_eq!(ended.report["reason"], "the failure of database");
    assert_eq!(ended.report["failed"][0]["component"], "database");
}
