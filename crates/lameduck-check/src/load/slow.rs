//! Slow requests: one per client, each on a new connection, begun just before the signal.

use std::time::Instant;

use super::barrier::{Cue, hold};
use super::keep_alive::follow_the_last;
use super::notebook::Client;
use super::opening;
use super::stage::Stage;
use crate::request::RequestTemplate;

pub(crate) async fn run(stage: Stage, client: Client, request: RequestTemplate, cue: Cue) {
    let begins = cue.begins(&mut stage.random(client), 20..250);
    let begun = opening::begin(&stage, client, &request, cue, begins).await;
    let Some((mut attempt, mut connection)) = begun else {
        return;
    };
    // Established, it was to be served: a failed write is followed up like any other loss.
    drop(connection.write(&request.written(stage.origin())).await);
    attempt.written = Some(Instant::now());
    hold(&stage, &mut attempt, &connection.tracer()).await;
    follow_the_last(&stage, connection, attempt, &request).await;
}
