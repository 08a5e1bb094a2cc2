//! Plans for the peers, each on free ports of its own.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lameduck_check::ledger::Round;
use lameduck_check::{
    Clients, Endpoint, Event, Judgement, Observer, Plan, RequestTemplate, RunOutcome, report, run,
};

/// An address that was free a moment ago.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port on the loopback")
}

/// A plan for a peer: one round of quick requests, and nothing else.
pub fn plan(program: &str, arguments: &[&str]) -> Plan {
    let listen = free_address();
    let url = Endpoint::parse(&format!("http://{listen}")).expect("an address is a URL");
    let own = [
        program.to_owned(),
        "--listen".to_owned(),
        listen.to_string(),
    ];
    let mut plan = Plan::new(
        url,
        own.into_iter()
            .chain(arguments.iter().map(|&argument| argument.to_owned())),
    );
    plan.get.push(RequestTemplate::get("/work?ms=20"));
    plan.rounds = 1;
    plan.startup_rounds = 0;
    plan.grace = Duration::from_secs(10);
    plan.clients = Clients {
        idle: 0,
        ..Clients::default()
    };
    plan
}

/// A plan for the server that does one thing wrong, with its probes and a grace of 3 s.
#[allow(dead_code, reason = "not every test has a use for it")]
pub fn faulty(fault: &str) -> Plan {
    let admin = free_address();
    let arguments = [
        "--admin",
        &admin.to_string(),
        "--fault",
        fault,
        "--grace",
        "3",
    ];
    let mut plan = plan(env!("CARGO_BIN_EXE_peer-faulty"), &arguments);
    plan.ready =
        Some(Endpoint::parse(&format!("http://{admin}/readyz")).expect("an address is a URL"));
    plan.live =
        Some(Endpoint::parse(&format!("http://{admin}/livez")).expect("an address is a URL"));
    plan.grace = Duration::from_secs(3);
    plan
}

/// Gives the server of [`faulty`] another grace, in seconds.
#[allow(dead_code, reason = "not every test has a use for it")]
pub fn with_grace(plan: &mut Plan, seconds: u64) {
    let mut arguments = plan.command.iter_mut();
    arguments.find(|argument| *argument == "--grace");
    let value = arguments.next().expect("a grace was set");
    *value = seconds.to_string();
    plan.grace = Duration::from_secs(seconds);
}

/// Runs it. Once more if something is undecided: on a busy machine the prover may itself have stood still, and says
/// so.
#[allow(dead_code, reason = "not every test has a use for it")]
pub async fn outcome(plan: &Plan) -> RunOutcome {
    outcome_and_rounds(plan).await.0
}

/// As [`outcome`], with all that was seen in its rounds.
pub async fn outcome_and_rounds(plan: &Plan) -> (RunOutcome, Vec<Round>) {
    const TRIES: u32 = 5;
    let mut tries = 1;
    loop {
        let keeper = Keeper::default();
        let outcome = run(plan, &keeper)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let mut verdicts = outcome.verdicts.iter();
        let is_undecided = verdicts.any(|it| it.judgement == Judgement::Undecided);
        if !is_undecided || tries == TRIES {
            let rounds = keeper.0.into_inner();
            return (outcome, rounds.unwrap_or_else(PoisonError::into_inner));
        }
        tries += 1;
    }
}

/// Keeps every round whole.
#[derive(Default)]
struct Keeper(Mutex<Vec<Round>>);

impl Observer for Keeper {
    fn on(&self, event: &Event<'_>) {
        if let Event::RoundEnded { round } = event {
            let mut rounds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            rounds.push((*round).clone());
        }
    }
}

/// The report, for the message of an assertion.
pub fn told(outcome: &RunOutcome) -> String {
    report::table(&report::CheckReport::of(outcome), report::Look::PLAIN)
}
