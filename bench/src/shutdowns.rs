//! Many shutdowns of the shop under mixed load: whether a request or an order is ever lost.
//!
//! The shop keeps its orders in one folder for the whole campaign. A client that was answered `201`
//! must find its order there after the shutdown; that is looked up in a shop started anew, and the
//! books are read by the accountant's way (`shop ledger`) while none runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use lameduck_check::ledger::{Round, Tally};
use lameduck_check::{
    Endpoint, Event, Judgement, Observer, Plan, RequestTemplate, RunOutcome, Verdict,
};
use serde::{Deserialize, Serialize};

use crate::client::{Connection, request};
use crate::pairs::Spread;
use crate::shop::{self, Shop};

/// Options of `shutdowns`.
#[derive(Args)]
pub struct Options {
    /// Shutdowns under load
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Decides the moments of the signals, the pauses of the clients and what they ask
    #[arg(long, default_value_t = 7)]
    seed: u64,

    /// Round trip between clients and shop
    #[arg(long, default_value_t = 0, value_name = "MS",
          value_parser = clap::value_parser!(u64).range(..=1000))]
    rtt: u64,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// The shop's grace.
const GRACE: Duration = Duration::from_secs(5);

/// Shutdowns between two looks at the orders. What was seen is kept in memory until then.
const STRETCH: u32 = 25;

/// Runs the campaign, prints what came of it, and says whether anything was lost.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let result = runtime.block_on(campaign(options))?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&result)?);
    } else {
        result.print();
    }
    Ok(if result.nothing_lost() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn campaign(options: &Options) -> anyhow::Result<Campaign> {
    let folder = tempfile::tempdir().context("cannot make a folder for the orders")?;
    let book = Book::new(options.rounds);
    let mut result = Campaign {
        seed: options.seed,
        rtt_ms: options.rtt,
        ..Campaign::default()
    };
    let mut done = 0;
    while done < options.rounds {
        let rounds = STRETCH.min(options.rounds - done);
        let mut plan = plan(folder.path(), options)?;
        plan.rounds = rounds;
        // A seed of its own for each stretch, none of which is another campaign's.
        plan.seed = (options.seed << 20) | u64::from(done);
        let outcome = lameduck_check::run(&plan, &book).await?;
        done += rounds;
        result.add(&outcome);
        let ids = std::mem::take(&mut book.notes().orders);
        result.orders.look_up(&ids, folder.path()).await?;
    }
    let notes = book.notes();
    result.rounds = notes.rounds;
    result.exits = notes.exits.clone();
    result.signal_to_exit_ms = Some(Spread::of(&notes.signal_to_exit_ms));
    Ok(result)
}

fn plan(folder: &Path, options: &Options) -> anyhow::Result<Plan> {
    let place = shop::Place::free()?;
    let mut command = place.command(folder, GRACE)?;
    let program = command.remove(0);
    let mut plan = Plan::new(
        Endpoint::parse(&place.url())?,
        std::iter::once(program).chain(command),
    );
    let order = RequestTemplate::post("/orders", r#"{"item":"pencil","quantity":3}"#)
        .header("content-type", "application/json")
        .keep_response(true);
    plan.get = vec![RequestTemplate::get("/work?ms=5"), order];
    plan.slow = vec![RequestTemplate::get("/work?ms=300")];
    plan.uploads = vec![RequestTemplate::post("/upload", vec![b'u'; 100_000])];
    plan.downloads = vec![RequestTemplate::get("/stream?ms=300")];
    plan.ready = Some(Endpoint::parse(&place.ready())?);
    plan.live = Some(Endpoint::parse(&place.live())?);
    plan.grace = GRACE;
    plan.rtt = Duration::from_millis(options.rtt);
    plan.startup_rounds = 0;
    plan.clients.keep_alive = 16;
    plan.clients.pooled = 10;
    plan.clients.per_request = 4;
    plan.clients.slow = 4;
    plan.clients.uploads = 3;
    plan.clients.downloads = 3;
    plan.clients.idle = 0;
    Ok(plan)
}

/// What is written down while rounds go by.
struct Book {
    rounds: u32,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    rounds: u32,
    requests: usize,
    lost: usize,
    /// Of orders that were answered `201` and have not been looked up yet.
    orders: Vec<i64>,
    exits: BTreeMap<String, u32>,
    signal_to_exit_ms: Vec<f64>,
}

impl Book {
    fn new(rounds: u32) -> Book {
        Book {
            rounds,
            notes: Mutex::default(),
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer to an order.
#[derive(Deserialize)]
struct Ordered {
    id: i64,
}

impl Observer for Book {
    fn on(&self, event: &Event<'_>) {
        let Event::RoundEnded { round } = event else {
            return;
        };
        let mut notes = self.notes();
        notes.orders.extend(orders(round));
        if round.kind != lameduck_check::ledger::RoundKind::Load {
            return;
        }
        notes.rounds += 1;
        notes.requests += round.exchanges.len();
        let lost = round.exchanges.iter().filter(|it| it.ending.is_lost());
        notes.lost += lost.count();
        let exit = match (round.exit.killed, round.exit.code, round.exit.signal) {
            (true, _, _) => "killed after its grace".to_owned(),
            (_, Some(code), _) => code.to_string(),
            (_, None, signal) => format!("signal {}", signal.unwrap_or_default()),
        };
        *notes.exits.entry(exit).or_default() += 1;
        let took = round.signal_to_exit().as_secs_f64() * 1e3;
        notes.signal_to_exit_ms.push(took);
        if notes.rounds.is_multiple_of(10) || notes.rounds == self.rounds {
            eprintln!(
                "{} of {} shutdowns: {} requests, {} lost",
                notes.rounds, self.rounds, notes.requests, notes.lost
            );
        }
    }
}

/// The orders that were answered in a round.
fn orders(round: &Round) -> impl Iterator<Item = i64> {
    round
        .exchanges
        .iter()
        .filter(|it| it.status == Some(201))
        .filter_map(|it| serde_json::from_slice::<Ordered>(it.body.as_ref()?).ok())
        .map(|ordered| ordered.id)
}

/// What came of a campaign.
#[derive(Default, Serialize)]
struct Campaign {
    rounds: u32,
    seed: u64,
    rtt_ms: u64,
    requests: u64,
    /// Of the requests: wholly written, and no whole response came.
    lost: u64,
    /// Of the requests: answered 500 or above.
    status_5xx: u64,
    orders: Orders,
    exits: BTreeMap<String, u32>,
    signal_to_exit_ms: Option<Spread>,
    /// Promises that were tried, how often, and how often they were broken.
    promises: BTreeMap<&'static str, Tried>,
    /// The first of what broke them.
    evidence: Vec<Verdict>,
}

#[derive(Default, Serialize)]
struct Tried {
    trials: u64,
    failures: u64,
}

/// What became of the orders.
#[derive(Default, Serialize)]
struct Orders {
    /// Answered `201`.
    answered: u64,
    /// Of these, not there after the shutdown.
    missing: u64,
    /// The first of the missing.
    first_missing: Option<i64>,
    /// In the books.
    booked: u64,
}

impl Orders {
    /// Looks for each order in a shop started anew, and into the books.
    async fn look_up(&mut self, ids: &[i64], folder: &Path) -> anyhow::Result<()> {
        self.booked = shop::booked(folder)?;
        let shop = Shop::start(folder, GRACE)?;
        let mut connection = Connection::open(shop.address).await?;
        for id in ids {
            self.answered += 1;
            // A `404` is an error, after which the connection cannot be used again.
            if let Err(error) = connection.ask(&request(&format!("/orders/{id}"))).await {
                eprintln!("order {id}: {error:#}");
                self.missing += 1;
                self.first_missing.get_or_insert(*id);
                connection = Connection::open(shop.address).await?;
            }
        }
        drop(connection);
        shop.stop()
    }
}

impl Campaign {
    fn add(&mut self, outcome: &RunOutcome) {
        let Tally {
            ok,
            ok_close,
            refused,
            unanswered,
            reset_before_response,
            eof_before_response,
            truncated,
            changed,
            status_5xx,
            timeout,
        } = outcome.tally;
        let lost = reset_before_response
            + eof_before_response
            + truncated
            + changed
            + timeout
            + unanswered;
        self.requests += ok + ok_close + refused + status_5xx + lost;
        self.lost += lost;
        self.status_5xx += status_5xx;
        for verdict in &outcome.verdicts {
            if verdict.judgement == Judgement::Skipped {
                continue;
            }
            let tried = self.promises.entry(verdict.name).or_default();
            tried.trials += verdict.trials;
            tried.failures += verdict.failures;
            if verdict.judgement == Judgement::Broken {
                eprintln!("{} was broken: {}", verdict.name, verdict.why);
                self.evidence.push(verdict.clone());
            }
        }
    }

    fn nothing_lost(&self) -> bool {
        self.lost == 0
            && self.status_5xx == 0
            && self.orders.missing == 0
            && self.promises.values().all(|tried| tried.failures == 0)
            && self.exits.keys().all(|exit| exit == "0")
    }

    fn print(&self) {
        let orders = &self.orders;
        println!("shutdowns            {}", self.rounds);
        println!("requests             {}", self.requests);
        println!("  lost               {}", self.lost);
        println!("  answered 5xx       {}", self.status_5xx);
        println!("orders answered 201  {}", orders.answered);
        println!("  missing afterwards {}", orders.missing);
        println!("  in the books       {}", orders.booked);
        for (exit, times) in &self.exits {
            println!("exit {exit:<15} {times} times");
        }
        if let Some(took) = self.signal_to_exit_ms {
            println!(
                "SIGTERM to exit      {:.0} ms ({:.0} to {:.0})",
                took.median, took.min, took.max
            );
        }
        for (name, tried) in &self.promises {
            println!("{name:<20} {} of {} broken", tried.failures, tried.trials);
        }
        for verdict in &self.evidence {
            for it in verdict.evidence.iter().take(3) {
                println!(
                    "  {}: round {}, {:+.1} ms, {}: {}",
                    verdict.name, it.round, it.at_ms, it.r#where, it.what
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_campaign_with_anything_lost_is_told() {
        assert!(Campaign::default().nothing_lost());
        let lost = |change: fn(&mut Campaign)| {
            let mut it = Campaign::default();
            change(&mut it);
            !it.nothing_lost()
        };
        assert!(lost(|it| it.lost = 1));
        assert!(lost(|it| it.orders.missing = 1));
        assert!(lost(|it| {
            it.exits.insert("124".to_owned(), 1);
        }));
        assert!(lost(|it| {
            it.promises.insert(
                "no-reset",
                Tried {
                    trials: 9,
                    failures: 1,
                },
            );
        }));
    }
}
