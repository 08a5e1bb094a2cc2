//! `ready-flips`, `live-holds`, `lame-duck-serves`, `close-announced`: the time in which a process
//! serves and says that it will stop.

use std::time::Duration;

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
    service.in_flight("request", "GET /work?ms=500", 1);
    service.term();
    service.phase("draining");
    assert_eq!(service.probe("/livez").0, 200);
    assert_eq!(service.probe("/readyz").0, 503);
    assert_eq!(client.answer().text(), "done");
    service.ended().within_grace().exit(0);
}
