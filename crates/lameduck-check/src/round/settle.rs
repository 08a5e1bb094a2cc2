//! A round without load: the target is started once more, to finish what the last stop under load had left.

use super::scene::Scene;
use crate::books::{Accountant, Books};
use crate::error::CheckError;
use crate::ledger::{Round, RoundKind};
use crate::observer::Observer;
use crate::plan::Plan;

pub(crate) async fn run(
    plan: &Plan,
    observer: &dyn Observer,
    number: u32,
    known: Option<Books>,
) -> Result<Round, CheckError> {
    let mut scene = Scene::open(plan, observer, number, RoundKind::Settle).await?;
    scene.ready().await?;
    if let Some(accountant) = Accountant::of(plan) {
        scene.open_books(accountant, known, false).await?;
    }
    scene.signal().await?;
    scene.close().await
}
