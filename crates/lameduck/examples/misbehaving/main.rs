//! A service with whatever can go wrong in it, to see that its shutdown goes right all the same.
//!
//! ```text
//! LAMEDUCK_GRACE=3s LAMEDUCK_ADMIN=127.0.0.1:9090 \
//!     cargo run -p lameduck --example misbehaving -- --listen 127.0.0.1:8080 --fault closer-hangs
//! ```
//!
//! The faults of the start-up, the background and the end are asked for by `--fault NAME` (any
//! number of them); those of requests by their paths, see `routes.rs`,
//! `bodies.rs`, `events.rs` and `sockets.rs`. With `--layer` another server than ours serves them. It says `ready` and its
//! addresses on standard output once it serves.

mod bodies;
mod events;
mod fault;
mod foreign;
mod routes;
mod signals;
mod sockets;
mod subscriber;

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use fault::Fault;
use lameduck::websocket::WebSockets;
use lameduck::{Exit, Http, Lifecycle, Phase, Probes, ProxyProtocol, Tls};
use signals::OnSignal;
use subscriber::Sink;

/// Nobody may be stuck with a service whose trade is to be stuck: 2 min after its start it is gone.
const LIFETIME: Duration = Duration::from_secs(120);

/// What the command line says.
struct Args {
    listen: String,
    /// Threads of the runtime; zero for the one of `main`.
    threads: usize,
    drain_route: bool,
    /// The permissions of a Unix socket.
    socket_mode: Option<u32>,
    /// Where the application listens by itself.
    hold: Option<String>,
    /// How long a peer may take to its first byte, and between two requests.
    first_byte: Option<Duration>,
    idle: Option<Duration>,
    /// How many connections there may be.
    most: Option<usize>,
    /// Whether WebSockets are told to come back.
    restart: bool,
    /// The files of a certificate and its key.
    tls_cert: Option<String>,
    tls_key: Option<String>,
    /// Where events go.
    subscriber: Option<Sink>,
    /// Whether another server serves, behind our layer.
    layer: bool,
    /// Whether each connection begins with the header of a proxy.
    proxy_protocol: bool,
    /// Whether it forks when it has begun to listen to signals.
    fork: bool,
    /// The signals that begin a shutdown, and what others do.
    shutdown_signals: Option<String>,
    on_signal: Vec<OnSignal>,
    faults: Vec<Fault>,
}

fn args() -> Result<Args, String> {
    let mut args = Args {
        listen: "127.0.0.1:0".to_owned(),
        threads: 2,
        drain_route: false,
        socket_mode: None,
        hold: None,
        first_byte: None,
        idle: None,
        most: None,
        restart: false,
        tls_cert: None,
        tls_key: None,
        subscriber: None,
        layer: false,
        proxy_protocol: false,
        fork: false,
        shutdown_signals: None,
        on_signal: Vec::new(),
        faults: Vec::new(),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .ok_or(format!("{word}: expected a value after it"))
        };
        match word.as_str() {
            "--listen" => args.listen = value()?,
            "--threads" => args.threads = number(&word, value()?)?,
            "--socket-mode" => args.socket_mode = Some(octal(&word, value()?)?),
            "--hold" => args.hold = Some(value()?),
            "--first-byte" => args.first_byte = Some(milliseconds(&word, value()?)?),
            "--idle" => args.idle = Some(milliseconds(&word, value()?)?),
            "--most" => args.most = Some(number(&word, value()?)?),
            "--tls-cert" => args.tls_cert = Some(value()?),
            "--tls-key" => args.tls_key = Some(value()?),
            "--drain-route" => args.drain_route = true,
            "--restart" => args.restart = true,
            "--subscriber" => args.subscriber = Some(value()?.parse()?),
            "--layer" => args.layer = true,
            "--proxy-protocol" => args.proxy_protocol = true,
            "--fork" => args.fork = true,
            "--shutdown-signals" => args.shutdown_signals = Some(value()?),
            "--on-signal" => args.on_signal.push(value()?.parse()?),
            "--fault" => args.faults.push(value()?.parse()?),
            _ => {
                return Err(format!(
                    "{word}: expected --listen ADDRESS, --socket-mode MODE, --hold ADDRESS, --threads N, --first-byte MS, --idle MS, \
                     --most N, --tls-cert FILE, --tls-key FILE, --drain-route, --restart, --subscriber SINK, --layer, --proxy-protocol, --fork, \
                     --shutdown-signals NAMES, --on-signal NAME=DOES or --fault NAME"
                ));
            }
        }
    }
    Ok(args)
}

fn number<T: std::str::FromStr>(flag: &str, value: String) -> Result<T, String> {
    let number = value.parse();
    number.map_err(|_| format!("{flag} {value}: expected a number, for example 2"))
}

fn octal(flag: &str, value: String) -> Result<u32, String> {
    let number = u32::from_str_radix(&value, 8);
    number.map_err(|_| format!("{flag} {value}: expected octal digits, for example 660"))
}

fn milliseconds(flag: &str, value: String) -> Result<Duration, String> {
    number(flag, value).map(Duration::from_millis)
}

fn main() -> Exit {
    std::thread::spawn(|| {
        std::thread::sleep(LIFETIME);
        std::process::exit(99);
    });
    let args = match args() {
        Ok(args) => args,
        Err(problem) => {
            eprintln!("misbehaving: {problem}");
            return Exit::BAD_CONFIGURATION;
        }
    };
    if let Some(sink) = args.subscriber {
        sink.install();
    }
    let mut life = Lifecycle::new();
    if args.fork {
        signals::fork();
    }
    if let Some(names) = &args.shutdown_signals {
        life = life.shutdown_signals(names.split(','));
    }
    for hook in &args.on_signal {
        life = hook.clone().put_into(life);
    }
    match runtime(args.threads) {
        Ok(runtime) => runtime.block_on(live(life, args)),
        Err(e) => {
            eprintln!("misbehaving: no runtime: {e}");
            Exit::FAILED
        }
    }
}

fn runtime(threads: usize) -> io::Result<tokio::runtime::Runtime> {
    let mut builder = match threads {
        0 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if threads > 0 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build()
}

async fn live(mut life: Lifecycle, args: Args) -> Exit {
    if args.faults.contains(&Fault::MainHangs) {
        std::thread::sleep(LIFETIME);
    }
    let _held = args.hold.as_ref().map(std::net::TcpListener::bind);
    let probes = match args.drain_route {
        true => Probes::from_env().drain_route(),
        false => Probes::from_env(),
    };
    life = life.probes(probes);
    for fault in &args.faults {
        if fault.at_start(&mut life).await.is_none() {
            return life.run().await;
        }
    }
    let router = routes::router(life.handle());
    life = if args.layer {
        let listen = args.listen.clone();
        let proxy = args.proxy_protocol.then(ProxyProtocol::from_anyone);
        life.task("api", |handle| {
            foreign::serve(listen, proxy, router, handle)
        })
    } else {
        serve(life, router, &args)
    };
    for fault in args.faults {
        life = fault.put_into(life);
    }
    if args.restart {
        life = life.component(WebSockets::new().restart().reason("deploy"));
    }
    life.close_with("last closer", || async { Ok::<_, Infallible>(()) })
        .flush_with("telemetry", || async { Ok::<_, Infallible>(()) })
        .run()
        .await
}

/// Has our own server serve.
fn serve(mut life: Lifecycle, router: axum::Router, args: &Args) -> Lifecycle {
    let mut api = Http::new("api", args.listen.clone(), router);
    if args.proxy_protocol {
        api = api.proxy_protocol(ProxyProtocol::from_anyone());
    }
    if let Some(timeout) = args.first_byte {
        api = api.first_byte_timeout(timeout);
    }
    if let Some(timeout) = args.idle {
        api = api.idle_timeout(timeout);
    }
    if let Some(most) = args.most {
        api = api.max_connections(most);
    }
    if let Some(mode) = args.socket_mode {
        api = api.socket_mode(mode);
    }
    if args.faults.contains(&Fault::TwoServers) {
        life = life.component(Http::new("api", "127.0.0.1:0", lameduck::doc::Hello));
    }
    if let (Some(cert), Some(key)) = (&args.tls_cert, &args.tls_key) {
        api = api.tls(Tls::files(cert, key));
    }
    life.component(api).task("greeter", |handle| async move {
        handle.phases().reached(Phase::Ready).await;
        let address = |name| handle.address(name).unwrap_or_else(|| "none".to_owned());
        println!("ready api={} probes={}", address("api"), address("probes"));
        Ok::<_, Infallible>(())
    })
}
