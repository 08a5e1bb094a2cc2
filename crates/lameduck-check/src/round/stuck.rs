//! A round with an upload that stalls for ever.

use std::time::Duration;

use super::control;
use super::scene::Scene;
use crate::error::CheckError;
use crate::ledger::{Lane, Round, RoundKind};
use crate::load::upload::{self, Rest};
use crate::observer::Observer;
use crate::plan::Plan;
use crate::request::RequestTemplate;

pub(crate) async fn run(
    plan: &Plan,
    observer: &dyn Observer,
    number: u32,
    request: &RequestTemplate,
) -> Result<Round, CheckError> {
    let mut scene = Scene::open(plan, observer, number, RoundKind::Stuck).await?;
    scene.ready().await?;
    control::alone(&scene, Lane::Upload, request).await?;
    scene.stuck_path = Some(request.path().to_owned());
    let lead = Duration::from_millis(350) + plan.rtt * 2;
    let signal = scene.moment(lead, lead);
    let cue = scene.cue(signal);
    scene.crowd.client(Lane::Upload, 1, |stage, client| {
        upload::run(stage, client, request.clone(), Rest::Never, cue)
    });
    scene.first_signal(signal).await?;
    scene.close().await
}
