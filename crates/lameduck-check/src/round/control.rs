//! The control window: what a load comes to before the signal. What does not work then says nothing after it.
//!
//! # What must hold
//! - Each load that was asked for is seen to be answered, question by question, before the signal is sent.
//! - A question that fails more often than now and then ends the run, with what was seen.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::JoinSet;

use super::loads::{Arrival, Load};
use super::scene::Scene;
use crate::error::CheckError;
use crate::ledger::{Ending, Exchange, Lane};
use crate::load::control;
use crate::load::notebook::Client;
use crate::load::stage::Stage;
use crate::request::RequestTemplate;

/// One failure in so many is chance, and more often it is how the target is.
const RARELY: usize = 20;
/// Requests that take long are waited for this long.
const LIMIT: Duration = Duration::from_secs(15);
/// A second upload shows whether the answers are always the same.
const UPLOADS: u32 = 2;

/// Requests that take long, made to their end once before the signal.
pub(super) struct Controls(JoinSet<()>);

impl Controls {
    pub(super) fn begin(stage: &Stage, loads: &[Load]) -> Self {
        let mut running = JoinSet::new();
        for load in loads.iter().filter(|it| it.has_a_control()) {
            for (number, request) in (1..).zip(&load.requests) {
                let (stage, request, lane) = (stage.clone(), request.clone(), load.lane);
                let client = Client { lane, number };
                match lane {
                    Lane::Upload => {
                        running.spawn(control::uploads(stage, client, request, UPLOADS))
                    }
                    _ => running.spawn(control::whole(stage, client, request)),
                };
            }
        }
        Self(running)
    }

    /// Waits until all of them have ended.
    pub(super) async fn end(mut self) {
        let all = async { while self.0.join_next().await.is_some() {} };
        // One that has not ended is dropped, and so entered as never answered.
        drop(tokio::time::timeout(LIMIT, all).await);
        self.0.shutdown().await;
    }
}

/// One request of a load that takes long, made to its end: the control window of a round that has no other load. What is
/// seen of it is no part of the round.
pub(super) async fn alone(
    scene: &Scene<'_>,
    lane: Lane,
    request: &RequestTemplate,
) -> Result<(), CheckError> {
    let (stage, request) = (scene.stage.clone(), request.clone());
    let client = Client { lane, number: 1 };
    let made = async {
        match lane {
            Lane::Upload => control::uploads(stage, client, request, 1).await,
            _ => control::whole(stage, client, request).await,
        }
    };
    // One that has not ended is dropped, and so entered as never answered.
    drop(tokio::time::timeout(LIMIT, made).await);
    is_healthy_so_far(scene)?;
    scene
        .stage
        .notebook()
        .look(|exchanges| was_answered(exchanges, lane))?;
    scene.stage.notebook().take().map_err(CheckError::Local)?;
    Ok(())
}

/// Whether what was seen so far is as it should be.
pub(super) fn is_healthy_so_far(scene: &Scene<'_>) -> Result<(), CheckError> {
    is_healthy_on(&scene.stage)
}

/// The same, where there is no more than a stage.
pub(super) fn is_healthy_on(stage: &Stage) -> Result<(), CheckError> {
    let seen = stage.notebook();
    if let Some(trouble) = seen.in_trouble() {
        return Err(CheckError::Local(trouble));
    }
    seen.look(is_healthy)
}

fn is_healthy(seen: &[&[Exchange]]) -> Result<(), CheckError> {
    let mut questions: HashMap<(Lane, &str, &str), Vec<&Exchange>> = HashMap::new();
    for exchange in seen.iter().copied().flatten() {
        let request = &exchange.request;
        let question = (exchange.lane, request.method(), request.path());
        questions.entry(question).or_default().push(exchange);
    }
    for ((lane, method, path), asked) in questions {
        let failed: Vec<&&Exchange> = asked.iter().filter(|it| has_failed(it)).collect();
        let Some(first) = failed.first() else {
            continue;
        };
        if failed.len() * RARELY > asked.len() {
            return Err(CheckError::Unhealthy {
                load: format!("{method} {path} ({lane})"),
                seen: format!(
                    "{} of {} requests came to this: {}",
                    failed.len(),
                    asked.len(),
                    first.what()
                ),
                fix: fix(lane, &first.what()),
            });
        }
    }
    Ok(())
}

/// Those that stay open. An answer of theirs begins before the signal, and does not end.
fn that_stay_open(loads: &[Load]) -> impl Iterator<Item = Lane> {
    let open = loads.iter().filter(|it| it.arrival == Arrival::HeldOpen);
    open.map(|load| load.lane)
}

/// Whether each load that stays open has begun.
pub(super) fn have_begun(stage: &Stage, loads: &[Load]) -> bool {
    let seen = stage.notebook();
    that_stay_open(loads).all(|lane| seen.has_begun(lane))
}

/// Whether each load was answered at least once.
pub(super) fn is_complete(stage: &Stage, loads: &[Load]) -> Result<(), CheckError> {
    let seen = stage.notebook();
    if let Some(lane) = that_stay_open(loads).find(|lane| !seen.has_begun(*lane)) {
        return Err(CheckError::Unhealthy {
            load: format!("the load \"{lane}\""),
            seen: "not one of its streams began".to_owned(),
            fix: fix(lane, ""),
        });
    }
    let mut answered = loads.iter().filter(|it| it.is_answered_before());
    seen.look(|exchanges| answered.try_for_each(|load| was_answered(exchanges, load.lane)))
}

/// Whether a request of this load was answered.
pub(super) fn was_answered(exchanges: &[&[Exchange]], lane: Lane) -> Result<(), CheckError> {
    let mut of_lane = exchanges
        .iter()
        .copied()
        .flatten()
        .filter(|it| it.lane == lane);
    match of_lane.any(|it| it.ending.is_answered()) {
        true => Ok(()),
        false => Err(CheckError::Unhealthy {
            load: format!("the load \"{lane}\""),
            seen: "not one of its requests was answered".to_owned(),
            fix: fix(lane, ""),
        }),
    }
}

fn has_failed(exchange: &Exchange) -> bool {
    if let Some(status) = &exchange.grpc {
        // A stream that has brought messages may end as it likes.
        let is_answer = exchange.lane == Lane::GrpcStream && status.messages > 0;
        return !is_answer && status.tells_of_a_failure();
    }
    match exchange.ending {
        // Sent back for another connection: that is no failure.
        Ending::Unprocessed => false,
        Ending::Ok | Ending::OkClose | Ending::Changed => {
            exchange.status.is_some_and(|status| status >= 400)
        }
        _ => true,
    }
}

fn fix(lane: Lane, seen: &str) -> &'static str {
    match lane {
        _ if seen.contains("TLS handshake") => {
            "is --ca who signed the target's certificate, and is it for the name in --url?"
        }
        Lane::H2 | Lane::EventsH2 => {
            "does the target speak HTTP/2 there, in cleartext with prior knowledge or over TLS? If not, leave out --h2"
        }
        Lane::Grpc | Lane::GrpcStream => {
            "does the target speak gRPC there? Name a method that it serves, like shop.v1.Shop/GetOrder, and the \
             message that it takes with --grpc-data"
        }
        Lane::Events => "name a path where the target answers with an event stream",
        Lane::WebSocket => "name a path where the target speaks WebSocket",
        Lane::Order => "name with --post what places an order",
        Lane::Upload => "name with --upload a path that takes a POST of 64 KiB",
        Lane::Slow | Lane::Download => {
            "name a request that the target serves to its end in a second or so"
        }
        _ => "name requests that the target serves, and fewer clients if these are too many for it",
    }
}
