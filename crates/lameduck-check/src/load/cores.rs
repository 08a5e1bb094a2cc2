//! The threads that clients live on: one for each core that the prover may use, each with a runtime of its own, so that
//! a client's request costs no wake-up on another core.
//!
//! # What must hold
//! - A client stays where it began, with its connections and timers.
//! - Each thread looks at its own clock: where one of them stands still, the prover stood still.
//! - The threads end with the round, and what lives on them with it.

use std::convert::Infallible;
use std::future::Future;
use std::io;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use super::own_pace;
use super::stage::Stage;
use crate::ledger::Stall;

/// The threads of a round.
pub(crate) struct Cores {
    cores: Vec<Core>,
    turn: usize,
}

struct Core {
    runtime: Handle,
    stalls: JoinHandle<Vec<Stall>>,
    /// Dropped, it ends the thread.
    _lives: oneshot::Sender<Infallible>,
}

impl Cores {
    /// Starts them. Their clocks are looked at until the loads are ended.
    ///
    /// # Errors
    /// Those of the system, which may have no thread or no descriptor left.
    pub(crate) fn start(stage: &Stage) -> io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let start = |number: usize| {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            let (lives, ended) = oneshot::channel::<Infallible>();
            std::thread::Builder::new()
                .name(format!("lameduck-load-{number}"))
                .spawn(move || _ = runtime.block_on(ended))?;
            Ok(Core {
                stalls: handle.spawn(own_pace::watch(stage.clone())),
                runtime: handle,
                _lives: lives,
            })
        };
        let cores = (0..count).map(start).collect::<io::Result<_>>()?;
        Ok(Self { cores, turn: 0 })
    }

    /// Runs a client on one of them, each in turn.
    pub(crate) fn spawn(
        &mut self,
        clients: &mut JoinSet<()>,
        client: impl Future<Output = ()> + Send + 'static,
    ) {
        let core = &self.cores[self.turn % self.cores.len()];
        clients.spawn_on(client, &core.runtime);
        self.turn += 1;
    }

    /// When any of them stood still, once the loads are ended.
    pub(crate) async fn stalls(&mut self) -> Vec<Stall> {
        let mut stalls = Vec::new();
        for core in &mut self.cores {
            stalls.extend((&mut core.stalls).await.unwrap_or_default());
        }
        own_pace::merged(stalls)
    }
}
