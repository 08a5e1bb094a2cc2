//! An episode: clients are at work before, during and after a command that replaces or stops what serves.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::control;
use crate::error::CheckError;
use crate::ledger::{Episode, Lane, Round, RoundKind};
use crate::load::notebook::Client;
use crate::load::pool::{Pool, Takes};
use crate::load::stage::Stage;
use crate::load::{grpc, h2, keep_alive, order, own_pace, per_request, pool};
use crate::observer::{Event, Observer};
use crate::plan::{Plan, Trigger};
use crate::request::RequestTemplate;
use crate::target::{Exit, TriggerRun, is_there, until_ready};
use crate::wire::Wire;

/// Before anything counts each client that keeps its connection has made so many requests...
const WARM_REQUESTS: u32 = 3;
/// ...in this time.
const WARM_UP_LIMIT: Duration = Duration::from_secs(15);
/// A deploy that takes longer is not waited for.
const TRIGGER_LIMIT: Duration = Duration::from_secs(3600);
/// What is under way when the load ends has so long to end too.
const LAST_ANSWERS: Duration = Duration::from_secs(4);

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
    let seed = StdRng::seed_from_u64(plan.seed ^ (u64::from(number) << 40)).random();
    let stage = Stage::new(Wire::new(plan.rtt), plan.url.clone(), seed).resolving_names();
    let stalls = tokio::spawn(own_pace::watch(stage.clone()));
    let mut clients = loads(plan, &stage);
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

    stage.stop();
    let all = async { while clients.join_next().await.is_some() {} };
    drop(tokio::time::timeout(LAST_ANSWERS + plan.rtt * 2, all).await);
    stage.seen_off().await;
    clients.shutdown().await;
    let stalls = stalls.await.unwrap_or_default();
    let shortages = stage.notebook().take_shortages();
    let sockets = stage.notebook().take_sockets();
    let (exchanges, connections) = stage.notebook().take().map_err(CheckError::Local)?;
    let mut round = Round {
        number,
        kind,
        rtt: plan.rtt,
        started,
        ready_at: Some(ready_at),
        signals: vec![triggered],
        exit: Exit {
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
        exchanges,
        connections,
        sockets,
        shortages,
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
fn loads(plan: &Plan, stage: &Stage) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    let counts = &plan.clients;
    let numbered = |lane, count: u32| (1..=count).map(move |number| Client { lane, number });
    // One request after the other, each to its end.
    let mut in_a_row = |lane, count: u32, requests: &Vec<RequestTemplate>| {
        // What takes long keeps its pauses.
        let think = plan.clients.think.filter(|_| lane == Lane::KeepAlive);
        let count = if requests.is_empty() { 0 } else { count };
        for client in numbered(lane, count) {
            clients.spawn(keep_alive::run(
                stage.clone(),
                client,
                requests.clone(),
                think,
            ));
        }
    };
    in_a_row(Lane::KeepAlive, counts.keep_alive, &plan.get);
    in_a_row(Lane::Slow, counts.slow, &plan.slow);
    in_a_row(Lane::Upload, counts.uploads, &plan.uploads);
    in_a_row(Lane::Download, counts.downloads, &plan.downloads);
    if !plan.get.is_empty() {
        let script = pool::PoolScript {
            get: plan.get.clone(),
            post: plan.post.clone(),
        };
        let pools = [Takes::Newest, Takes::Oldest].map(Pool::new);
        for client in numbered(Lane::Pool, counts.pooled) {
            let pool = pools[client.number as usize % pools.len()].clone();
            clients.spawn(pool::run(
                stage.clone(),
                client,
                script.clone(),
                pool,
                plan.clients.think,
            ));
        }
        for client in numbered(Lane::PerRequest, counts.per_request) {
            let get = plan.get.clone();
            clients.spawn(per_request::run(
                stage.clone(),
                client,
                get,
                counts.arrivals,
            ));
        }
    }
    if !plan.post.is_empty() {
        for client in numbered(Lane::Order, counts.orders) {
            clients.spawn(order::run(stage.clone(), client, plan.post.clone()));
        }
    }
    if plan.h2 && !plan.get.is_empty() {
        let (_, slow_at) = watch::channel(None);
        let script = h2::H2Script {
            quick: plan.get.clone(),
            slow: Vec::new(),
            slow_at,
        };
        for client in numbered(Lane::H2, counts.h2) {
            clients.spawn(h2::run(stage.clone(), client, script.clone()));
        }
    }
    if !plan.grpc.is_empty() {
        let script = grpc::GrpcScript {
            unary: plan.grpc.clone(),
            streams: Vec::new(),
        };
        for client in numbered(Lane::Grpc, counts.grpc) {
            clients.spawn(grpc::run(stage.clone(), client, script.clone()));
        }
    }
    clients
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
