//! A round with peers that hang on: silent, lingering after one request, dribbling a header for ever; and a little
//! work beside them. They have a round of their own, so that a target they hold up is measured in peace elsewhere.

use std::time::{Duration, Instant};

use super::control;
use super::scene::Scene;
use crate::error::CheckError;
use crate::ledger::{Lane, Round, RoundKind};
use crate::load::idle::Manner;
use crate::load::{idle, keep_alive, per_request};
use crate::observer::Observer;
use crate::plan::Plan;
use crate::request::RequestTemplate;

/// Who is held by idle peers is known so long after the last real work: a little longer than they may.
const KNOWN: Duration = Duration::from_millis(8500);

pub(crate) async fn run(
    plan: &Plan,
    observer: &dyn Observer,
    number: u32,
) -> Result<Round, CheckError> {
    let mut scene = Scene::open(plan, observer, number, RoundKind::Idle).await?;
    scene.ready().await?;
    let get = &plan.get;
    let request = get
        .first()
        .cloned()
        .unwrap_or_else(|| RequestTemplate::get(plan.url.path.clone()));
    let quarter = plan.clients.idle.div_ceil(4);
    // Without a quick request nothing is known that a lingering peer could ask.
    let lingering = if get.is_empty() { 0 } else { quarter };
    let silent = plan.clients.idle.saturating_sub(quarter + lingering);
    scene.clients(Lane::Loris, quarter, |stage, client| {
        idle::run(stage, client, Manner::Dribbling, request.clone())
    });
    // Numbered on, so that evidence names each peer once.
    scene.clients(Lane::Idle, silent + lingering, |stage, client| {
        let manner = if client.number <= silent {
            Manner::Silent
        } else {
            Manner::Lingering
        };
        idle::run(stage, client, manner, request.clone())
    });
    if !get.is_empty() {
        scene.clients(Lane::KeepAlive, 4, |stage, client| {
            keep_alive::run(stage, client, get.clone(), None)
        });
        scene.clients(Lane::PerRequest, 1, |stage, client| {
            per_request::run(stage, client, get.clone(), plan.clients.arrivals)
        });
    }
    let settled = Duration::from_millis(500) + plan.rtt * 4;
    let signal = scene.moment(settled, settled + Duration::from_millis(200));
    tokio::time::sleep_until(signal.into()).await;
    control::is_healthy_so_far(&scene)?;
    if !get.is_empty() {
        let seen = scene.stage.notebook();
        seen.look(|exchanges| control::was_answered(exchanges, Lane::KeepAlive))?;
    }
    scene.signal().await?;
    work_over_for(&mut scene, KNOWN).await;
    scene.known_by(Instant::now());
    scene.close().await
}

/// Until the target has ended, or has had no real work for so long.
async fn work_over_for(scene: &mut Scene<'_>, pause: Duration) {
    let signal = Instant::now();
    let last_call = scene.last_call();
    loop {
        let last = scene.stage.notebook().look(|exchanges| {
            let answered = exchanges
                .iter()
                .copied()
                .flatten()
                .filter(|it| it.ending.is_answered());
            answered.map(|it| it.ended).max()
        });
        let known_at = last.map_or(signal, |last| last.max(signal)) + pause;
        let until = known_at.min(last_call);
        if until <= Instant::now() || scene.target.wait_until(until).await.is_some() {
            return;
        }
    }
}
