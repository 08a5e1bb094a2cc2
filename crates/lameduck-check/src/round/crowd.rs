//! The clients of a round: where they live, and how they come and go.
//!
//! # What must hold
//! - Where one of their threads stands still, the prover stood still, from the first moment on.
//! - Who is sent away has entered what it saw.

use std::future::Future;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use crate::error::CheckError;
use crate::ledger::{Connection, Ending, Exchange, Lane, Parting, Socket, Stall};
use crate::load::cores::Cores;
use crate::load::notebook::Client;
use crate::load::stage::Stage;
use crate::plan::Plan;

/// What is under way when the loads end has so long to end too, beside two round trips.
const LAST_ANSWERS: Duration = Duration::from_secs(4);

/// The seed of a round. Neighbouring seeds and rounds must not share their sequences.
pub(super) fn seed(plan: &Plan, number: u32) -> u64 {
    StdRng::seed_from_u64(plan.seed ^ (u64::from(number) << 40)).random()
}

/// The clients of a round.
pub(crate) struct Crowd {
    stage: Stage,
    clients: JoinSet<()>,
    cores: Cores,
}

/// What they saw.
pub(super) struct ClientNotes {
    pub(super) exchanges: Vec<Exchange>,
    pub(super) connections: Vec<Connection>,
    pub(super) sockets: Vec<Socket>,
    pub(super) shortages: Vec<(&'static str, u64)>,
}

impl ClientNotes {
    /// Leaves out what was still under way when the prover stopped waiting.
    pub(super) fn leave_out_what_did_not_end(&mut self) {
        self.exchanges.retain(|it| it.ending != Ending::Timeout);
        self.sockets
            .retain(|it| it.close.is_some() || it.parting != Parting::Client);
    }
}

impl Crowd {
    /// Nobody yet, and the threads for them. From here on it is noted when the prover itself stands still.
    pub(super) fn new(stage: Stage) -> Result<Self, CheckError> {
        let cores = Cores::start(&stage).map_err(no_thread)?;
        Ok(Self {
            stage,
            clients: JoinSet::new(),
            cores,
        })
    }

    /// Starts `count` clients of a load.
    pub(super) fn clients<F>(&mut self, lane: Lane, count: u32, client: impl Fn(Stage, Client) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        for number in 1..=count {
            self.client(lane, number, &client);
        }
    }

    /// Starts the client of a load that has this number.
    pub(super) fn client<F>(
        &mut self,
        lane: Lane,
        number: u32,
        client: impl FnOnce(Stage, Client) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let client = client(self.stage.clone(), Client { lane, number });
        self.cores.spawn(&mut self.clients, client);
    }

    /// Ends the loads, and gives what is under way time to end.
    pub(super) async fn end(&mut self, rtt: Duration) {
        self.stage.stop();
        let ended = async { while self.clients.join_next().await.is_some() {} };
        drop(tokio::time::timeout(LAST_ANSWERS + rtt * 2, ended).await);
    }

    /// Sends everybody away. Whoever still waits for a response is told that none comes.
    pub(super) async fn send_away(&mut self) {
        self.stage.stop();
        self.stage.seen_off().await;
        self.clients.shutdown().await;
    }

    /// When the prover itself stood still, once the loads are ended.
    pub(super) async fn stalls(&mut self) -> Vec<Stall> {
        self.cores.stalls().await
    }

    /// Takes what they saw.
    pub(super) fn notes(&self) -> Result<ClientNotes, CheckError> {
        let notebook = self.stage.notebook();
        let shortages = notebook.take_shortages();
        let sockets = notebook.take_sockets();
        let (exchanges, connections) = notebook.take().map_err(CheckError::Local)?;
        Ok(ClientNotes {
            exchanges,
            connections,
            sockets,
            shortages,
        })
    }
}

fn no_thread(error: std::io::Error) -> CheckError {
    CheckError::Local(format!(
        "the prover cannot start a thread for its clients: {error}; raise its limits (`ulimit -u`, `ulimit -n`)"
    ))
}
