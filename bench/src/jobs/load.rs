//! Customers who order without a pause longer than a moment.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::wire::{NoAnswer, Wire};

/// Customers who keep their connection.
const KEEP_ALIVE: u64 = 6;
/// Customers who connect anew for each order.
const PER_REQUEST: u64 = 4;
/// The longest pause between an answer and the next order.
const PAUSE_MS: u64 = 200;

/// What the customers saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// The orders that were answered `201`.
    pub answered: Vec<i64>,
    /// Whole requests without an answer.
    pub lost: Vec<String>,
    /// Answers that were not `201`.
    pub not_taken: Vec<String>,
    /// Connections that were refused, and requests that could not be written.
    pub refused: u64,
}

/// Orders until `end`, at the shop that is in front.
pub async fn order(
    front: watch::Receiver<SocketAddr>,
    seed: u64,
    end: CancellationToken,
) -> anyhow::Result<Seen> {
    let mut customers = JoinSet::new();
    for number in 0..KEEP_ALIVE + PER_REQUEST {
        let customer = Customer {
            front: front.clone(),
            rng: StdRng::seed_from_u64((seed << 8) | number),
            keeps: number < KEEP_ALIVE,
            seen: Seen::default(),
        };
        customers.spawn(customer.run(end.clone()));
    }
    let mut all = Seen::default();
    while let Some(seen) = customers.join_next().await {
        let seen = seen.context("a customer panicked")?;
        all.answered.extend(seen.answered);
        all.lost.extend(seen.lost);
        all.not_taken.extend(seen.not_taken);
        all.refused += seen.refused;
    }
    Ok(all)
}

struct Customer {
    front: watch::Receiver<SocketAddr>,
    rng: StdRng,
    /// The connection.
    keeps: bool,
    seen: Seen,
}

/// The answer to an order.
#[derive(Deserialize)]
struct Ordered {
    id: i64,
}

impl Customer {
    async fn run(mut self, end: CancellationToken) -> Seen {
        let mut kept: Option<Wire> = None;
        loop {
            let pause = Duration::from_millis(self.rng.random_range(1..=PAUSE_MS));
            tokio::time::sleep(pause).await;
            if end.is_cancelled() {
                return self.seen;
            }
            let order = self.next();
            let open = kept.take().filter(Wire::is_open);
            match self.buy(open, &order).await {
                Ok(wire) => kept = Some(wire).filter(|_| self.keeps),
                Err(NoAnswer::Lost(why)) => self.seen.lost.push(why),
                Err(NoAnswer::Refused(_) | NoAnswer::Unsent(_)) => self.seen.refused += 1,
            }
        }
    }

    async fn buy(&mut self, open: Option<Wire>, order: &str) -> Result<Wire, NoAnswer> {
        let mut wire = match open {
            Some(wire) => wire,
            None => {
                let address = *self.front.borrow();
                Wire::open(address).await?
            }
        };
        let answer = wire.post("/orders", order, !self.keeps).await?;
        match answer.json::<Ordered>() {
            Ok(ordered) if answer.status == 201 => self.seen.answered.push(ordered.id),
            _ => self.seen.not_taken.push(answer.to_string()),
        }
        Ok(wire)
    }

    fn next(&mut self) -> String {
        let quantity = self.rng.random_range(1..=9);
        let ms = receipt_ms(&mut self.rng);
        format!(r#"{{"item":"pencil","quantity":{quantity},"receipt_ms":{ms}}}"#)
    }
}

/// How long a receipt takes: 10 ms to 10 s, mostly little. One in a hundred takes longer than a
/// shop's time for draining, and is let go in a shutdown.
fn receipt_ms(rng: &mut StdRng) -> u64 {
    let (least, most) = match rng.random_range(0..100) {
        0 => (4_000_f64, 10_000_f64),
        1..15 => (300., 4_000.),
        _ => (10., 300.),
    };
    // As many between 10 and 20 as between 100 and 200.
    (least * (most / least).powf(rng.random())) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_take_from_10_ms_to_10_s_and_mostly_little() {
        let mut rng = StdRng::seed_from_u64(7);
        let mut all: Vec<u64> = (0..10_000).map(|_| receipt_ms(&mut rng)).collect();
        all.sort_unstable();
        assert!(all[0] >= 10 && all[9_999] <= 10_000);
        assert!(all[5_000] < 200, "half take less");
        assert!((50..200).contains(&all.iter().filter(|ms| **ms >= 4_000).count()));
    }
}
