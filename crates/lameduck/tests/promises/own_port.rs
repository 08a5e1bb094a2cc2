//! Probes on the service's own port, for platforms that have only one for it.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use lameduck::{Http, Phase, ProbeService};
use metrics_exporter_prometheus::PrometheusBuilder;
use prometheus::{Registry, TextEncoder};

use crate::client::Answer;
use crate::in_process::{ANYWHERE, Server};
use crate::service::{Service, Start, until};

const PATHS: [&str; 8] = [
    "/livez",
    "/livez?verbose",
    "/readyz",
    "/readyz?verbose",
    "/startupz",
    "/startupz?verbose",
    "/metrics",
    "/nothing",
];

/// What must be the same, whichever port it comes from.
fn gist(path: &str, answer: &Answer) -> (u16, Vec<Option<String>>, String) {
    let names = ["content-type", "cache-control", "x-content-type-options"];
    let headers = names.map(|it| answer.header(it).map(str::to_owned));
    // Times and counts are others a moment later. What is there is told by the names.
    let text = answer.text();
    let text = match path {
        "/metrics" => {
            let lines = text.lines().filter(|it| it.starts_with('#'));
            lines.collect::<Vec<_>>().join("\n")
        }
        // The admin port has more.
        "/nothing" => String::new(),
        _ => text,
    };
    (answer.status, headers.to_vec(), text)
}

fn answers_are_the_same(service: &Service) {
    for path in PATHS {
        let own = service.client().get(&format!("/internal{path}"));
        let admin = service.admin().get(path);
        assert_eq!(gist(path, &own), gist(path, &admin), "{path}");
    }
}

#[test]
fn probes_on_the_own_port_answer_as_those_on_a_port_of_their_own() {
    let service = Start::new(&[])
        .env("LAMEDUCK_GRACE", "6s")
        .env("LAMEDUCK_LAME_DUCK", "1s")
        .serve();
    answers_are_the_same(&service);
    assert_eq!(service.client().get("/internal/readyz").status, 200);
    let post = "POST /alive HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    let mut client = service.client();
    client.send(post);
    let refused = client.answer();
    assert_eq!(
        (refused.status, refused.header("allow")),
        (405, Some("GET, HEAD"))
    );
    // What is not meant for everybody is not there.
    for path in ["/internal/status", "/internal/drain", "/internal/"] {
        assert_eq!(service.client().get(path).status, 404, "{path}");
    }

    service.term();
    service.phase("lame-duck");
    answers_are_the_same(&service);
    let answer = service.client().get("/internal/readyz");
    assert_eq!(
        (answer.status, &*answer.text()),
        (503, "not ready: lame-duck\n")
    );
    assert!(answer.says_close());
    assert_eq!(service.client().get("/alive").text(), "alive\n");
    service.ended().exit(0).nothing_let_go();
}

#[track_caller]
fn is_ready(server: &Server) {
    let phases = server.handle.phases();
    let phase = phases.wait(Phase::Ready, Duration::from_secs(20));
    assert_eq!(phase, Phase::Ready);
}

#[test]
fn a_probe_that_waits_for_a_check_does_not_hold_the_drain() {
    let asked = Arc::new(AtomicBool::new(false));
    let server = Server::run(|life| {
        let probes = ProbeService::readyz(&life.handle());
        let router = Router::new().route_service("/ready", probes);
        let asked = asked.clone();
        let hangs = move || {
            asked.store(true, Ordering::Relaxed);
            pending::<Result<(), std::io::Error>>()
        };
        life.check_within("hangs", Duration::from_secs(60), hangs)
            .component(Http::new("api", ANYWHERE, router))
    });
    is_ready(&server);
    let mut client = server.client();
    client.ask("/ready");
    until("asked", || asked.load(Ordering::Relaxed).then_some(()));
    let began = Instant::now();
    server.stop();
    let answer = client.answer();
    assert_eq!(answer.status, 503, "{}", answer.text());
    server.ends_clean();
    // Of 7 s until what is in flight is let go.
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
}

/// What of a page is figures: names, with their labels.
fn figures(page: &str) -> BTreeSet<String> {
    let samples = page.lines().filter(|it| it.starts_with("lameduck_"));
    let names = samples.map(|it| it.rsplit_once(' ').unwrap().0.to_owned());
    names.collect()
}

#[test]
fn registries_of_others_have_the_figures_of_the_page() {
    let facade = PrometheusBuilder::new().install_recorder().unwrap();
    let server = Server::run(|life| {
        let handle = life.handle();
        let registry = Registry::new();
        let collector = lameduck::prometheus::collector(&handle).unwrap();
        registry.register(collector).unwrap();
        let registry = move || async move {
            let page = TextEncoder::new().encode_to_string(&registry.gather());
            page.unwrap()
        };
        let ours = ProbeService::metrics(&handle);
        let facade = move || async move {
            lameduck::metrics::record(&handle);
            facade.render()
        };
        let app = Router::new()
            .route_service("/ours", ours)
            .route("/registry", get(registry))
            .route("/facade", get(facade));
        let check = || async { Ok::<_, std::io::Error>(()) };
        life.check("database", check)
            .component(Http::new("api", ANYWHERE, app))
    });
    is_ready(&server);
    let mut client = server.client();
    // One has ended, and the check has run.
    assert_eq!(client.get("/ours").status, 200);
    let readiness = server.handle.readiness().unwrap();
    readiness.refresh(Duration::ZERO);
    let ours = until("the check", || {
        let page = client.get("/ours").text();
        page.contains("lameduck_check_ok{check=\"database\"} 1")
            .then_some(page)
    });
    let ours = figures(&ours);
    assert!(ours.contains("lameduck_in_flight{kind=\"request\"}"));
    assert_eq!(figures(&client.get("/registry").text()), ours);
    assert_eq!(figures(&client.get("/facade").text()), ours);
    server.ends_clean();
}
