//! What the in-flight ledger costs, beside `tokio_util::task::TaskTracker`.
//!
//! Each figure is one start and one end on a warm ledger (or tracker): a token or guard made and
//! dropped. With two threads, both share the one ledger, as the workers of a runtime do.

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use clap::Args;
use http::{Method, Uri};
use lameduck::inflight::Ledger;
use tokio_util::task::TaskTracker;

use crate::pairs::{Pair, Row, Target, conclude};

/// Options of `track`.
#[derive(Args)]
pub struct Options {
    /// Pairs of runs for each figure
    #[arg(long, default_value_t = 301, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,

    /// Starts and ends in a run, on each thread
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    ops: u32,

    /// Numbers of threads to measure with
    #[arg(long, value_delimiter = ',', default_value = "1,2",
          value_parser = clap::value_parser!(u8).range(1..=64))]
    threads: Vec<u8>,

    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// Measures, prints, and says whether every target was met.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let mut rows = Vec::new();
    for &threads in &options.threads {
        let (ledger, tracker) = (Ledger::new(), TaskTracker::new());
        let theirs = || || drop(black_box(tracker.token()));
        let counted = || || drop(black_box(ledger.track_unnamed()));
        let named = || || drop(black_box(ledger.track("request", "GET /orders")));
        let request = || {
            // Each thread has a request of its own, as in a server.
            let uri: Uri = "/orders/17?full=1".parse().expect("a constant that parses");
            let (method, ledger) = (Method::GET, &ledger);
            move || {
                drop(black_box(
                    ledger.track("request", lameduck::request_name(&method, &uri)),
                ))
            }
        };
        let mut row = |what: &str, most: f64, pairs: &[Pair]| {
            let plural = if threads == 1 { "" } else { "s" };
            let what = format!("{what}, {threads} thread{plural}");
            rows.push(Row::ratio(what, "ns", pairs, Some(Target::AtMost(most))));
        };
        row(
            "count",
            1.0,
            &interleaved(options, threads, counted, theirs),
        );
        row(
            "track, static name",
            3.0,
            &interleaved(options, threads, named, theirs),
        );
        row(
            "track, request's name",
            3.0,
            &interleaved(options, threads, request, theirs),
        );
    }
    conclude("TaskTracker", &rows, options.json)
}

/// Nanoseconds for one call of each, in turns. Each thread makes its own of both; the figure is the
/// mean over the threads.
fn interleaved<A: Fn(), B: Fn()>(
    options: &Options,
    threads: u8,
    make_ours: impl Fn() -> A + Sync,
    make_theirs: impl Fn() -> B + Sync,
) -> Vec<Pair> {
    let gate = Barrier::new(usize::from(threads));
    let worker = || {
        let (ours, theirs) = (make_ours(), make_theirs());
        let mut pairs = Vec::with_capacity(options.pairs as usize);
        // The first pair warms caches and ledger and is not counted.
        for round in 0..=options.pairs {
            gate.wait();
            let a = time(options.ops, &ours);
            gate.wait();
            let b = time(options.ops, &theirs);
            if round > 0 {
                pairs.push((a, b));
            }
        }
        pairs
    };
    let per_thread: Vec<Vec<Pair>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            // A panic in a worker is a defect of this program; pass it on.
            .map(|w| w.join().unwrap_or_else(|p| std::panic::resume_unwind(p)))
            .collect()
    });
    let mean = |round: usize, of: fn(&Pair) -> f64| {
        per_thread.iter().map(|t| of(&t[round])).sum::<f64>() / f64::from(threads)
    };
    (0..options.pairs as usize)
        .map(|round| (mean(round, |p| p.0), mean(round, |p| p.1)))
        .collect()
}

fn time(ops: u32, op: &impl Fn()) -> f64 {
    let began = Instant::now();
    for _ in 0..ops {
        op();
    }
    began.elapsed().as_nanos() as f64 / f64::from(ops)
}
