//! What orchestrators and load balancers ask: alive, ready, started, drain.

use super::*;

#[test]
fn each_phase_has_its_answers() {
    let (rig, driver) = rig(vec![passing("db")], false);
    let answers = || ["/livez", "/readyz", "/startupz"].map(|target| rig.status_of(target));
    assert_eq!(answers(), [200, 503, 503]);
    let driver = driver.ready();
    assert_eq!(answers(), [200, 200, 200]);
    let driver = driver.lame_duck();
    assert_eq!(answers(), [200, 503, 200]);
    let driver = driver.drain();
    assert_eq!(answers(), [200, 503, 200]);
    let driver = driver.close();
    assert_eq!(answers(), [200, 503, 200]);
    driver.stop();
    assert_eq!(answers(), [200, 503, 200]);
}

#[test]
fn ready_flips_while_a_check_is_still_running() {
    let (began, has_begun) = mpsc::channel();
    let hanging = Check::new("hanging", 10 * LONG, move || {
        began.send(()).unwrap();
        pending()
    });
    let (rig, driver) = rig(vec![hanging], false);
    let driver = driver.ready();
    let asked = rig.get_from_afar("/readyz");
    has_begun.recv_timeout(LONG).unwrap();
    let _driver = driver.lame_duck();
    // Were it to wait for the check, it would be late for the client's own time-out.
    let reply = asked.join().unwrap();
    assert_eq!(
        (reply.status, &*reply.body),
        (503, "not ready: lame-duck\n")
    );
}

#[test]
fn checks_are_left_alone_once_the_shutdown_has_begun() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = {
        let runs = runs.clone();
        Check::new("counted", LONG, move || {
            runs.fetch_add(1, Ordering::SeqCst);
            async { Ok(()) }
        })
    };
    let (rig, driver) = rig(vec![counted], false);
    let driver = driver.ready();
    assert_eq!(rig.status_of("/readyz"), 200);
    let _driver = driver.lame_duck();
    let reply = rig.get("/readyz?verbose");
    assert_eq!(
        reply.body,
        "[-] phase: lame-duck\n[ ] counted: not run in this phase\nnot ready\n"
    );
    rig.get("/status");
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[test]
fn live_holds_while_the_application_is_blocked() {
    let soon = Duration::from_millis(50);
    let check = Check::new("db", soon, || async { Ok(()) });
    let (rig, driver) = rig(vec![check], false);
    let _driver = driver.ready();
    let (blocked, is_blocked) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    rig.main.spawn(async move {
        blocked.send(()).unwrap();
        // Blocks the only worker there is.
        let _ = released.recv();
    });
    is_blocked.recv_timeout(LONG).unwrap();

    assert_eq!(rig.status_of("/livez"), 200);
    let reply = rig.get("/readyz");
    assert_eq!((reply.status, &*reply.body), (503, "not ready: db\n"));
    assert_eq!(rig.get("/status").json()["checks"][0]["ok"], false);
    drop(release);
    until("ready again", || rig.status_of("/readyz") == 200);
}

#[test]
fn verbose_tells_each_check_how_long_it_took_and_why_it_failed() {
    lameduck_core::internal::details::tell(true);
    let hanging = Check::new("hanging", Duration::from_millis(30), pending);
    let failing = Check::new("failing", LONG, || async {
        Err(BoxError::from("no route\nto host"))
    });
    let panicking = Check::new("panicking", LONG, || async { panic!("out of cheese") });
    let (rig, driver) = rig(vec![passing("good"), hanging, failing, panicking], false);
    let _driver = driver.ready();
    let reply = rig.get("/readyz?verbose");
    assert_eq!(reply.status, 503);
    let lines: Vec<&str> = reply.body.lines().collect();
    let [phase, good, hanging, failing, panicking, verdict] = lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!((phase, verdict), ("[+] phase: ready", "not ready"));
    let is = |line: &str, start: &str, end: &str| {
        assert!(line.starts_with(start) && line.ends_with(end), "{line}");
    };
    is(good, "[+] good: ok, ", " ms");
    is(
        hanging,
        "[-] hanging: failed, ",
        " ms: no answer within 30 ms",
    );
    is(failing, "[-] failing: failed, ", " ms: no route to host");
    is(
        panicking,
        "[-] panicking: failed, ",
        " ms: panicked: out of cheese",
    );
}

#[test]
fn drain_is_off_unless_asked_for() {
    let (rig, driver) = rig(vec![], false);
    let _driver = driver.ready();
    let reply = rig.get("/drain");
    assert_eq!(reply.status, 404);
    assert!(reply.body.contains("turn it on"), "{}", reply.body);
    assert_eq!(rig.handle.reason(), None);
}

#[test]
fn drain_answers_when_the_lame_duck_phase_is_over_and_is_no_signal() {
    let (rig, driver) = rig(vec![], true);
    let driver = driver.ready();
    let asked = rig.get_from_afar("/drain");
    until("begun", || rig.handle.reason().is_some());
    let reason = rig.handle.reason().unwrap().to_string();
    assert!(
        reason.starts_with("drain requested by 127.0.0.1:"),
        "{reason}"
    );
    let driver = driver.lame_duck();
    assert_eq!(rig.status_of("/readyz"), 503);
    assert!(!asked.is_finished());
    // The SIGTERM that follows a preStop hook is the first.
    assert_eq!(rig.handle.signalled(15), 1);
    assert!(!rig.handle.is_hurried());
    assert!(!asked.is_finished());
    let _driver = driver.drain();
    let reply = asked.join().unwrap();
    assert_eq!((reply.status, &*reply.body), (200, "draining\n"));
    assert_eq!(ask(rig.probes.addrs()[0], "POST", "/drain").status, 200);
}

#[test]
fn ready_flips_before_a_blocked_runtime_can_move_the_phase() {
    let (rig, driver) = rig(vec![], false);
    let _driver = driver.ready();
    assert_eq!(rig.status_of("/readyz"), 200);
    rig.handle.shutdown("a signal");
    assert_eq!(rig.handle.phase(), Phase::Ready);
    assert_eq!(rig.status_of("/readyz"), 503);
    assert_eq!(rig.status_of("/livez"), 200);
}
