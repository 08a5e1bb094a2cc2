//! Downloads: half of the response is read when the signal comes, slowly.

use std::time::{Duration, Instant};

use rand::RngExt;

use super::http1::Pace;
use super::notebook::Client;
use super::opening;
use super::stage::Stage;
use crate::request::RequestTemplate;

pub(crate) async fn run(
    stage: Stage,
    client: Client,
    request: RequestTemplate,
    signal: Instant,
    rtt: Duration,
) {
    let early = Duration::from_micros(stage.random(client).random_range(100_000..350_000));
    let moment = signal - early - rtt * 2;
    let Some((mut attempt, mut connection)) =
        opening::begin(&stage, client, &request, moment).await
    else {
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
