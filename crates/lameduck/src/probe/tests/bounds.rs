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
