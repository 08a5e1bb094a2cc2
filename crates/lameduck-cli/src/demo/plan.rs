//! What the demonstration does: every promise that the prover can test, in as little time as that takes.

use std::net::TcpListener;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use lameduck_check::{Endpoint, Plan, RequestTemplate};
use rand::RngExt;

/// Short, for one round has a request that takes all of it.
const GRACE: Duration = Duration::from_secs(6);
/// Long enough to be seen.
const LAME_DUCK: &str = "1s";
/// For as long as that nobody is turned away.
const NOTICE: Duration = Duration::from_secs(1);
/// Long enough to be told from all at once.
const WEBSOCKET_WINDOW: &str = "1s";
/// Of the clients that are not near.
const FAR: Duration = Duration::from_millis(40);
/// Ports that systems do not hand out to clients: between two rounds nobody else takes them.
const PORTS: Range<u16> = 20_000..32_000;
const UPLOAD_BYTES: usize = 64 * 1024;
const ORDER: &str = r#"{"item":"tea","quantity":1}"#;

/// The plan. The shop writes its report of each shutdown into `report`, and keeps its orders in `folder`.
pub(super) fn plan(folder: &Path, report: &Path) -> Result<Plan> {
    let itself = std::env::current_exe().context("cannot find this program's own file")?;
    let [listen, admin] = free_ports()?.map(|port| format!("127.0.0.1:{port}"));
    let data = folder.join("orders");
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let url = |address: &str, path: &str| Endpoint::parse(&format!("http://{address}{path}"));
    let arguments = ["shop", "--listen", &listen, "--admin", &admin];
    let command = [text(&itself)]
        .into_iter()
        .chain(arguments.map(str::to_owned))
        .chain(["--data".to_owned(), text(&data)]);
    let mut plan = Plan::new(url(&listen, "/")?, command);
    // The environment is stronger than the shop's own settings, so none of the caller's may get through.
    for (name, value) in [
        ("LAMEDUCK_LAME_DUCK", LAME_DUCK),
        ("LAMEDUCK_ADMIN", &admin),
        ("LAMEDUCK_REPORT", &text(report)),
        ("LAMEDUCK_WEBSOCKET_WINDOW", WEBSOCKET_WINDOW),
        ("RUST_LOG", "warn,lameduck::report=off"),
    ] {
        plan.env.push((name.to_owned(), value.to_owned()));
    }
    plan.grace = GRACE;
    plan.tell_grace = true;
    plan.get = vec![RequestTemplate::get("/work?ms=20")];
    plan.slow = vec![RequestTemplate::get("/work?ms=1500")];
    plan.uploads = vec![RequestTemplate::post("/upload", vec![b'u'; UPLOAD_BYTES])];
    plan.downloads = vec![RequestTemplate::get("/stream?ms=1500")];
    plan.event_streams = vec![RequestTemplate::get("/events")];
    plan.websockets = vec!["/ws".to_owned()];
    plan.grpc = vec![RequestTemplate::grpc("shop.v1.Shop/GetOrder", b"")];
    plan.grpc_streams = vec![RequestTemplate::grpc("shop.v1.Shop/WatchOrders", b"")];
    plan.post =
        vec![RequestTemplate::post("/orders", ORDER).header("content-type", "application/json")];
    let ledger = [&text(&itself), "shop", "ledger", "--data", &text(&data)];
    plan.ledger = Some(ledger.map(str::to_owned).to_vec());
    plan.h2 = true;
    plan.ready = Some(url(&admin, "/readyz")?);
    plan.notice = Some(NOTICE);
    plan.live = Some(url(&admin, "/livez")?);
    // What this shop says it does counts, customs included; a busy machine may leave something undecided.
    plan.rules.strict = true;
    plan.rules.allow_untested = true;
    plan.rounds = 1;
    plan.more_rtts = vec![FAR];
    plan.startup_rounds = 3;
    plan.seed = rand::rng().random_range(1..10_000);
    Ok(plan)
}

/// The command as it is worth reading: without the way to this program, and without temporary folders.
pub(super) fn named_briefly(plan: &Plan) -> String {
    let arguments = plan
        .command
        .iter()
        .skip(1)
        .take_while(|argument| *argument != "--data");
    let arguments: Vec<&str> = arguments.map(String::as_str).collect();
    format!("lameduck {}", arguments.join(" "))
}

/// Two ports of 127.0.0.1 on which nobody listens.
fn free_ports() -> Result<[u16; 2]> {
    const TRIES: usize = 1000;
    let mut random = rand::rng();
    let mut free = Vec::new();
    for _ in 0..TRIES {
        let port = random.random_range(PORTS);
        // Held until both are found, or they could be the same.
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            free.push((port, listener));
        }
        if let [(listen, _), (admin, _)] = &free[..] {
            return Ok([*listen, *admin]);
        }
    }
    bail!("found no two free ports of 127.0.0.1 in {TRIES} tries from {PORTS:?}; is it up?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_named_without_paths() {
        let plan = plan(Path::new("/tmp/x"), Path::new("/tmp/x/report.json")).unwrap();
        let name = named_briefly(&plan);
        assert!(name.starts_with("lameduck shop --listen 127.0.0.1:"));
        assert!(!name.contains("/tmp"), "{name}");
    }
}
