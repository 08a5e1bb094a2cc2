//! What serving HTTP/1.1 through lameduck costs, beside `axum::serve` and hyper-util with the same `Router`, and
//! beside actix-web.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use futures_util::{StreamExt, TryStreamExt, stream};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use crate::certificate::Certificate;
use crate::client::{Connection, request};
use crate::pairs::{Pair, Row, Target, conclude};
use crate::process::{Process, allow_open_files};
use crate::serve::Server;

/// Rounds in turns that the processes are kept for. Two starts of one server differ by more than
/// the two servers do: where the system puts them, and which thread gets which connection.
const ROUNDS: u32 = 20;

/// Options of `http`.
#[derive(Args)]
pub struct Options {
    /// Rounds under load of each server, in turns
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Length of a round
    #[arg(long, default_value_t = 100, value_name = "MS",
          value_parser = clap::value_parser!(u64).range(10..))]
    round_ms: u64,

    /// Keep-alive connections under load
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,

    /// Idle keep-alive connections to weigh
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..=19_000))]
    idle: u32,

    /// Pairs of processes to weigh them in
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    idle_rounds: u32,

    /// Over TLS, beside axum-server with rustls
    #[arg(long)]
    tls: bool,

    /// Decides the order in each turn
    #[arg(long, default_value_t = 7)]
    seed: u64,

    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// What one round under load gave.
struct Round {
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
    /// Processor time of the server for one request.
    processor_us: f64,
}

/// Measures, prints, and says whether every target was met.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    allow_open_files(u64::from(options.idle.max(options.connections)) + 100)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let mut rng = StdRng::seed_from_u64(options.seed);

    let certificate = options.tls.then(Certificate::make).transpose()?;
    let certificate = certificate.as_ref();
    let neighbours: &[(Server, &str)] = match options.tls {
        // The others cannot speak it, or do it in their own way.
        true => &[(Server::Axum, "axum-server")],
        false => &[
            (Server::Axum, "axum"),
            (Server::HyperUtil, "hyper-util"),
            (Server::ActixWeb, "actix-web"),
        ],
    };
    let mut servers = vec![Server::Lameduck];
    servers.extend(neighbours.iter().map(|(server, _)| *server));
    let mut rounds = Vec::new();
    while rounds.len() < options.rounds as usize {
        let mut loaded = Vec::new();
        for server in &servers {
            loaded.push(runtime.block_on(Loaded::start(*server, certificate, options))?);
        }
        let left = options.rounds - rounds.len() as u32;
        rounds.extend(all_in_turns(
            left.min(ROUNDS),
            &mut rng,
            servers.len(),
            |i| runtime.block_on(loaded[i].round(Duration::from_millis(options.round_ms))),
        )?);
    }
    let weights = in_turns(options.idle_rounds, &mut rng, Server::Axum, |server| {
        runtime.block_on(weigh(server, certificate, options.idle))
    })?;

    let mut rows = Vec::new();
    for (i, (server, name)) in neighbours.iter().enumerate() {
        let column = |of: fn(&Round) -> f64| -> Vec<Pair> {
            rounds.iter().map(|r| (of(&r[0]), of(&r[i + 1]))).collect()
        };
        let mut row = |what: &str, unit, pairs: &[Pair], target| {
            rows.push(Row::ratio(format!("{what}, {name}"), unit, pairs, target));
        };
        let per_second = column(|r| r.per_second);
        let target = (*server == Server::Axum).then_some(Target::AtLeast(0.98));
        row("requests", "/s", &per_second, target);
        row("processor time", "µs", &column(|r| r.processor_us), None);
        row("median latency", "µs", &column(|r| r.p50_us), None);
        row("p99 latency", "µs", &column(|r| r.p99_us), None);
        if *server == Server::Axum {
            row(
                "idle connection",
                "KiB",
                &weights,
                Some(Target::AtMost(1.1)),
            );
        }
    }
    conclude("neighbour", &rows, options.json)
}

/// Measures lameduck and its neighbour, `rounds` times, one right after the other.
pub fn in_turns<T>(
    rounds: u32,
    rng: &mut StdRng,
    neighbour: Server,
    mut measure: impl FnMut(Server) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<(T, T)>> {
    (0..rounds)
        .map(|_| {
            if rng.random() {
                let ours = measure(Server::Lameduck)?;
                Ok((ours, measure(neighbour)?))
            } else {
                let theirs = measure(neighbour)?;
                Ok((measure(Server::Lameduck)?, theirs))
            }
        })
        .collect()
}

/// Measures each of `count` things, `rounds` times, one right after the other in an order that changes. Each round
/// has its figures in the order of the things.
pub fn all_in_turns<T>(
    rounds: u32,
    rng: &mut StdRng,
    count: usize,
    mut measure: impl FnMut(usize) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<Vec<T>>> {
    let mut order: Vec<usize> = (0..count).collect();
    (0..rounds)
        .map(|_| {
            order.shuffle(rng);
            let mut round = Vec::with_capacity(count);
            for i in &order {
                round.push((*i, measure(*i)?));
            }
            round.sort_by_key(|(i, _)| *i);
            Ok(round.into_iter().map(|(_, figure)| figure).collect())
        })
        .collect()
}

/// A server with the connections that load it.
struct Loaded {
    process: Process,
    /// Each with the length of the answer it gets.
    connections: Vec<(Connection, usize)>,
    request: Arc<[u8]>,
}

impl Loaded {
    /// Starts the server, connects, and has a round that does not count.
    async fn start(
        server: Server,
        certificate: Option<&Certificate>,
        options: &Options,
    ) -> anyhow::Result<Loaded> {
        let process = Process::start_with(server, certificate, &[], &[])?;
        let request: Arc<[u8]> = request("/").into();
        let mut connections = Vec::new();
        for _ in 0..options.connections {
            let mut connection = Connection::secure(process.address, certificate).await?;
            let length = connection.ask(&request).await?;
            connections.push((connection, length));
        }
        let mut loaded = Loaded {
            process,
            connections,
            request,
        };
        loaded
            .round(Duration::from_millis(options.round_ms))
            .await?;
        Ok(loaded)
    }

    /// Each connection asks again as soon as it has its answer.
    async fn round(&mut self, length: Duration) -> anyhow::Result<Round> {
        let processor_before = self.process.processor_time()?;
        let began = Instant::now();
        let end = began + length;
        let mut asking = JoinSet::new();
        for (mut connection, length) in self.connections.drain(..) {
            let request = self.request.clone();
            asking.spawn(async move {
                let mut nanos: Vec<u32> = Vec::new();
                let mut asked = Instant::now();
                while asked < end {
                    connection.ask_again(&request, length).await?;
                    let answered = Instant::now();
                    let took = answered.duration_since(asked).as_nanos();
                    nanos.push(u32::try_from(took).unwrap_or(u32::MAX));
                    asked = answered;
                }
                anyhow::Ok((connection, length, nanos))
            });
        }
        let mut all = Vec::new();
        while let Some(joined) = asking.join_next().await {
            let (connection, length, nanos) = joined.context("a client panicked")??;
            self.connections.push((connection, length));
            all.extend(nanos);
        }
        let took = began.elapsed();
        let processor = self
            .process
            .processor_time()?
            .saturating_sub(processor_before);
        if all.is_empty() {
            bail!("no request was answered in {took:?}: take longer rounds");
        }
        all.sort_unstable();
        let requests = all.len() as f64;
        let quantile_us = |q: f64| f64::from(all[((requests - 1.0) * q) as usize]) / 1000.0;
        Ok(Round {
            per_second: requests / took.as_secs_f64(),
            p50_us: quantile_us(0.5),
            p99_us: quantile_us(0.99),
            processor_us: processor.as_nanos() as f64 / 1000.0 / requests,
        })
    }
}

/// KiB of a fresh server's memory for each of `count` idle connections.
async fn weigh(
    server: Server,
    certificate: Option<&Certificate>,
    count: u32,
) -> anyhow::Result<f64> {
    let process = Process::start_with(server, certificate, &[], &[])?;
    // What the first connections make the server set up once is not theirs.
    drop(open_idle(process.address, certificate, 64).await?);
    let before = process.resident()?;
    let idle = open_idle(process.address, certificate, count).await?;
    let after = process.resident()?;
    drop(idle);
    Ok(after.saturating_sub(before) as f64 / 1024.0 / f64::from(count))
}

/// Opens keep-alive connections on each of which one request was answered. Some at a time: a server
/// that leaves Nagle's algorithm on takes 40 ms for a TLS handshake.
pub async fn open_idle(
    address: SocketAddr,
    certificate: Option<&Certificate>,
    count: u32,
) -> anyhow::Result<Vec<Connection>> {
    let get = request("/");
    let open = stream::iter(0..count).map(async |_| {
        let mut connection = Connection::secure(address, certificate).await?;
        connection.ask(&get).await?;
        anyhow::Ok(connection)
    });
    open.buffer_unordered(16).try_collect().await
}
