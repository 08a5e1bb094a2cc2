//! Round after round, with a stock-taking from time to time.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use lameduck::budget::Budget;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::Signal;
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Options;
use super::accounts;
use super::load::{self, Seen};
use super::outcome::Outcome;
use super::place::{On, Place};
use super::wire::Wire;
use super::worker::{Gone, LEASE, Worker};
use crate::shop::{Ledger, ledger};

/// Rounds between two stock-takings. A receipt that takes too long for any shop's time for draining
/// goes from one to the next until then.
const STRETCH: u32 = 10;

/// How long the last receipts may take after the last order: the longest takes 10 s, and has
/// perhaps to wait for a lease to end.
const SETTLES_WITHIN: Duration = Duration::from_secs(40);

/// How a round goes.
struct Round {
    /// The next shop is started before this one is stopped.
    beside: bool,
    seed: u64,
    /// From the beginning, when the next shop is ready if it is started before, to the signal.
    until_signal: Duration,
    /// From the signal to the last order.
    after_signal: Duration,
    /// Customers go to the next shop before the signal rather than after.
    early: bool,
    /// How long before or after.
    apart: Duration,
}

impl Round {
    fn draw(rng: &mut StdRng) -> Round {
        let mut ms = |from: u64, to: u64| Duration::from_millis(rng.random_range(from..=to));
        let (until_signal, after_signal, apart) = (ms(200, 1_500), ms(300, 800), ms(0, 150));
        Round {
            beside: rng.random_bool(0.8),
            seed: rng.random::<u64>() >> 8,
            until_signal,
            after_signal,
            early: rng.random(),
            apart,
        }
    }
}

struct Campaign<'a> {
    options: &'a Options,
    place: &'a Place,
    papers: &'a Path,
    outcome: Outcome,
    gone: Vec<Gone>,
    /// How many shops there have been.
    shops: u32,
    /// The books as they were last seen.
    books: Ledger,
    /// Of orders that were answered, and whose receipts have not been looked up.
    to_look_up: Vec<i64>,
}

/// Runs the campaign in one place. Must not be moved to another thread: the shops end with the one
/// that started them.
pub async fn run(
    options: &Options,
    on: On,
    place: &Place,
    papers: &Path,
) -> anyhow::Result<Outcome> {
    let budget = Budget::new(options.grace).context("--grace")?;
    let mut rng = StdRng::seed_from_u64(options.seed);
    let mut campaign = Campaign {
        options,
        place,
        papers,
        outcome: Outcome::new(on, options),
        gone: Vec::new(),
        shops: 0,
        books: Ledger::default(),
        to_look_up: Vec::new(),
    };
    place.prepare().await?;
    let mut shop = campaign.start().await?;
    for round in 1..=options.rounds {
        shop = campaign.round(shop, &Round::draw(&mut rng)).await?;
        let last = round == options.rounds;
        if last || round.is_multiple_of(STRETCH) {
            campaign.take_stock(&shop).await?;
            campaign.tell(round);
        }
    }
    let stopped = shop.signal(Signal::TERM)?;
    let last = shop.end(stopped).await?;
    if last.exit != Some(0) {
        let wrong = format!(
            "the last shop, which had nothing to do, ended with {:?}",
            last.exit
        );
        campaign.outcome.wrong.push(wrong);
    }
    campaign.gone.push(last);
    campaign.conclude(budget.drain_until()).await?;
    Ok(campaign.outcome)
}

impl Campaign<'_> {
    async fn start(&mut self) -> anyhow::Result<Worker> {
        self.shops += 1;
        let place = self.place.arguments();
        Worker::start(self.shops, &place, self.options.grace, self.papers).await
    }

    /// Ends `shop` and returns the next one.
    async fn round(&mut self, shop: Worker, round: &Round) -> anyhow::Result<Worker> {
        let (front, in_front) = watch::channel(shop.address);
        let end = CancellationToken::new();
        let _end_with_us = end.clone().drop_guard();
        let customers = tokio::spawn(load::order(in_front, round.seed, end.clone()));
        let next = match round.beside {
            true => Some(self.start().await?),
            false => None,
        };
        tokio::time::sleep(round.until_signal).await;
        let signal = match self.options.kill {
            true => Signal::KILL,
            false => Signal::TERM,
        };
        let switch = || next.as_ref().map(|next| front.send(next.address));
        let signalled = if round.early {
            switch();
            tokio::time::sleep(round.apart).await;
            shop.signal(signal)?
        } else {
            let signalled = shop.signal(signal)?;
            tokio::time::sleep(round.apart).await;
            switch();
            signalled
        };
        let ordering = async {
            tokio::time::sleep(round.after_signal).await;
            end.cancel();
            customers.await.context("the customers panicked")?
        };
        let (gone, seen) = tokio::join!(shop.end(signalled), ordering);
        self.seen(seen?);
        self.ended(gone?);
        let next = match next {
            Some(next) => next,
            None => {
                self.compare(ledger(&self.place.arguments())?);
                self.start().await?
            }
        };
        self.compare(books(&next).await?);
        self.outcome.rounds += 1;
        self.outcome.beside += u32::from(round.beside);
        Ok(next)
    }

    fn seen(&mut self, seen: Seen) {
        let round = self.outcome.rounds + 1;
        self.outcome.answered += seen.answered.len() as u64;
        self.outcome.unanswered += seen.lost.len() as u64;
        self.outcome.refused += seen.refused;
        self.to_look_up.extend(seen.answered);
        if !self.options.kill {
            let what = seen.lost.iter().chain(&seen.not_taken);
            let wrong = what.map(|what| format!("round {round}: an order came to nothing: {what}"));
            self.outcome.wrong.extend(wrong);
        }
    }

    fn ended(&mut self, gone: Gone) {
        if !self.options.kill {
            let wrong = accounts::of_the_end(&gone, self.options.grace);
            self.outcome.wrong.extend(wrong);
        }
        self.outcome.ended(&gone);
        self.gone.push(gone);
    }

    /// Looks whether the books have shrunk, or miss an order.
    fn compare(&mut self, now: Ledger) {
        let before = std::mem::replace(&mut self.books, now);
        let round = self.outcome.rounds + 1;
        if now.orders < before.orders || now.receipts < before.receipts {
            let wrong = format!("round {round}: the books have shrunk from {before:?} to {now:?}");
            self.outcome.wrong.push(wrong);
        }
        if now.orders < self.outcome.answered {
            let answered = self.outcome.answered;
            let wrong = format!("round {round}: {answered} orders were answered, {now:?}");
            self.outcome.wrong.push(wrong);
        }
    }

    /// Waits until every receipt is sent, and looks each order up.
    async fn take_stock(&mut self, shop: &Worker) -> anyhow::Result<()> {
        let deadline = Instant::now() + SETTLES_WITHIN + LEASE * 2;
        loop {
            let now = books(shop).await?;
            self.compare(now);
            if now.pending + now.running == 0 {
                break;
            }
            if Instant::now() > deadline {
                let wrong =
                    format!("there are orders without a receipt and there will be: {now:?}");
                self.outcome.wrong.push(wrong);
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        #[derive(Deserialize)]
        struct Order {
            receipt_sent: bool,
        }
        let mut wire = Wire::open(shop.address).await?;
        for id in std::mem::take(&mut self.to_look_up) {
            if !wire.is_open() {
                wire = Wire::open(shop.address).await?;
            }
            let answer = wire.get(&format!("/orders/{id}")).await?;
            match answer.status {
                200 if answer.json::<Order>()?.receipt_sent => {}
                200 => self.outcome.without_receipt.push(id),
                404 => self.outcome.missing.push(id),
                _ => bail!("/orders/{id}: {answer}"),
            }
        }
        Ok(())
    }

    fn tell(&self, round: u32) {
        let it = &self.outcome;
        eprintln!(
            "  {round} of {} rounds: {} orders, {} receipts, {} sent again, {} let go, {} wrong",
            self.options.rounds,
            self.books.orders,
            self.books.receipts,
            self.books.duplicates,
            it.let_go,
            it.wrong.len() + it.missing.len() + it.without_receipt.len(),
        );
    }

    /// What can be said when no shop runs any more.
    async fn conclude(&mut self, drain: Duration) -> anyhow::Result<()> {
        self.compare(ledger(&self.place.arguments())?);
        let sent_again = self.place.sent_again().await?;
        let let_go = accounts::let_go(&self.gone, drain);
        let killed = accounts::killed(&self.gone);
        let it = &mut self.outcome;
        it.booked = self.books.orders;
        it.receipts = self.books.receipts;
        it.duplicates = self.books.duplicates;
        it.restarts(&let_go, &killed);
        it.wrong.extend(accounts::of_the_given_back(&let_go));
        let bad_ends = self.place.bad_ends().await?;
        it.bad_ends = bad_ends.as_ref().map(|it| it.sessions);
        if !self.options.kill {
            let duplicates = accounts::of_the_duplicates(&sent_again, &let_go);
            it.wrong.extend(duplicates);
            if let Some(bad) = bad_ends.filter(|it| it.sessions > 0 || !it.log.is_empty()) {
                let sessions = bad.sessions;
                it.wrong
                    .push(format!("{sessions} sessions ended without a goodbye"));
                it.wrong.extend(bad.log);
            }
        }
        Ok(())
    }
}

/// The books, as a shop shows them.
async fn books(shop: &Worker) -> anyhow::Result<Ledger> {
    let answer = Wire::open(shop.address).await?.get("/ledger").await?;
    answer.json().with_context(|| format!("/ledger: {answer}"))
}
