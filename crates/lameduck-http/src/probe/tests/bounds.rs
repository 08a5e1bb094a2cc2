//! Nobody is kept out, nothing is kept from ending.

use super::*;

#[test]
fn clients_that_say_nothing_keep_nobody_out() {
    let (rig, driver) = rig(vec![], true);
    let driver = driver.ready();
    let drain = rig.get_from_afar("/drain");
    until("begun", || rig.handle.reason().is_some());
    let addr = rig.probes.addrs()[0];
    let mut silent: Vec<_> = (0..300)
        .map(|_| send(addr, "GET /livez HTTP/1.1\r\nHo"))
        .collect();
    assert_eq!(rig.status_of("/livez"), 200);
    // The first to come was the first to go; the last is still there.
    match silent[0].read(&mut [0]) {
        Ok(n) => assert_eq!(n, 0),
        Err(e) => assert_eq!(e.kind(), ErrorKind::ConnectionReset),
    }
    let mut last = silent.pop().unwrap();
    last.write_all(b"st: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    last.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    // Nor did who waits for an answer have to go.
    let _driver = driver.lame_duck().drain();
    assert_eq!(drain.join().unwrap().status, 200);
}

/// A check that says when it is asked, and never answers.
fn slow_check(asked: &Arc<AtomicUsize>) -> Check {
    let asked = asked.clone();
    Check::new("database", LONG, move || {
        asked.fetch_add(1, Ordering::SeqCst);
        pending::<Result<(), BoxError>>()
    })
}

#[test]
fn live_holds_for_newcomers_while_others_wait_for_a_slow_check() {
    let asked = Arc::default();
    let (rig, driver) = rig(vec![slow_check(&asked)], false);
    let _driver = driver.ready();
    let addr = rig.probes.addrs()[0];
    for path in ["/readyz", "/status", "/"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        let _waiting: Vec<_> = (0..300).map(|_| send(addr, &request)).collect();
        until("asked", || asked.load(Ordering::SeqCst) > 0);
        for _ in 0..20 {
            assert_eq!(rig.status_of("/livez"), 200, "{path}");
        }
    }
    let _waiting: Vec<_> = (0..300)
        .map(|_| send(addr, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"))
        .collect();
    // Whoever would be one too many is told so at once.
    let reply = rig.get("/readyz");
    assert_eq!(reply.status, 503);
    assert!(reply.body.contains("too many wait"), "{}", reply.body);
}

#[test]
fn live_holds_for_newcomers_while_nobody_reads_and_what_is_held_for_them_is_bounded() {
    let (rig, driver) = rig(vec![], false);
    let _driver = driver.ready();
    let _work: Vec<_> = (0..2000)
        .map(|_| rig.handle.track("request", "x".repeat(1000)))
        .collect();
    let addr = rig.probes.addrs()[0];
    // Each of them some 290 KB, and the bound is at 4 MiB.
    let unread: Vec<_> = (0..30)
        .map(|_| send(addr, "GET /status?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n"))
        .collect();
    until("one too many", || {
        let reply = rig.get("/status?limit=1000");
        reply.status == 503 && reply.body.contains("too many answers")
    });
    for _ in 0..20 {
        assert_eq!(rig.status_of("/livez"), 200);
        assert_eq!(rig.status_of("/readyz"), 200);
    }
    drop(unread);
    until("room again", || rig.status_of("/status?limit=1000") == 200);
}

#[test]
fn status_shows_a_part_of_much_and_where_the_rest_is() {
    let (rig, driver) = rig(vec![], false);
    let _driver = driver.ready();
    let most = 100_000;
    let _work: Vec<_> = (0..most)
        .map(|n| rig.handle.track("request", format!("GET /{n}")))
        .collect();
    let _job = rig.handle.track("job", "j".repeat(10_000));
    let reply = rig.get("/status");
    assert!(reply.body.len() < 50_000, "{} bytes", reply.body.len());
    let status = reply.json();
    assert_eq!(status["named"], most + 1);
    assert_eq!(status["in_flight_by_kind"]["request"], most);
    assert_eq!(status["in_flight"].as_array().unwrap().len(), 100);
    assert_eq!(status["in_flight"][0]["name"], "GET /0");
    assert_eq!(status["next"], "/status?offset=100&limit=100");
    assert!(rig.get("/").body.len() < 100_000);
    let metrics = rig.get("/metrics").body;
    assert!(metrics.contains("lameduck_in_flight{kind=\"request\"} 100000"));
}

#[test]
fn page_after_page_of_status_shows_each_once() {
    let (rig, driver) = rig(vec![], false);
    let _driver = driver.ready();
    let most = 4321;
    let _work: Vec<_> = (0..most)
        .map(|n| rig.handle.track("request", format!("GET /{n}")))
        .collect();
    let _job = rig.handle.track("job", "j".repeat(10_000));
    let mut seen = std::collections::HashSet::new();
    let mut at = Some("/status?limit=1000".to_owned());
    while let Some(target) = at {
        let page = rig.get(&target).json();
        for it in page["in_flight"].as_array().unwrap() {
            let name = it["name"].as_str().unwrap();
            assert!(name.chars().count() <= 251);
            assert!(seen.insert(name.to_owned()), "{name} twice");
        }
        at = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(seen.len(), most + 1);
    for (target, told) in [
        ("/status?limit=5000", "at most 1000"),
        ("/status?limit=0", "at least 1"),
        ("/status?offset=x", "offset=x: expected a number"),
    ] {
        let reply = rig.get(target);
        assert_eq!(reply.status, 400, "{target}");
        assert!(reply.body.contains(told), "{}", reply.body);
    }
}

#[test]
fn stop_ends_it_whoever_is_connected() {
    let (rig, _driver) = rig(vec![], false);
    let addr = rig.probes.addrs()[0];
    let _fresh = send(addr, "");
    let _half = send(addr, "GET /livez HTT");
    let mut idle = send(addr, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    idle.read_exact(&mut [0; 12]).unwrap();
    let began = Instant::now();
    rig.main.block_on(rig.probes.stop());
    assert!(began.elapsed() < LONG / 4, "{:?}", began.elapsed());
    assert!(is_refused(addr));
    rig.main.block_on(rig.probes.stop());
}

#[test]
fn an_answer_under_way_is_given_when_it_stops() {
    let (rig, driver) = rig(vec![], true);
    let driver = driver.ready();
    let asked = rig.get_from_afar("/drain");
    until("begun", || rig.handle.reason().is_some());
    driver.lame_duck().drain().close().stop();
    assert_eq!(rig.handle.phase(), Phase::Stopped);
    rig.main.block_on(rig.probes.stop());
    assert_eq!(asked.join().unwrap().status, 200);
}

#[test]
fn dropping_it_stops_it() {
    let (rig, _driver) = rig(vec![], false);
    let addr = rig.probes.addrs()[0];
    assert_eq!(rig.status_of("/livez"), 200);
    drop(rig.probes);
    until("refused", || is_refused(addr));
}
