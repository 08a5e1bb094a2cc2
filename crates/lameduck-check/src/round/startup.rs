//! A round in which the signal comes before the target is ready.

use std::time::Duration;

use rand::RngExt;

use super::scene::Scene;
use crate::error::CheckError;
use crate::ledger::{Round, RoundKind};
use crate::observer::Observer;
use crate::plan::Plan;

/// `turn` of `turns` rounds, in each of which the signal comes at a random moment of that share of the start-up
/// time that was measured before.
pub(crate) async fn run(
    plan: &Plan,
    observer: &dyn Observer,
    number: u32,
    start_up: Duration,
    turn: u32,
    turns: u32,
) -> Result<Round, CheckError> {
    let mut scene = Scene::open(plan, observer, number, RoundKind::Startup).await?;
    let share = (f64::from(turn) + scene.random.random::<f64>()) / f64::from(turns.max(1));
    let moment = scene.target.started() + start_up.mul_f64(share);
    tokio::time::sleep_until(moment.into()).await;
    scene.signal().await?;
    scene.close().await
}
