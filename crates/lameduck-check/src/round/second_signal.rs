//! A round in which the signal comes three times while requests are still in flight.

use std::time::Duration;

use super::control;
use super::scene::Scene;
use crate::error::CheckError;
use crate::ledger::{Lane, Round, RoundKind};
use crate::load::upload::Rest;
use crate::load::{slow, upload};
use crate::observer::Observer;
use crate::plan::Plan;
use crate::target::TargetError;

/// Requests in flight.
const REQUESTS: u32 = 3;
/// Signals, and the pause between them. Targets take signals that come close together for one, and a busy machine
/// brings what was apart together. Twice the pause is less than the second for which a slow request has to last.
const SIGNALS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(400);
/// After the last signal: a target that is not gone a second after it has not ended by it.
const KNOWN: Duration = Duration::from_millis(1500);

pub(crate) async fn run(
    plan: &Plan,
    observer: &dyn Observer,
    number: u32,
) -> Result<Round, CheckError> {
    let mut scene = Scene::open(plan, observer, number, RoundKind::SecondSignal).await?;
    scene.ready().await?;
    let (lane, requests) = match plan.uploads.is_empty() {
        true => (Lane::Slow, &plan.slow),
        false => (Lane::Upload, &plan.uploads),
    };
    if let Some(request) = requests.first() {
        control::alone(&scene, lane, request).await?;
    }
    let lead = Duration::from_millis(350) + plan.rtt * 2;
    let signal = scene.moment(lead, lead);
    // An upload that stalls outlives every signal; a slow request only those that come in its time.
    for number in 1..=REQUESTS {
        let cue = scene.cue(signal);
        let crowd = &mut scene.crowd;
        if let Some(request) = plan.uploads.first().cloned() {
            crowd.client(Lane::Upload, number, |stage, client| {
                upload::run(stage, client, request, Rest::Never, cue)
            });
        } else if let Some(request) = plan.slow.first().cloned() {
            crowd.client(Lane::Slow, number, |stage, client| {
                slow::run(stage, client, request, cue)
            });
        }
    }
    scene.first_signal(signal).await?;
    for _ in 1..SIGNALS {
        if scene
            .target
            .wait_until(std::time::Instant::now() + PAUSE)
            .await
            .is_some()
        {
            break;
        }
        match scene.signal().await {
            // It ended just now.
            Err(CheckError::Target(TargetError::EndedUnderLoad { .. })) => break,
            other => other?,
        }
    }
    scene.known_by(std::time::Instant::now() + KNOWN);
    scene.close().await
}
