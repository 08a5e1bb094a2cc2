//! What the worker loop costs: jobs that do nothing, taken by lameduck and by the bare consumer of
//! the queue's own crate, in turns.

mod counter;
mod nats;
mod postgres;
mod rabbitmq;
mod redis;
mod sqlite;

use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use lameduck::{Job, Jobs, Lifecycle, Queue};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::pairs::{Pair, Row, Target, conclude};
use counter::Counter;

/// How many jobs run at the same time, ours and theirs.
const CONCURRENCY: usize = 16;

/// How many jobs lameduck holds at most: as many again are fetched ahead. What a bare consumer is
/// told to prefetch.
const HELD: usize = 2 * CONCURRENCY;

/// Options of `queues`.
#[derive(Args)]
pub struct Options {
    /// Pairs of runs on each queue
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Jobs in a run
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(100..))]
    jobs: u64,

    /// Decides who goes first in each pair
    #[arg(long, default_value_t = 7)]
    seed: u64,

    /// Which queues. Default: all
    #[arg(long, value_enum, value_delimiter = ',')]
    on: Vec<On>,

    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// A queue, and the neighbour on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum On {
    /// A worker of apalis-sqlite
    Sqlite,
    /// A worker of apalis-postgres
    Postgres,
    /// A worker of apalis-redis
    Redis,
    /// basic_consume of lapin, basic_ack for each
    Rabbitmq,
    /// A pull consumer of async-nats, an ack for each
    Nats,
}

/// One way to work off a queue.
trait Bench {
    /// What the bare consumers are called: each is compared with lameduck.
    fn neighbours(&self) -> Vec<Neighbour>;

    /// Puts `jobs` jobs into the queue called `queue`, which nobody has used yet.
    async fn fill(&mut self, queue: &str, jobs: u64) -> anyhow::Result<()>;

    /// Works off `queue` with lameduck until the counter is full.
    async fn ours(&self, queue: &str, counter: &Counter) -> anyhow::Result<()>;

    /// The same with a neighbour.
    async fn theirs(
        &self,
        neighbour: Neighbour,
        queue: &str,
        counter: &Counter,
    ) -> anyhow::Result<()>;
}

/// A bare consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Neighbour {
    /// Default: as it is.
    AsItIs,
    /// Fetches as many at a time as lameduck.
    SameBatches,
    /// Runs each job in a task of its own, as many at a time as lameduck.
    Tasks,
    /// Waits for the answer to each acknowledgement, as lameduck does.
    Confirmed,
}

/// Measures, prints, and says whether every target was met.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let everything = On::value_variants();
    let on = match options.on.is_empty() {
        true => everything,
        false => &options.on,
    };
    let mut rows = Vec::new();
    for on in on {
        let measured = runtime.block_on(measure(*on, options));
        let name = on
            .to_possible_value()
            .map_or_else(String::new, |v| v.get_name().to_owned());
        rows.extend(measured.with_context(|| format!("on {name}"))?);
    }
    conclude("bare", &rows, options.json)
}

async fn measure(on: On, options: &Options) -> anyhow::Result<Vec<Row>> {
    match on {
        On::Sqlite => pairs("sqlite", sqlite::Sqlite::open().await?, options).await,
        On::Postgres => match real_servers::or_skip(real_servers::Postgres::start()) {
            Some(server) => {
                let bench = postgres::Postgres::open(&server.url()).await?;
                pairs("postgres", bench, options).await
            }
            None => Ok(Vec::new()),
        },
        On::Redis => match real_servers::or_skip(real_servers::Redis::start()) {
            Some(server) => {
                let bench = redis::Redis::open(&server.url()).await?;
                pairs("redis", bench, options).await
            }
            None => Ok(Vec::new()),
        },
        On::Rabbitmq => match real_servers::or_skip(real_servers::RabbitMqServer::start()) {
            Some(server) => {
                let bench = rabbitmq::RabbitMq::open(&server.url()).await?;
                pairs("rabbitmq", bench, options).await
            }
            None => Ok(Vec::new()),
        },
        On::Nats => match real_servers::or_skip(real_servers::Nats::start()) {
            Some(server) => {
                let bench = nats::Nats::open(&server.url()).await?;
                pairs("nats", bench, options).await
            }
            None => Ok(Vec::new()),
        },
    }
}

async fn pairs(name: &str, mut bench: impl Bench, options: &Options) -> anyhow::Result<Vec<Row>> {
    let mut rng = StdRng::seed_from_u64(options.seed);
    let mut rows = Vec::new();
    let mut runs = 0;
    for neighbour in bench.neighbours() {
        let mut pairs: Vec<Pair> = Vec::new();
        // The first pair warms up and does not count.
        for round in 0..=options.rounds {
            let mut pair = (f64::NAN, f64::NAN);
            let ours_first: bool = rng.random();
            for ours in [ours_first, !ours_first] {
                runs += 1;
                let queue = format!("bench-{runs}");
                bench.fill(&queue, options.jobs).await?;
                let counter = Counter::new(options.jobs);
                if ours {
                    bench.ours(&queue, &counter).await?;
                    pair.0 = counter.per_second();
                } else {
                    bench.theirs(neighbour, &queue, &counter).await?;
                    pair.1 = counter.per_second();
                }
            }
            eprintln!(
                "{name}, {neighbour:?} {round}: {:.0} /s, bare {:.0} /s",
                pair.0, pair.1
            );
            if round > 0 {
                pairs.push(pair);
            }
        }
        let what = match neighbour {
            Neighbour::AsItIs => format!("jobs, {name}"),
            Neighbour::SameBatches => format!("jobs, {name}, same batches"),
            Neighbour::Tasks => format!("jobs, {name}, a task for each"),
            Neighbour::Confirmed => format!("jobs, {name}, acks confirmed"),
        };
        rows.push(Row::ratio(what, "/s", &pairs, Some(Target::AtLeast(0.95))));
    }
    Ok(rows)
}

/// Works off a queue with a lifecycle around it.
async fn lameduck(queue: impl Queue, counter: &Counter) -> anyhow::Result<()> {
    let handler = {
        let counter = counter.clone();
        move |_job: u64, _: Job| {
            counter.count();
            async { Ok::<(), std::convert::Infallible>(()) }
        }
    };
    let jobs = Jobs::new("bench", queue, handler).concurrency(CONCURRENCY);
    let life = Lifecycle::embedded().component(jobs);
    let handle = life.handle();
    let life = tokio::spawn(life.run());
    counter.full().await?;
    handle.shutdown("all is done");
    let exit = life.await.context("the lifecycle panicked")?;
    match exit == lameduck::Exit::CLEAN {
        true => Ok(()),
        false => Err(anyhow!("the worker ended with {exit:?}")),
    }
}

/// Works off a queue with a consumer that runs until it is cancelled.
async fn bare<E: Into<anyhow::Error> + Send + 'static>(
    consumer: impl Future<Output = Result<(), E>> + Send + 'static,
    counter: &Counter,
) -> anyhow::Result<()> {
    let consumer = tokio::spawn(consumer);
    let abort = consumer.abort_handle();
    let counted = tokio::select! {
        counted = counter.full() => counted,
        ended = consumer => match ended.context("the consumer panicked")? {
            Ok(()) => Err(anyhow!("the consumer has ended")),
            Err(error) => Err(error.into()),
        },
    };
    abort.abort();
    counted
}
