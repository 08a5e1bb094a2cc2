//! Each recipe under the prover's load: it keeps what `docs/servers.md` says that it keeps.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

use std::net::TcpListener;
use std::time::Duration;

use lameduck_check::{Endpoint, Judgement, Plan, RequestTemplate, Silent, report, run};
use tokio::sync::Mutex;

/// What every recipe keeps.
const BY_ALL: [&str; 12] = [
    "ready-flips",
    "live-holds",
    "inflight-completes",
    "keepalive-lossless",
    "close-announced",
    "upload-completes",
    "download-completes",
    "startup-signal",
    "within-grace",
    "exits-zero",
    "stuck-told",
    "second-signal",
];
/// What those keep that take their connections from `Handle::listener`.
const BY_LISTENER: [&str; 4] = [
    "lame-duck-serves",
    "accept-lossless",
    "no-reset",
    "h2-lossless",
];
/// What those keep that have a time-out for the head of a request.
const BY_TIME_OUT: [&str; 1] = ["idle-exits"];

/// One at a time: each wants to have a processor.
static TURN: Mutex<()> = Mutex::const_new(());

fn free() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn plan(recipe: &str) -> Plan {
    let (listen, admin) = (free(), free());
    let at = |url: String| Endpoint::parse(&url).unwrap();
    let mut plan = Plan::new(
        at(format!("http://{listen}")),
        [recipe, "--listen", &listen, "--admin", &admin],
    );
    plan.get.push(RequestTemplate::get("/work?ms=20"));
    plan.slow.push(RequestTemplate::get("/work?ms=1300"));
    let body = vec![b'u'; 64 * 1024];
    plan.uploads.push(RequestTemplate::post("/upload", body));
    plan.downloads.push(RequestTemplate::get("/stream?ms=1500"));
    plan.ready = Some(at(format!("http://{admin}/readyz")));
    plan.live = Some(at(format!("http://{admin}/livez")));
    plan.grace = Duration::from_secs(10);
    plan.tell_grace = true;
    plan.rounds = 1;
    plan.startup_rounds = 1;
    plan
}

/// One shutdown under load, and one in each special situation: all of these promises are kept.
async fn keeps(recipe: &str, promises: &[&[&str]]) {
    let promises = promises.concat();
    let mut plan = plan(recipe);
    plan.h2 = promises.contains(&"h2-lossless");
    if !promises.contains(&"idle-exits") {
        plan.clients.idle = 0;
    }
    let _turn = TURN.lock().await;
    let outcome = run(&plan, &Silent).await.unwrap();
    let told = report::table(&report::CheckReport::of(&outcome), report::Look::PLAIN);
    for promise in promises {
        let judgement = outcome.verdict(promise).map(|it| it.judgement);
        assert_eq!(judgement, Some(Judgement::Kept), "{promise}\n{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn axum_serve_keeps_what_is_written_down() {
    let recipe = env!("CARGO_BIN_EXE_serve-axum");
    keeps(recipe, &[&BY_ALL, &BY_LISTENER]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hyper_util_keeps_what_is_written_down() {
    let recipe = env!("CARGO_BIN_EXE_serve-hyper");
    keeps(recipe, &[&BY_ALL, &BY_LISTENER, &BY_TIME_OUT]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tonic_keeps_what_is_written_down() {
    let recipe = env!("CARGO_BIN_EXE_serve-tonic");
    keeps(recipe, &[&BY_ALL, &BY_LISTENER]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn actix_web_keeps_what_is_written_down() {
    let recipe = env!("CARGO_BIN_EXE_serve-actix");
    keeps(recipe, &[&BY_ALL, &BY_TIME_OUT]).await;
}
