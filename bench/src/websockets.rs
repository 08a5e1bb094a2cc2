//! Ten thousand WebSockets on one process: what each costs beside the bare protocol crate, and whether a
//! shutdown closes all of them properly and at the pace that was set.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Args;
use futures_util::{SinkExt, StreamExt};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::http::in_turns;
use crate::pairs::{Row, conclude};
use crate::process::{Process, allow_open_files};
use crate::serve::Server;

/// Options of `websockets`.
#[derive(Args)]
pub struct Options {
    /// WebSockets on one process
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=19_000))]
    sockets: u32,

    /// Pairs of processes to weigh them in
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Shut down with these windows, one after the other
    #[arg(long, value_name = "DURATION", value_delimiter = ',', default_value = "2s,5s,8s",
          value_parser = humantime::parse_duration)]
    windows: Vec<Duration>,

    /// Decides who goes first in each pair
    #[arg(long, default_value_t = 7)]
    seed: u64,

    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

type Socket = WebSocketStream<TcpStream>;

/// How one socket ended.
#[derive(Debug)]
struct Ending {
    /// The code of the Close frame; 1006 if there was none, as in RFC 6455, 7.1.5.
    code: u16,
    at: Instant,
    /// Whether our answer was followed by the server's FIN.
    finished: bool,
}

/// A shutdown with all the sockets open.
#[derive(Debug, Serialize)]
struct Shutdown {
    window_ms: u128,
    sockets: usize,
    /// By the code of their Close frame.
    closed_with: BTreeMap<u16, usize>,
    /// Without the rest of the closing handshake.
    unfinished: usize,
    /// From the signal to the Close frame of this share of the sockets.
    first_ms: f64,
    half_ms: f64,
    last_ms: f64,
    /// The most that went within a tenth of a second, for each second.
    peak_per_second: usize,
    exit_ms: f64,
    exit_code: Option<i32>,
}

/// Measures, prints, and says whether every socket was closed as it should be.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    allow_open_files(u64::from(options.sockets) + 100)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let mut rng = StdRng::seed_from_u64(options.seed);
    let weights = in_turns(options.rounds, &mut rng, Server::Tungstenite, |server| {
        runtime.block_on(weigh(server, options.sockets))
    })?;
    let mut shutdowns = Vec::new();
    for window in &options.windows {
        shutdowns.push(shut_down(options.sockets, *window)?);
    }
    let kept = shutdowns.iter().all(Shutdown::is_kept);
    if options.json {
        println!("{}", serde_json::to_string_pretty(&shutdowns)?);
    } else {
        for it in &shutdowns {
            it.print();
        }
    }
    // Told and not judged: pages tell of the allocator too. `websocket_memory.rs` of lameduck-http judges, by bytes.
    let row = Row::ratio("memory for a WebSocket", "KiB", &weights, None);
    let light = conclude("tungstenite", &[row], options.json)?;
    Ok(if kept { light } else { ExitCode::FAILURE })
}

impl Shutdown {
    fn is_kept(&self) -> bool {
        self.closed_with.keys().all(|code| *code == 1001)
            && self.unfinished == 0
            && self.exit_code == Some(0)
            // All within the window, and spread over most of it: the pace follows the setting.
            && self.last_ms <= self.window_ms as f64 * 1.1 + 500.0
            && self.last_ms >= self.window_ms as f64 * 0.8
            && (self.half_ms / self.last_ms - 0.5).abs() < 0.1
    }

    fn print(&self) {
        let codes: Vec<String> = self
            .closed_with
            .iter()
            .map(|(code, n)| format!("{n} with {code}"))
            .collect();
        println!(
            "window {:.1} s: {} of {} unfinished; closed {}; the first after {:.0} ms, half after {:.0} ms, the \
             last after {:.0} ms, at most {} /s; exit {} after {:.0} ms: {}",
            self.window_ms as f64 / 1000.0,
            self.unfinished,
            self.sockets,
            codes.join(", "),
            self.first_ms,
            self.half_ms,
            self.last_ms,
            self.peak_per_second,
            self.exit_code
                .map_or_else(|| "by a signal".to_owned(), |code| code.to_string()),
            self.exit_ms,
            if self.is_kept() {
                "ok"
            } else {
                "NOT as it should be"
            },
        );
    }
}

/// KiB of a fresh server's memory for each of `count` WebSockets that have been used once.
async fn weigh(server: Server, count: u32) -> anyhow::Result<f64> {
    let process = Process::start(server)?;
    // What the first connections make the server set up once is not theirs.
    drop(open(process.address, 64).await?);
    let before = process.resident()?;
    let sockets = open(process.address, count).await?;
    let after = process.resident()?;
    drop(sockets);
    Ok(after.saturating_sub(before) as f64 / 1024.0 / f64::from(count))
}

/// Opens WebSockets, on each of which a message has come back.
async fn open(address: SocketAddr, count: u32) -> anyhow::Result<Vec<Socket>> {
    let mut sockets = Vec::with_capacity(count as usize);
    let config = WebSocketConfig::default().read_buffer_size(1024);
    for _ in 0..count {
        let stream = TcpStream::connect(address).await?;
        let url = format!("ws://{address}/ws");
        let (mut socket, _) =
            tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await?;
        socket.send(Message::text("hello")).await?;
        let echo = socket.next().await.context("the server closed")??;
        ensure!(echo == Message::text("hello"), "{echo} is no echo");
        sockets.push(socket);
    }
    Ok(sockets)
}

fn shut_down(count: u32, window: Duration) -> anyhow::Result<Shutdown> {
    // Two threads: the one that stops the process must not wait for those that read.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let window_text = format!("{}ms", window.as_millis());
    let window_variable = ("LAMEDUCK_WEBSOCKET_WINDOW", &*window_text);
    let process = Process::start_with(Server::Lameduck, None, &[window_variable], &[])?;
    let sockets = runtime.block_on(open(process.address, count))?;
    let mut ending = JoinSet::new();
    for socket in sockets {
        ending.spawn_on(end(socket), runtime.handle());
    }
    let stopped = process.stop(Duration::from_secs(60))?;
    let mut endings = runtime.block_on(ending.join_all());
    endings.sort_by_key(|it| it.at);
    let after = |at: Instant| {
        at.saturating_duration_since(stopped.signalled)
            .as_secs_f64()
            * 1e3
    };
    let (Some(first), Some(last)) = (endings.first(), endings.last()) else {
        bail!("there was no socket");
    };
    let mut tenths: BTreeMap<u128, usize> = BTreeMap::new();
    let mut closed_with = BTreeMap::new();
    for it in &endings {
        *closed_with.entry(it.code).or_default() += 1;
        let tenth = it
            .at
            .saturating_duration_since(stopped.signalled)
            .as_millis()
            / 100;
        *tenths.entry(tenth).or_default() += 1;
    }
    Ok(Shutdown {
        window_ms: window.as_millis(),
        sockets: endings.len(),
        closed_with,
        unfinished: endings.iter().filter(|it| !it.finished).count(),
        first_ms: after(first.at),
        half_ms: after(endings[endings.len() / 2].at),
        last_ms: after(last.at),
        peak_per_second: tenths.values().max().map_or(0, |most| most * 10),
        exit_ms: after(stopped.ended),
        exit_code: stopped.status.code(),
    })
}

/// Reads to the end, which answers the Close frame.
async fn end(mut socket: Socket) -> Ending {
    let mut code = 1006;
    let mut at = Instant::now();
    let ended_well = loop {
        match socket.next().await {
            Some(Ok(Message::Close(frame))) => {
                code = frame.map_or(1005, |it| it.code.into());
                at = Instant::now();
            }
            Some(Ok(_)) => {}
            Some(Err(_)) => break false,
            None => break true,
        }
    };
    Ending {
        code,
        at,
        finished: ended_well && code != 1006,
    }
}
