//! The shop at the prover's clients that share pools, which plain axum is caught by (`bench/peers/tests/axum.rs`).

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use lameduck_check::{Endpoint, Judgement, Plan, RequestTemplate, Silent, report, run};

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|it| it.local_addr())
        .expect("a free port on the loopback")
}

#[tokio::test(flavor = "multi_thread")]
async fn keepalive_lossless_is_kept_by_the_shop_for_clients_that_share_pools() {
    let (listen, admin) = (free(), free());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let command = [
        env!("CARGO_BIN_EXE_lameduck-bench"),
        "shop",
        "--listen",
        &listen.to_string(),
        "--admin",
        &admin.to_string(),
        "--data",
        &folder.path().display().to_string(),
    ]
    .map(str::to_owned);
    let url = Endpoint::parse(&format!("http://{listen}")).expect("an address is a URL");
    let mut plan = Plan::new(url, command);
    plan.env = vec![("LAMEDUCK_LAME_DUCK".to_owned(), "off".to_owned())];
    plan.get = vec![RequestTemplate::get("/work?ms=5")];
    let order = RequestTemplate::post("/orders", r#"{"item":"pencil","quantity":1}"#)
        .header("content-type", "application/json");
    plan.post = vec![order];
    plan.ledger = None;
    plan.rtt = Duration::from_millis(40);
    plan.rounds = 4;
    plan.startup_rounds = 0;
    plan.clients.keep_alive = 0;
    plan.clients.per_request = 0;
    plan.clients.orders = 0;
    plan.clients.idle = 0;
    let outcome = run(&plan, &Silent)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let told = report::table(&report::CheckReport::of(&outcome), report::Look::PLAIN);
    for promise in ["keepalive-lossless", "no-reset", "exits-zero"] {
        let judgement = outcome.verdict(promise).map(|it| it.judgement);
        assert_eq!(judgement, Some(Judgement::Kept), "{promise}\n{told}");
    }
}
