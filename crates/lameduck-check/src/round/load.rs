//! A round under load: every load of the plan, with the signal in the middle.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::control::{self, Controls};
use super::loads::{self, Load};
use super::scene::Scene;
use super::start::{self, SignalComes};
use crate::books::{Accountant, Books};
use crate::database::Watch;
use crate::error::CheckError;
use crate::ledger::{Exchange, Round, RoundKind};
use crate::load::barrier::Cue;
use crate::load::probe;
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
    waits: RoundPatience,
) -> Result<Round, CheckError> {
    let watch = Watch::open(plan).await?;
    let mut scene = Scene::open(plan, observer, number, RoundKind::Load).await?;
    scene.ready().await?;
    liveness_is_good(plan).await?;
    if let Some(accountant) = Accountant::of(plan) {
        scene.open_books(accountant, known, true).await?;
    }
    scene.watch_probes();
    let loads = loads::of_a_shutdown(plan);
    let (tell, sends_at) = watch::channel(None);
    let signal_comes = SignalComes {
        sends_at,
        half_way: plan.clients.moments,
    };
    start::going_on(&mut scene.crowd, &loads, Some(&signal_comes));
    if plan.has_grpc() {
        scene.watch_grpc_health();
    }
    warm_up(&mut scene, &loads).await?;
    if let Some(watch) = watch {
        scene.watch_sessions(watch);
    }
    // Late enough for what must be in flight to get on its way.
    let lead = Duration::from_millis(400) + plan.rtt * 2;
    let signal = scene.moment(lead, lead + Duration::from_millis(100));
    let stage = scene.stage.clone();
    let cue = || Cue::new(&stage, signal, plan.rtt);
    start::at_signal(&mut scene.crowd, &loads, cue);
    tell.send_replace(Some(signal - Duration::from_millis(100) - plan.rtt));
    scene.first_signal(signal).await?;
    if waits == RoundPatience::UntilWorkIsOver {
        let took = scene.stage.notebook().look(longest);
        scene.leaves_it_at(known_after(plan, took));
    }
    scene.close().await
}

/// How long a round waits for a target that does not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoundPatience {
    /// Until 2 s after its grace.
    PastItsGrace,
    /// No longer than what is in flight at the signal takes: it is known that the target outlives its grace.
    UntilWorkIsOver,
}

/// So long after the signal all is known of a shutdown but its end, where an answer takes no longer than `longest`.
pub(crate) fn known_after(plan: &Plan, longest: Duration) -> Duration {
    const LEAST: Duration = Duration::from_secs(2);
    const SPARE: Duration = Duration::from_secs(1);
    let noticed = plan.notice.unwrap_or_default() + SPARE / 2;
    let rtt = plan.more_rtts.iter().copied().fold(plan.rtt, Duration::max);
    (longest * 2 + SPARE).max(noticed).max(LEAST) + rtt * 4
}

/// The longest that an answer took.
fn longest(seen: &[&[Exchange]]) -> Duration {
    let answered = seen.iter().copied().flatten();
    let answered = answered.filter(|it| it.ending.is_answered());
    answered.map(Exchange::took).max().unwrap_or_default()
}

/// Until every load is seen to be served; an error where one is not.
async fn warm_up(scene: &mut Scene<'_>, loads: &[Load]) -> Result<(), CheckError> {
    let begun = Instant::now();
    let controls = Controls::begin(&scene.stage, loads);
    let enough = scene.moment(Duration::from_millis(400), Duration::from_millis(1000));
    tokio::time::sleep_until(enough.into()).await;
    while !(scene.stage.is_warm(WARM_REQUESTS) && control::have_begun(&scene.stage, loads))
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
    control::is_complete(&scene.stage, loads)
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
