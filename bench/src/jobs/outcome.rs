//! What came of a campaign, and how it is shown.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::Options;
use super::accounts::Unfinished;
use super::place::On;
use super::worker::Gone;
use crate::pairs::Spread;

/// What came of it in one place.
#[derive(Debug, Serialize)]
pub struct Outcome {
    on: String,
    signal: &'static str,
    seed: u64,
    /// Shops that were stopped or killed under load.
    pub rounds: u32,
    /// Of these, with the next one started before.
    pub beside: u32,
    /// Orders that were answered `201`.
    pub answered: u64,
    /// Of these, not in the books.
    pub missing: Vec<i64>,
    /// Of these, without a receipt in the end.
    pub without_receipt: Vec<i64>,
    /// Orders in the books: those without an answer that were taken all the same are there too.
    pub booked: u64,
    /// Orders whose receipt was sent.
    pub receipts: u64,
    /// Receipts that were sent again.
    pub duplicates: u64,
    /// Orders that were wholly sent and not answered.
    pub unanswered: u64,
    /// Connections that were refused.
    pub refused: u64,
    /// Jobs that reports name as let go.
    pub let_go: u64,
    /// From the end of the time for draining to the start at another shop.
    given_back_to_started_ms: Option<Spread>,
    /// Jobs that ran when their shop was killed.
    killed: u64,
    /// From there to the start at another shop.
    killed_to_started_ms: Option<Spread>,
    exits: BTreeMap<String, u32>,
    signal_to_exit_ms: Option<Spread>,
    #[serde(skip)]
    took_ms: Vec<f64>,
    /// Sessions of which the server says that they ended without a goodbye, or were cut.
    pub bad_ends: Option<i64>,
    /// Everything that must not be.
    pub wrong: Vec<String>,
}

impl Outcome {
    /// Nothing has happened yet.
    pub fn new(on: On, options: &Options) -> Outcome {
        Outcome {
            on: on.name(),
            signal: if options.kill { "SIGKILL" } else { "SIGTERM" },
            seed: options.seed,
            rounds: 0,
            beside: 0,
            answered: 0,
            missing: Vec::new(),
            without_receipt: Vec::new(),
            booked: 0,
            receipts: 0,
            duplicates: 0,
            unanswered: 0,
            refused: 0,
            let_go: 0,
            given_back_to_started_ms: None,
            killed: 0,
            killed_to_started_ms: None,
            exits: BTreeMap::new(),
            signal_to_exit_ms: None,
            took_ms: Vec::new(),
            bad_ends: None,
            wrong: Vec::new(),
        }
    }

    /// A shop has ended.
    pub fn ended(&mut self, gone: &Gone) {
        let exit = gone
            .exit
            .map_or_else(|| "by a signal".to_owned(), |code| code.to_string());
        *self.exits.entry(exit).or_default() += 1;
        self.took_ms.push(gone.took.as_secs_f64() * 1e3);
        self.signal_to_exit_ms = Some(Spread::of(&self.took_ms));
        let let_go = gone.report.iter().flat_map(|report| &report.let_go);
        self.let_go += let_go.filter(|it| it.kind == "job").count() as u64;
    }

    /// When the jobs that could not be finished have started elsewhere.
    pub fn restarts(&mut self, given_back: &[Unfinished], killed: &[Unfinished]) {
        self.given_back_to_started_ms = waits(given_back);
        self.killed = killed.len() as u64;
        self.killed_to_started_ms = waits(killed);
    }

    /// Whether everything is as it must be.
    pub fn is_well(&self) -> bool {
        self.wrong.is_empty() && self.missing.is_empty() && self.without_receipt.is_empty()
    }
}

fn waits(all: &[Unfinished]) -> Option<Spread> {
    let ms = |waited: Duration| waited.as_secs_f64() * 1e3;
    let waits: Vec<f64> = all.iter().filter_map(|it| it.waited).map(ms).collect();
    (!waits.is_empty()).then(|| Spread::of(&waits))
}

/// Prints a column for each place, and then what is wrong.
pub fn print(outcomes: &[Outcome]) {
    let row = |what: &str, of: &dyn Fn(&Outcome) -> String| {
        let columns: Vec<String> = outcomes
            .iter()
            .map(|it| format!("{:>14}", of(it)))
            .collect();
        println!("{what:<30}{}", columns.join(" "));
    };
    let spread = |of: Option<Spread>| {
        of.map_or_else(
            || "-".to_owned(),
            |it| format!("{:.0} / {:.0}", it.median, it.max),
        )
    };
    row("", &|it| it.on.clone());
    row("shops ended", &|it| format!("{} {}", it.rounds, it.signal));
    row("  the next one beside", &|it| it.beside.to_string());
    row("orders answered 201", &|it| it.answered.to_string());
    row("  missing afterwards", &|it| it.missing.len().to_string());
    row("  without a receipt", &|it| {
        it.without_receipt.len().to_string()
    });
    row("orders in the books", &|it| it.booked.to_string());
    row("  receipts", &|it| it.receipts.to_string());
    row("  receipts sent again", &|it| it.duplicates.to_string());
    row("orders without an answer", &|it| it.unanswered.to_string());
    row("jobs let go", &|it| it.let_go.to_string());
    row("  to start elsewhere, ms", &|it| {
        spread(it.given_back_to_started_ms)
    });
    row("jobs killed", &|it| it.killed.to_string());
    row("  to start elsewhere, ms", &|it| {
        spread(it.killed_to_started_ms)
    });
    row("exits", &|it| {
        let exits: Vec<String> = it
            .exits
            .iter()
            .map(|(exit, n)| format!("{exit}: {n}"))
            .collect();
        exits.join(", ")
    });
    row("signal to exit, ms", &|it| spread(it.signal_to_exit_ms));
    row("sessions without a goodbye", &|it| {
        it.bad_ends
            .map_or_else(|| "-".to_owned(), |n| n.to_string())
    });
    println!("(ms: median / worst)");
    for it in outcomes.iter().filter(|it| !it.is_well()) {
        println!("\n{} is not as it must be", it.on);
        if !it.missing.is_empty() {
            println!(
                "  orders that were answered and are missing: {:?}",
                it.missing
            );
        }
        if !it.without_receipt.is_empty() {
            println!("  orders without a receipt: {:?}", it.without_receipt);
        }
        for wrong in it.wrong.iter().take(20) {
            println!("  {wrong}");
        }
        if it.wrong.len() > 20 {
            println!("  and {} more", it.wrong.len() - 20);
        }
    }
}
