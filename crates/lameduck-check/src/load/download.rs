//! Downloads: half of the response is read when the signal comes, slowly.

use std::time::{Duration, Instant};

use super::barrier::Cue;
use super::http1::Pace;
use super::notebook::Client;
use super::opening;
use super::stage::Stage;
use crate::request::RequestTemplate;

pub(crate) async fn run(stage: Stage, client: Client, request: RequestTemplate, cue: Cue) {
    let signal = cue.signal;
    let begins = cue.begins(&mut stage.random(client), 100..350);
    let begun = opening::begin(&stage, client, &request, cue, begins).await;
    let Some((mut attempt, mut connection)) = begun else {
        return;
    };
    // Established, it was to be served: a failed write is followed up like any other loss.
    drop(connection.write(&request.written(stage.origin())).await);
    attempt.written = Some(Instant::now());
    // Slowly past the signal, then at full speed: a long body must not outlast the round.
    connection.pace = Some(Pace {
        pause: Duration::from_millis(4),
        until: signal + Duration::from_millis(300),
    });
    let result = connection
        .answer(&mut attempt, request.keeps_response(), request.method())
        .await;
    attempt.finish(result);
}
