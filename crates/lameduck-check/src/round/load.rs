//! A round under load: every load of the plan, with the signal in the middle.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::control::{self, Controls};
use super::lasting::{self, in_turn};
use super::scene::Scene;
use crate::books::{Accountant, Books};
use crate::database::Watch;
use crate::error::CheckError;
use crate::ledger::{Lane, Round, RoundKind};
use crate::load::upload::Rest;
use crate::load::{
    download, h2_slow_client, probe, slow, slow_client, tls_handshake, unread, upload,
};
use crate::observer::Observer;
use crate::plan::Plan;

/// Before the signal every client that keeps its connection has made so many requests...
const WARM_REQUESTS: u32 = 3;
/// ...or this has passed.
const WARM_UP_LIMIT: Duration = Duration::from_secs(15);
/// What is not served by then need not be waited for.
const SOON: Duration = Duration::from_secs(2);

pub(crate) async fn run(
    plan: &Plan,
    observer: &dyn Observer,
    number: u32,
    known: Option<Books>,
) -> Result<Round, CheckError> {
    let watch = Watch::open(plan).await?;
    let mut scene = Scene::open(plan, observer, number, RoundKind::Load).await?;
    scene.ready().await?;
    liveness_is_good(plan).await?;
    if let Some(accountant) = Accountant::of(plan) {
        scene.open_books(accountant, known, true).await?;
    }
    scene.watch_probes();
    let (tell_slow_at, slow_at) = watch::channel(None);
    lasting::begin(&mut scene.crowd, plan, Some(slow_at));
    if plan.has_grpc() {
        scene.watch_grpc_health();
    }
    warm_up(&mut scene).await?;
    if let Some(watch) = watch {
        scene.watch_sessions(watch);
    }
    // Late enough for what must be in flight to get on its way.
    let lead = Duration::from_millis(400) + plan.rtt * 2;
    let signal = scene.moment(lead, lead + Duration::from_millis(100));
    moments(&mut scene, signal);
    tell_slow_at.send_replace(Some(signal - Duration::from_millis(100) - plan.rtt));
    scene.first_signal(signal).await?;
    scene.close().await
}

/// Starts those that are to be caught at a certain moment by the signal.
fn moments(scene: &mut Scene<'_>, signal: Instant) {
    let (plan, counts) = (scene.plan, scene.plan.clients);
    let where_there_is = |it: bool| if it { counts.moments } else { 0 };
    let (tls, h2) = (
        where_there_is(plan.url.tls.is_some()),
        where_there_is(plan.h2),
    );
    for (lane, count, requests) in [
        (Lane::Slow, counts.slow, &plan.slow),
        (Lane::Silent, counts.moments, &plan.get),
        (Lane::HalfHead, counts.moments, &plan.get),
        (Lane::BetweenRequests, counts.moments, &plan.get),
        (Lane::Unread, counts.moments, &plan.get),
        (Lane::HeadSent, counts.moments, &plan.uploads),
        (Lane::Upload, counts.uploads, &plan.uploads),
        (Lane::Download, counts.downloads, &plan.downloads),
        (Lane::TlsHandshake, tls, &plan.get),
        (Lane::H2Preface, h2, &plan.get),
        (Lane::H2HalfBody, h2, &plan.uploads),
    ] {
        in_turn(requests, |requests| {
            for number in 1..=count {
                let (request, cue) = (requests(number), scene.cue(signal));
                let crowd = &mut scene.crowd;
                match lane {
                    Lane::Slow => crowd.client(lane, number, |stage, client| {
                        slow::run(stage, client, request, cue)
                    }),
                    Lane::Unread => crowd.client(lane, number, |stage, client| {
                        unread::run(stage, client, request, cue)
                    }),
                    Lane::HeadSent | Lane::Upload => crowd.client(lane, number, |stage, client| {
                        upload::run(stage, client, request, Rest::Dribbled, cue)
                    }),
                    Lane::Download => crowd.client(lane, number, |stage, client| {
                        download::run(stage, client, request, cue)
                    }),
                    Lane::TlsHandshake => crowd.client(lane, number, |stage, client| {
                        tls_handshake::run(stage, client, request, cue)
                    }),
                    Lane::H2Preface | Lane::H2HalfBody => {
                        crowd.client(lane, number, |stage, client| {
                            h2_slow_client::run(stage, client, request, cue)
                        })
                    }
                    _ => crowd.client(lane, number, |stage, client| {
                        slow_client::run(stage, client, request, cue)
                    }),
                }
            }
        });
    }
}

/// Until every load is seen to be served; an error where one is not.
async fn warm_up(scene: &mut Scene<'_>) -> Result<(), CheckError> {
    let begun = Instant::now();
    let controls = Controls::begin(scene);
    let enough = scene.moment(Duration::from_millis(400), Duration::from_millis(1000));
    tokio::time::sleep_until(enough.into()).await;
    while !(scene.stage.is_warm(WARM_REQUESTS) && control::have_begun(&scene.stage, scene.plan))
        && begun.elapsed() < WARM_UP_LIMIT
        && scene.target.ended().is_none()
    {
        if begun.elapsed() > SOON {
            control::is_healthy_so_far(scene)?;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    controls.end().await;
    control::is_healthy_so_far(scene)?;
    control::is_complete(&scene.stage, scene.plan)
}

/// A probe that fails before the signal says nothing after it.
async fn liveness_is_good(plan: &Plan) -> Result<(), CheckError> {
    let Some(live) = &plan.live else {
        return Ok(());
    };
    let sample = probe::look(live).await;
    if sample.is_good() {
        return Ok(());
    }
    Err(CheckError::NotAlive {
        url: live.url(),
        seen: match sample.status {
            Ok(status) => format!("answered {status}"),
            Err(what) => format!("did not answer ({what})"),
        },
    })
}
