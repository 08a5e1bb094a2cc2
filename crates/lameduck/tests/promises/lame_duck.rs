//! `ready-flips`, `live-holds`, `lame-duck-serves`, `close-announced`: the time in which a process
//! serves and says that it will stop.

use std::thread::sleep;
use std::time::Duration;

use crate::client::Client;
use crate::service::{Service, Start};

fn lame_duck(time: &str) -> Service {
    Start::new(&[])
        .env("LAMEDUCK_GRACE", "6s")
        .env("LAMEDUCK_LAME_DUCK", time)
        .serve()
}

#[test]
fn lame_duck_serves_new_connections_and_says_close_while_readiness_fails() {
    let service = lame_duck("1s");
    assert_eq!(service.probe("/readyz").0, 200);
    let mut old = service.client();
    assert!(!old.get("/").says_close());
    service.term();
    service.phase("lame-duck");
    assert_eq!(
        service.probe("/readyz"),
        (503, "not ready: lame-duck\n".to_owned())
    );
    assert_eq!(service.probe("/livez").0, 200);
    for mut client in [old, service.client(), service.client()] {
        let answer = client.get("/");
        assert_eq!(answer.text(), "hello");
        assert!(answer.says_close());
        client.ends_with_fin();
    }
    assert_eq!(
        service.status()["phase"],
        "lame-duck",
        "all that was served during it"
    );
    let ended = service.ended();
    ended.exit(0).nothing_let_go();
    let lasted = ended.lasted("lame-duck");
    assert!((990..1500).contains(&lasted.as_millis()), "{lasted:?}");
}

#[test]
fn lame_duck_with_a_range_ends_when_it_is_quiet() {
    let service = lame_duck("200ms..4s");
    service.term();
    let ended = service.ended();
    ended.exit(0);
    // A second of quiet, most of which was before the signal or is now.
    let lasted = ended.lasted("lame-duck");
    assert!((190..1600).contains(&lasted.as_millis()), "{lasted:?}");
}

#[test]
fn lame_duck_leaves_time_to_drain_however_much_is_asked_for_and_says_so() {
    let service = Start::new(&[])
        .env("LAMEDUCK_GRACE", "6s")
        .env("LAMEDUCK_LAME_DUCK", "1s..6s")
        .serve();
    // Traffic that never goes, of requests that take their time.
    let mut clients: Vec<_> = (0..12).map(|_| service.client()).collect();
    service.term();
    service.phase("lame-duck");
    let mut asked = 0;
    while service.status()["phase"] == "lame-duck" {
        clients[asked].ask("/work?ms=1000");
        asked += 1;
        sleep(Duration::from_millis(200));
    }
    for client in &mut clients[..asked] {
        assert_eq!(client.answer().text(), "done");
    }
    let ended = service.ended();
    ended
        .within(Duration::from_secs(6))
        .exit(0)
        .nothing_let_go();
    // Of the 4.2 s in which to drain a half.
    let lasted = ended.lasted("lame-duck");
    assert!((2000..2700).contains(&lasted.as_millis()), "{lasted:?}");
    let told = "lameduck: LAMEDUCK_LAME_DUCK: a lame-duck phase of at most 6s would leave too little of a grace of 6s";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

/// How long a phase of 200 ms to 2 s lasts with a connection each 100 ms, before the signal and after it, on which
/// `bytes` come.
fn lasts_with(start: Start, bytes: &str) -> Duration {
    let start = start.env("LAMEDUCK_GRACE", "6s");
    let service = start.env("LAMEDUCK_LAME_DUCK", "200ms..2s").serve();
    let comes = |client: &mut Client| {
        if !bytes.is_empty() {
            client.send(bytes);
            client.answer();
        }
    };
    // For longer than the second that counts as quiet.
    for _ in 0..12 {
        comes(&mut service.client());
        sleep(Duration::from_millis(100));
    }
    let mut late = service.client();
    service.term();
    service.phase("lame-duck");
    comes(&mut late);
    let ended = service.ended();
    ended.exit(0);
    ended.lasted("lame-duck")
}

fn request(path: &str, agent: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nUser-Agent: {agent}\r\n\r\n")
}

#[test]
fn lame_duck_waits_for_traffic_and_not_for_probers() {
    let plain = || Start::new(&[]);
    let second = Duration::from_secs(1);
    let lasted = lasts_with(plain(), &request("/", "curl/8.14.1"));
    assert!(lasted >= second, "traffic: {lasted:?}");
    for (who, start, bytes) in [
        ("kubelet", plain(), request("/", "kube-probe/1.34")),
        ("a path", plain(), request("/healthz", "curl/8.14.1")),
        (
            "a setting",
            plain().env("LAMEDUCK_PROBERS", "/work,MyChecker/"),
            request("/work", "curl/8.14.1"),
        ),
        (
            "a service of ours for probes",
            plain(),
            request("/alive", "curl/8.14.1"),
        ),
        (
            "one that is nested",
            plain(),
            request("/internal/readyz", "curl/8.14.1"),
        ),
        ("a balancer that connects", plain(), String::new()),
    ] {
        let lasted = lasts_with(start, &bytes);
        assert!(
            lasted < second - Duration::from_millis(100),
            "{who}: {lasted:?}"
        );
    }
}

#[test]
fn lame_duck_is_off_outside_an_orchestrator_and_on_under_kubernetes() {
    let service = Service::plain();
    service.term();
    assert!(service.ended().lasted("lame-duck") < Duration::from_millis(100));

    let service = Start::new(&[])
        .env("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        .serve();
    service.term();
    let ended = service.ended();
    ended.within_grace().exit(0);
    // 3 s, clipped to a tenth of the grace of 2 s.
    assert!(
        ended.lasted("lame-duck") >= Duration::from_millis(199),
        "{ended:?}"
    );
}

#[test]
fn live_holds_until_the_end_while_a_request_drains() {
    let service = Service::plain();
    let mut client = service.client();
    client.ask("/work?ms=500");
    service.in_flight("request", "GET /work", 1);
    service.term();
    service.phase("draining");
    assert_eq!(service.probe("/livez").0, 200);
    assert_eq!(service.probe("/readyz").0, 503);
    assert_eq!(client.answer().text(), "done");
    service.ended().within_grace().exit(0);
}
