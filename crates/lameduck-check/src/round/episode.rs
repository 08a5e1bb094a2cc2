//! An episode: clients are at work before, during and after a command that replaces or stops what serves.

use std::time::{Duration, Instant};

use super::control;
use super::crowd::{self, Crowd};
use super::lasting;
use crate::error::CheckError;
use crate::ledger::{Episode, Lane, Round, RoundKind};
use crate::load::keep_alive;
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
    let stage = Stage::new(Wire::new(plan.rtt), plan.url.clone(), seed).resolving_names();
    let mut crowd = Crowd::new(stage.clone())?;
    loads(&mut crowd, plan);
    warm_up(plan, &stage).await?;

    let began = Instant::now();
    tokio::time::sleep(trigger.before).await;
    control::is_healthy_on(&stage)?;
    let mut running = TriggerRun::start(&trigger.command).map_err(unusable)?;
    let triggered = running.began;
    stage.signalled(triggered);
    observer.on(&Event::Signalled { number, kind });
    let exit = running.until_ended(TRIGGER_LIMIT).await;
    let exit = exit.ok_or_else(|| CheckError::TriggerHangs {
        command: trigger.command.join(" "),
        limit: TRIGGER_LIMIT,
    })?;
    tokio::time::sleep(trigger.after).await;
    let ended = Instant::now();

    crowd.end(plan.rtt).await;
    crowd.send_away().await;
    let stalls = crowd.stalls().await;
    let notes = crowd.notes()?;
    let mut round = Round {
        number,
        kind,
        rtt: plan.rtt,
        started,
        ready_at: Some(ready_at),
        signals: vec![triggered],
        exit: ProcessExit {
            at: exit.at.max(triggered),
            ..exit
        },
        tree: None,
        episode: Some(Episode {
            began,
            ended,
            expect_rollback: trigger.expect_rollback,
            output: running.output(),
        }),
        said_after_signal: String::new(),
        stuck_path: None,
        unserved: Default::default(),
        exchanges: notes.exchanges,
        connections: notes.connections,
        sockets: notes.sockets,
        shortages: notes.shortages,
        stalls,
        health: Vec::new(),
        readiness: Vec::new(),
        liveness: Vec::new(),
        audit: None,
        sessions: None,
    };
    round.mark_changes();
    observer.on(&Event::RoundEnded { round: &round });
    Ok(round)
}

/// Every load that goes on for as long as one likes. What is open or half way at a signal has none here.
fn loads(crowd: &mut Crowd, plan: &Plan) {
    lasting::begin(crowd, plan, None);
    let counts = &plan.clients;
    // One after the other, each to its end.
    for (lane, count, requests) in [
        (Lane::Slow, counts.slow, &plan.slow),
        (Lane::Upload, counts.uploads, &plan.uploads),
        (Lane::Download, counts.downloads, &plan.downloads),
    ] {
        let count = if requests.is_empty() { 0 } else { count };
        crowd.clients(lane, count, |stage, client| {
            keep_alive::run(stage, client, requests.clone(), None)
        });
    }
}

/// Until every load is seen to be served; an error where one is not.
async fn warm_up(plan: &Plan, stage: &Stage) -> Result<(), CheckError> {
    let deadline = Instant::now() + WARM_UP_LIMIT;
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        control::is_healthy_on(stage)?;
        let seen = stage.notebook();
        let complete = seen.look(|exchanges| control::each_was_answered(exchanges, plan));
        match complete {
            Ok(()) if stage.is_warm(WARM_REQUESTS) => return Ok(()),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Ok(()) if Instant::now() >= deadline => return Ok(()),
            _ => {}
        }
    }
}
