//! What every round has: a started target, clients, probe watchers, and the way it all ends.

use std::future::Future;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinHandle;

use super::crowd::{self, Crowd};
use crate::books::{Accountant, Books, OpenBooks};
use crate::database::{UnderWatch, Watch};
use crate::error::CheckError;
use crate::ledger::{HealthSample, Lane, Round, RoundKind, Sample};
use crate::load::barrier::Cue;
use crate::load::notebook::Client;
use crate::load::stage::Stage;
use crate::load::{grpc_health, probe};
use crate::observer::{Event, Observer};
use crate::plan::Plan;
use crate::target::{self, Capability, ProcessExit, Target};
use crate::wire::Wire;

/// Clients are asked to end this long before the target is killed, so that what hangs is told from what the
/// killing cut.
const LAST_CALL: Duration = Duration::from_secs(1);
/// The signal waits so long for clients that are not where it is to catch them, and four round trips.
const BARRIER: Duration = Duration::from_millis(600);

/// A round under way.
pub(crate) struct Scene<'a> {
    pub(crate) plan: &'a Plan,
    observer: &'a dyn Observer,
    number: u32,
    kind: RoundKind,
    pub(crate) target: Box<dyn Target>,
    ready_at: Option<Instant>,
    signals: Vec<Instant>,
    pub(crate) stage: Stage,
    pub(crate) random: StdRng,
    pub(crate) stuck_path: Option<String>,
    unserved: Vec<String>,
    pub(crate) crowd: Crowd,
    readiness: Option<JoinHandle<Vec<Sample>>>,
    liveness: Option<JoinHandle<Vec<Sample>>>,
    health: Option<JoinHandle<Vec<HealthSample>>>,
    books: Option<OpenBooks>,
    sessions: Option<UnderWatch>,
    deadline: Option<Instant>,
    /// What has not ended at the deadline might have, later.
    is_left_early: bool,
}

impl<'a> Scene<'a> {
    /// Starts the target; does not wait until it is ready.
    pub(crate) async fn open(
        plan: &'a Plan,
        observer: &'a dyn Observer,
        number: u32,
        kind: RoundKind,
    ) -> Result<Self, CheckError> {
        observer.on(&Event::RoundBegan { number, kind });
        let seed = crowd::seed(plan, number);
        let made = match plan.relay {
            true => plan.rtt,
            false => Duration::ZERO,
        };
        let stage = Stage::new(Wire::new(made), plan.url.clone(), seed);
        Ok(Self {
            crowd: Crowd::new(stage.clone())?,
            target: target::start(plan).await?,
            plan,
            observer,
            number,
            kind,
            ready_at: None,
            signals: Vec::new(),
            stage,
            random: StdRng::seed_from_u64(seed),
            stuck_path: None,
            unserved: Vec::new(),
            readiness: None,
            liveness: None,
            health: None,
            books: None,
            sessions: None,
            deadline: None,
            is_left_early: false,
        })
    }

    /// Waits until the target is ready.
    pub(crate) async fn ready(&mut self) -> Result<(), CheckError> {
        self.ready_at = Some(self.target.ready(self.plan).await?);
        let (served, unserved) = probe::survey(&self.plan.url).await;
        self.stage.served_at(served);
        self.unserved = unserved.iter().map(ToString::to_string).collect();
        Ok(())
    }

    /// Starts the probe watchers that the plan names.
    pub(crate) fn watch_probes(&mut self) {
        let watch = |endpoint: &Option<_>| {
            endpoint
                .clone()
                .map(|endpoint| tokio::spawn(probe::watch(self.stage.clone(), endpoint)))
        };
        self.readiness = watch(&self.plan.ready);
        self.liveness = watch(&self.plan.live);
    }

    /// From here on the gRPC health service is asked.
    pub(crate) fn watch_grpc_health(&mut self) {
        let watcher = grpc_health::watch(self.stage.clone(), self.plan.url.clone());
        self.health = Some(tokio::spawn(watcher));
    }

    /// Looks into the target's books, once it had time to finish what it found in them.
    pub(crate) async fn open_books(
        &mut self,
        accountant: Accountant,
        known: Option<Books>,
        is_to_be_closed: bool,
    ) -> Result<(), CheckError> {
        let books = OpenBooks::open(accountant, self.plan, known, is_to_be_closed).await?;
        self.books = Some(books);
        Ok(())
    }

    /// From here on the target's database sessions are watched.
    pub(crate) fn watch_sessions(&mut self, watch: Watch) {
        self.sessions = Some(watch.begin());
    }

    /// Starts `count` clients of a load.
    pub(crate) fn clients<F>(&mut self, lane: Lane, count: u32, client: impl Fn(Stage, Client) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.crowd.clients(lane, count, client);
    }

    /// For a client that is to be caught at its moment by the signal, which waits for it.
    pub(crate) fn cue(&self, signal: Instant) -> Cue {
        Cue::new(&self.stage, signal, self.plan.rtt)
    }

    /// Sends the signal at a moment, or as soon after it as everybody who was given a cue is where it is to be caught.
    pub(crate) async fn first_signal(&mut self, at: Instant) -> Result<(), CheckError> {
        tokio::time::sleep_until(at.into()).await;
        let limit = BARRIER + self.plan.rtt * 4;
        // Who does not get there in time is not caught there, and says nothing.
        drop(tokio::time::timeout(limit, self.stage.barrier().is_complete()).await);
        self.signal().await
    }

    /// Sends the plan's signal, once more or for the first time.
    pub(crate) async fn signal(&mut self) -> Result<(), CheckError> {
        let at = self.target.signal(self.plan.signal).await?;
        self.signals.push(at);
        self.stage.signalled(at);
        self.observer.on(&Event::Signalled {
            number: self.number,
            kind: self.kind,
        });
        Ok(())
    }

    /// What this round is for is known by then at the latest, so the target is waited for no longer.
    pub(crate) fn known_by(&mut self, moment: Instant) {
        self.deadline = Some(moment + LAST_CALL);
    }

    /// The target is waited for so long from its signal, and what has not ended by then says nothing: it might have, later.
    pub(crate) fn leaves_it_at(&mut self, after: Duration) {
        let from = self.signals.first().copied().unwrap_or_else(Instant::now);
        if from + after < self.last_call() {
            self.known_by(from + after);
            self.is_left_early = true;
        }
    }

    /// When clients are sent away at the latest.
    pub(crate) fn last_call(&self) -> Instant {
        let from = self.signals.first().copied().unwrap_or_else(Instant::now);
        from + self.plan.patience() - LAST_CALL
    }

    /// A random moment between two durations from now.
    pub(crate) fn moment(&mut self, from: Duration, to: Duration) -> Instant {
        let span = from.as_micros() as u64..=to.as_micros() as u64;
        Instant::now() + Duration::from_micros(self.random.random_range(span))
    }

    /// Waits for the target's end, kills it when its time is up, ends the clients, and closes the account.
    pub(crate) async fn close(mut self) -> Result<Round, CheckError> {
        let from = self.signals.first().copied().unwrap_or_else(Instant::now);
        let patience = from + self.plan.patience();
        let deadline = self.deadline.map_or(patience, |it| it.min(patience));
        let mut exit = self.target.wait_until(deadline - LAST_CALL).await;
        let is_left = exit.is_none() && self.is_left_early;
        if exit.is_none() {
            self.stage.stop();
            let late = self.target.wait_until(deadline).await;
            exit = late.map(|exit| ProcessExit {
                released: true,
                ..exit
            });
        }
        if exit.is_some() {
            // What the target's end sent is still under way to the clients.
            tokio::time::sleep(Duration::from_millis(30) + self.plan.rtt).await;
            self.crowd.end(self.plan.rtt).await;
        }
        // Before the killing can look like a reset.
        self.crowd.send_away().await;
        let exit = match exit {
            Some(exit) => exit,
            None => self.target.give_up().await,
        };
        let tree = self.target.clear_away().await;
        let readiness = collect(self.readiness.take()).await;
        let liveness = collect(self.liveness.take()).await;
        let health = collect(self.health.take()).await;
        let stalls = self.crowd.stalls().await;
        let said_after_signal = match self.target.capabilities().has(Capability::Output) {
            true => {
                self.target.drain().await;
                self.target.said_since(from)
            }
            false => String::new(),
        };
        // First the sessions, then the books: whoever reads those may need a session of its own.
        let sessions = match self.sessions.take() {
            Some(watch) => Some(watch.finish(from, exit.at).await),
            None => None,
        };
        let audit = match self.books.take() {
            Some(books) => Some(books.close().await?),
            None => None,
        };
        let mut notes = self.crowd.notes()?;
        if is_left {
            notes.leave_out_what_did_not_end();
        }
        let mut round = Round {
            number: self.number,
            kind: self.kind,
            rtt: self.plan.rtt,
            started: self.target.started(),
            ready_at: self.ready_at,
            tree,
            episode: None,
            said_after_signal,
            signals: self.signals,
            exit,
            stuck_path: self.stuck_path,
            exchanges: notes.exchanges,
            connections: notes.connections,
            sockets: notes.sockets,
            shortages: notes.shortages,
            unserved: self.unserved,
            stalls,
            health,
            readiness,
            liveness,
            audit,
            sessions,
        };
        round.mark_changes();
        self.observer.on(&Event::RoundEnded { round: &round });
        Ok(round)
    }
}

async fn collect<T>(watcher: Option<JoinHandle<Vec<T>>>) -> Vec<T> {
    match watcher {
        Some(watcher) => watcher.await.unwrap_or_default(),
        None => Vec::new(),
    }
}
