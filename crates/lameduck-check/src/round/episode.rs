//! An episode: clients are at work before, during and after a command that replaces or stops what serves.

use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use super::control;
use super::crowd::{self, Crowd};
use super::loads::{self, Load};
use super::start;
use crate::error::CheckError;
use crate::ledger::{Digest, Episode, Round, RoundKind};
use crate::load::stage::Stage;
use crate::observer::{Event, Observer};
use crate::plan::{Plan, Trigger};
use crate::target::{ProcessExit, TriggerRun, is_there, until_ready};
use crate::wire::Wire;

/// Before anything counts each client that keeps its connection has made so many requests...
const WARM_REQUESTS: u32 = 3;
/// ...in this time.
const WARM_UP_LIMIT: Duration = Duration::from_secs(15);
/// A deploy that takes longer is not waited for.
const TRIGGER_LIMIT: Duration = Duration::from_secs(3600);
/// An hour of requests is not kept until it is over.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(crate) async fn run(
    plan: &Plan,
    trigger: &Trigger,
    observer: &dyn Observer,
    number: u32,
) -> Result<Round, CheckError> {
    let kind = RoundKind::Episode;
    let unusable = |reason: std::io::Error| CheckError::Trigger {
        command: trigger.command.join(" "),
        reason,
    };
    if !trigger
        .command
        .first()
        .is_some_and(|program| is_there(program))
    {
        return Err(unusable(std::io::ErrorKind::NotFound.into()));
    }
    observer.on(&Event::RoundBegan { number, kind });
    let started = Instant::now();
    // What serves is there already, or it is somebody else's to start.
    let ready_at = until_ready(plan).await?;
    let seed = crowd::seed(plan, number);
    let stage = Stage::new(Wire::new(plan.rtt), plan.url.clone(), seed).of_an_episode();
    let mut crowd = Crowd::new(stage.clone())?;
    let loads = loads::of_an_episode(plan);
    start::going_on(&mut crowd, &loads, None);
    warm_up(&stage, &loads).await?;

    let began = Instant::now();
    tokio::time::sleep(trigger.before).await;
    control::is_healthy_on(&stage)?;
    let mut running = TriggerRun::start(&trigger.command).map_err(unusable)?;
    let triggered = running.began;
    stage.signalled(triggered);
    observer.on(&Event::Signalled { number, kind });
    let mut digest = Digest::new(began);
    let (exchanges, connections) = stage.notebook().take_ended(triggered);
    digest.see(exchanges, connections);
    digest.triggered(triggered);
    let exit = digesting(&mut digest, &stage, running.until_ended(TRIGGER_LIMIT)).await;
    let exit = exit.ok_or_else(|| CheckError::TriggerHangs {
        command: trigger.command.join(" "),
        limit: TRIGGER_LIMIT,
    })?;
    let over = exit.at.max(triggered);
    digest.over(over);
    digesting(&mut digest, &stage, tokio::time::sleep(trigger.after)).await;
    let ended = Instant::now();

    crowd.end(plan.rtt).await;
    crowd.send_away().await;
    let stalls = crowd.stalls().await;
    let notes = crowd.notes()?;
    digest.see(notes.exchanges, notes.connections);
    let seen = digest.digested(ended);
    let round = Round {
        number,
        kind,
        rtt: plan.rtt,
        started,
        ready_at: Some(ready_at),
        signals: vec![triggered],
        exit: ProcessExit { at: over, ..exit },
        tree: None,
        episode: Some(Episode {
            began,
            ended,
            expect_rollback: trigger.expect_rollback,
            output: running.output(),
            windows: seen.windows,
            tally: seen.tally,
            good: seen.good,
            unlisted: seen.unlisted,
            exchanges_each: seen.exchanges_each,
            connections_each: seen.connections_each,
        }),
        said_after_signal: String::new(),
        stuck_path: None,
        unserved: Default::default(),
        exchanges: seen.exchanges,
        connections: seen.connections,
        sockets: notes.sockets,
        shortages: notes.shortages,
        stalls,
        health: Vec::new(),
        readiness: Vec::new(),
        liveness: Vec::new(),
        audit: None,
        sessions: None,
    };
    observer.on(&Event::RoundEnded { round: &round });
    Ok(round)
}

/// Looks every second at what has ended, until this has.
async fn digesting<T>(digest: &mut Digest, stage: &Stage, until: impl Future<Output = T>) -> T {
    let mut until = pin!(until);
    loop {
        match tokio::time::timeout(LOOK_EVERY, &mut until).await {
            Ok(it) => return it,
            Err(_) => {
                // When the trigger has ended is known a moment later.
                let settled = Instant::now() - LOOK_EVERY;
                let (exchanges, connections) = stage.notebook().take_ended(settled);
                digest.see(exchanges, connections);
            }
        }
    }
}

/// Until every load is seen to be served; an error where one is not.
async fn warm_up(stage: &Stage, loads: &[Load]) -> Result<(), CheckError> {
    let deadline = Instant::now() + WARM_UP_LIMIT;
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        control::is_healthy_on(stage)?;
        match control::is_complete(stage, loads) {
            Ok(()) if stage.is_warm(WARM_REQUESTS) => return Ok(()),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Ok(()) if Instant::now() >= deadline => return Ok(()),
            _ => {}
        }
    }
}
