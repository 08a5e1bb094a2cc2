//! Slow requests: one per client, each on a new connection, begun just before the signal.

use std::time::{Duration, Instant};

use rand::RngExt;

use super::keep_alive::once;
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
    let early = Duration::from_micros(stage.random(client).random_range(20_000..250_000));
    stage.sleep_until(signal - early - rtt * 2).await;
    if !stage.is_over() {
        once(&stage, client, 1, &request, None).await;
    }
}
