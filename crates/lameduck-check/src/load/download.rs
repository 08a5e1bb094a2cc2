//! Downloads: half of the response is read when the signal comes, slowly.

use std::time::{Duration, Instant};

use rand::RngExt;

use super::attempt::Attempt;
use super::http1::{Http1, Pace};
use super::notebook::Client;
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
    stage.sleep_until(signal - early - rtt * 2).await;
    if stage.is_over() {
        return;
    }
    let mut attempt = Attempt::begin(stage.notebook(), client, 1, &request);
    let mut connection = match stage.connect(client).await {
        Ok(link) => Http1::new(link),
        Err(why) => return attempt.unconnected(why),
    };
    let mut bytes = request.head(stage.origin()).to_vec();
    bytes.extend_from_slice(request.body());
    // Established, it was to be served: a failed write is followed up like any other loss.
    drop(connection.write(&bytes).await);
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
