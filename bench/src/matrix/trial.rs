//! One case at one distance, put to the prover.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use lameduck_check::{Judgement, Plan, RunOutcome, Silent, report};

use super::case::Case;
use super::fault::Situation;
use super::{deploy, judge};
use crate::clients::line::Line;
use crate::planted::Way;

/// A case is tried so often, where the prover says that it may have been its own doing.
const TRIES: u64 = 5;

/// How far clients are from the server, and what makes it so.
#[derive(Clone)]
pub enum Distance {
    /// On the loopback, behind the prover's relay if there is a round trip.
    Relay(Duration),
    /// Over the kernel's own packets.
    Line(Duration, Arc<Line>),
}

impl Distance {
    pub fn rtt(&self) -> Duration {
        match self {
            Self::Relay(rtt) | Self::Line(rtt, _) => *rtt,
        }
    }

    pub fn is_line(&self) -> bool {
        matches!(self, Self::Line(..))
    }

    fn way(&self) -> Way {
        match self {
            Self::Relay(_) => Way::LOOPBACK,
            Self::Line(_, line) => Way {
                listens: line.near(),
                reached: line.far(),
            },
        }
    }
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rtt = humantime::format_duration(self.rtt());
        match self {
            Self::Relay(_) => write!(f, "{rtt}"),
            Self::Line(..) => write!(f, "{rtt} line"),
        }
    }
}

/// What came of one case at one distance.
pub struct Row {
    pub case: Case,
    pub distance: Distance,
    /// What the prover says of each promise; nothing where the run ended before.
    pub judged: BTreeMap<&'static str, Judgement>,
    /// Where it should have said something else.
    pub disagreements: Vec<String>,
}

/// A case at a distance, as one name.
pub fn place(case: Case, distance: &Distance) -> String {
    format!("{} {distance}", case.name())
}

/// One case, again while it is undecided. `None` if something is not installed that it needs.
pub async fn row(
    case: Case,
    distance: Distance,
    seed: u64,
) -> anyhow::Result<Option<(Row, String)>> {
    let mut tries = 1;
    loop {
        let folder = folder().context("cannot make a folder for the books")?;
        let (rtt, way) = (distance.rtt(), distance.way());
        let fault = case.fault;
        let grace = fault.grace + case.slack();
        let mut plan = case.server.plan(fault.acts_as, grace, way, folder.path())?;
        case.spare(&mut plan);
        plan.rtt = rtt;
        plan.relay = !distance.is_line();
        plan.seed = seed + tries - 1;
        (fault.asks)(&mut plan);
        let Some(beside) = beside(fault.situation, &mut plan, folder.path()).await? else {
            return Ok(None);
        };
        let ended = lameduck_check::run(&plan, &Silent).await;
        drop(beside);
        let (judged, disagreements, told) = match ended {
            Ok(outcome) if tries < TRIES && !judge::is_certain(&outcome) => {
                tries += 1;
                continue;
            }
            Ok(outcome) => {
                let told = report::table(&report::CheckReport::of(&outcome), report::Look::PLAIN);
                (
                    judged(&outcome),
                    judge::disagreements(fault, rtt, &outcome),
                    told,
                )
            }
            Err(error) => {
                let said = error.to_string();
                let disagrees = match fault.unhealthy.iter().any(|it| said.contains(it)) {
                    true => vec![],
                    false => vec![format!("ended before the signal: {said}")],
                };
                (BTreeMap::new(), disagrees, said)
            }
        };
        let row = Row {
            case,
            distance: distance.clone(),
            judged,
            disagreements,
        };
        return Ok(Some((row, told)));
    }
}

/// For what a server writes: in memory, if that can be had, for a busy disk would keep it waiting.
fn folder() -> std::io::Result<tempfile::TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

/// What has to run beside the prover, for as long as this is kept.
#[expect(dead_code, reason = "kept for as long as it is needed")]
enum Beside {
    Nothing,
    Postgres(real_servers::Postgres),
    Deployed(deploy::Deployed),
}

async fn beside(
    situation: Situation,
    plan: &mut Plan,
    folder: &Path,
) -> anyhow::Result<Option<Beside>> {
    Ok(Some(match situation {
        Situation::Shutdown => Beside::Nothing,
        Situation::Database => {
            let started = tokio::task::spawn_blocking(real_servers::Postgres::start).await;
            let Some(postgres) = real_servers::or_skip(started.context("PostgreSQL")?) else {
                return Ok(None);
            };
            plan.command
                .extend(["--database".to_owned(), postgres.url()]);
            plan.postgres = Some(postgres.url());
            Beside::Postgres(postgres)
        }
        Situation::Deployed(deploy) => Beside::Deployed(deploy.set_up(plan, folder)?),
    }))
}

fn judged(outcome: &RunOutcome) -> BTreeMap<&'static str, Judgement> {
    let verdicts = outcome.verdicts.iter();
    verdicts
        .map(|verdict| (verdict.name, verdict.judgement))
        .collect()
}

impl Row {
    /// The case and the distance, as one name.
    pub fn place(&self) -> String {
        place(self.case, &self.distance)
    }

    fn broken(&self) -> Vec<&'static str> {
        let broken = self
            .judged
            .iter()
            .filter(|(_, it)| **it == Judgement::Broken);
        broken.map(|(name, _)| *name).collect()
    }

    pub fn print(&self) {
        let verdict = match self.disagreements.is_empty() {
            true => "as it should be",
            false => "NOT as it should be",
        };
        let distance = self.distance.to_string();
        let broken = match (self.case.fault.unhealthy, self.broken()) {
            ([_, ..], _) => "ended before the signal".to_owned(),
            (_, broken) if broken.is_empty() => "nothing broken".to_owned(),
            (_, broken) => broken.join(", "),
        };
        println!("{:28} {distance:>9}  {verdict}: {broken}", self.case.name());
        for it in &self.disagreements {
            println!("    {it}");
        }
    }
}
