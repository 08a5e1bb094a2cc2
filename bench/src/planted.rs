//! Servers for the prover to judge: each can do one thing wrong, or nothing. How each is started, and all that it can
//! be asked.
//!
//! # What must hold
//! - A server without a fault keeps every promise that it can be asked about, at any round trip.
//! - What a server writes stands in a folder of the run's own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::ValueEnum;
use lameduck_check::{Clients, Endpoint, Plan, RequestTemplate};
use rand::RngExt;

use crate::shop::{Place, this_program};

/// What a server is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Planted {
    /// Threads and sockets: `peer-faulty`
    Rust,
    /// asyncio and sockets, with event streams and WebSockets
    Python,
    /// lameduck: the shop
    Shop,
    /// `http` and `http2`, with event streams, WebSockets and gRPC
    Node,
}

/// Where the programs of scripts are.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/scripts");

/// How clients get to a server.
#[derive(Clone, Copy)]
pub struct Way {
    /// Where it listens.
    pub listens: Ipv4Addr,
    /// Where it is reached.
    pub reached: Ipv4Addr,
}

impl Way {
    /// No way at all.
    pub const LOOPBACK: Way = Way {
        listens: Ipv4Addr::LOCALHOST,
        reached: Ipv4Addr::LOCALHOST,
    };
}

/// Without a lame-duck phase of a few seconds, nobody needs to be served for longer.
const NOTICE: Duration = Duration::from_millis(250);
/// From start to ready: time enough for a signal in between.
const START_UP: Duration = Duration::from_millis(200);

impl Planted {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::Shop => "Shop",
            Self::Node => "Node",
        }
    }

    /// A plan with everything that this server can be asked, for one round of each kind. `folder` is for what it writes.
    pub fn plan(
        self,
        fault: &str,
        grace: Duration,
        way: Way,
        folder: &Path,
    ) -> anyhow::Result<Plan> {
        if self == Self::Shop {
            return shop(grace, way, folder);
        }
        let (listen, admin) = (
            free_address(way.listens)?,
            free_address(Way::LOOPBACK.listens)?,
        );
        let reached = SocketAddr::from((way.reached, listen.port()));
        let books = folder.join("books.json");
        let mut command = self.command()?;
        let options = [
            ("--listen", listen.to_string()),
            ("--admin", admin.to_string()),
            ("--fault", fault.to_owned()),
            ("--grace", grace.as_secs_f64().to_string()),
            ("--start-up", START_UP.as_millis().to_string()),
            ("--books", books.display().to_string()),
        ];
        for (option, value) in options {
            command.extend([option.to_owned(), value]);
        }
        let at =
            |address: SocketAddr, path: &str| Endpoint::parse(&format!("http://{address}{path}"));
        let mut plan = Plan::new(at(reached, "")?, command);
        plan.get.push(RequestTemplate::get("/work?ms=20"));
        plan.slow.push(RequestTemplate::get("/work?ms=700"));
        plan.downloads.push(RequestTemplate::get("/stream?ms=1000"));
        plan.downloads.push(RequestTemplate::get("/raw?ms=1000"));
        let body = vec![b'u'; 64 * 1024];
        let upload = RequestTemplate::post("/upload", body);
        plan.uploads.push(upload.keep_response(true));
        plan.post.push(RequestTemplate::post("/orders", "{}"));
        plan.ledger = Some(vec!["cat".to_owned(), books.display().to_string()]);
        everybody(&mut plan, admin, grace)?;
        if self != Self::Rust {
            plan.websockets.push("/ws".to_owned());
            plan.event_streams.push(RequestTemplate::get("/events"));
        }
        if self == Self::Node {
            plan.env.push(("PYTHON".to_owned(), python()?));
            plan.h2 = true;
            plan.grpc.push(RequestTemplate::grpc("test.Echo/Say", b""));
            plan.grpc_streams
                .push(RequestTemplate::grpc("test.Echo/Watch", b""));
        }
        Ok(plan)
    }

    /// Those that can be started here; of the others it is told what is missing.
    pub fn here() -> Vec<Self> {
        let is_here = |server: &Self| match server.missing() {
            None => true,
            Some(why) => {
                real_servers::skip(format_args!("servers in {}: {why}", server.name()));
                false
            }
        };
        Self::value_variants()
            .iter()
            .copied()
            .filter(is_here)
            .collect()
    }

    fn missing(self) -> Option<String> {
        let error = match self {
            Self::Rust | Self::Shop => return None,
            Self::Python => python().err()?,
            Self::Node => python().and_then(|_| node()).err()?,
        };
        Some(format!("{error:#}"))
    }

    /// The program and its first arguments.
    fn command(self) -> anyhow::Result<Vec<String>> {
        Ok(match self {
            Self::Rust => vec![beside_us("peer-faulty")?.display().to_string()],
            Self::Shop => vec![this_program()?, "shop".to_owned()],
            Self::Python => vec![python()?, format!("{SCRIPTS}/faulty.py")],
            Self::Node => vec![node()?, format!("{SCRIPTS}/faulty.js")],
        })
    }
}

/// What is the same for each.
fn everybody(plan: &mut Plan, admin: SocketAddr, grace: Duration) -> anyhow::Result<()> {
    let probe = |path: &str| Endpoint::parse(&format!("http://{admin}{path}"));
    plan.ready = Some(probe("/readyz")?);
    plan.live = Some(probe("/livez")?);
    plan.notice = Some(NOTICE);
    plan.grace = grace;
    plan.rounds = 1;
    plan.startup_rounds = 1;
    // An interpreter on a machine with far too much to do.
    plan.start_timeout = Duration::from_secs(120);
    // Fewer than by default: these servers are slow, and not what is measured.
    plan.clients = Clients {
        keep_alive: 20,
        pooled: 10,
        per_request: 6,
        websockets: 30,
        h2: 2,
        grpc: 2,
        idle: 8,
        ..Clients::default()
    };
    Ok(())
}

/// The shop, with a lame-duck phase as short as that of the others.
fn shop(grace: Duration, way: Way, folder: &Path) -> anyhow::Result<Plan> {
    let place = Place {
        listen: free_address(way.listens)?,
        admin: free_address(Way::LOOPBACK.listens)?,
    };
    let url = Endpoint::parse(&format!("http://{}:{}", way.reached, place.listen.port()))?;
    let mut plan = Plan::new(url, place.command(folder, grace)?);
    for (name, value) in [
        ("LAMEDUCK_LAME_DUCK", "300ms"),
        ("LAMEDUCK_WEBSOCKET_WINDOW", "1s"),
    ] {
        plan.env.push((name.to_owned(), value.to_owned()));
    }
    plan.get.push(RequestTemplate::get("/work?ms=20"));
    plan.slow.push(RequestTemplate::get("/work?ms=700"));
    plan.downloads.push(RequestTemplate::get("/stream?ms=1000"));
    let body = vec![b'u'; 64 * 1024];
    let upload = RequestTemplate::post("/upload", body);
    plan.uploads.push(upload.keep_response(true));
    let order = r#"{"item":"tea","quantity":1}"#;
    let order = RequestTemplate::post("/orders", order).header("content-type", "application/json");
    plan.post.push(order);
    let data = folder.display().to_string();
    plan.ledger = Some(vec![
        this_program()?,
        "shop".to_owned(),
        "ledger".to_owned(),
        "--data".to_owned(),
        data,
    ]);
    plan.websockets.push("/ws".to_owned());
    plan.event_streams.push(RequestTemplate::get("/events"));
    plan.h2 = true;
    plan.grpc
        .push(RequestTemplate::grpc("shop.v1.Shop/GetOrder", b""));
    plan.grpc_streams
        .push(RequestTemplate::grpc("shop.v1.Shop/WatchOrders", b""));
    everybody(&mut plan, place.admin, grace)?;
    Ok(plan)
}

/// Where Python is. What is called `python3` may be a script that starts it later.
fn python() -> anyhow::Result<String> {
    says("python3", &["-c", "import sys; print(sys.executable)"])
}

fn node() -> anyhow::Result<String> {
    says("node", &["-p", "process.execPath"])
}

/// The line that a program prints.
fn says(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.with_context(|| format!("{program} does not start"))?;
    if !output.status.success() {
        bail!(
            "{program} does not work: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A program of this workspace, built beside this one.
fn beside_us(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find out which program this is")?;
    let path = own.with_file_name(name);
    if !path.exists() {
        bail!(
            "there is no {}; build it: cargo build -p lameduck-peers",
            path.display()
        );
    }
    Ok(path)
}

/// A port of this address where nobody listens, below the ports that the system hands out to clients.
pub fn free_address(ip: Ipv4Addr) -> anyhow::Result<SocketAddr> {
    let mut random = rand::rng();
    for _ in 0..1000 {
        let address = SocketAddr::from((ip, random.random_range(20_000..32_000)));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free port of {ip} between 20000 and 32000")
}
