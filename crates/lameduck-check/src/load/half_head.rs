//! Clients that are slow themselves: half of a head has been sent when the signal comes, on a fresh connection, and the
//! rest comes a little after it. Whatever quick route there is, so something is under way at the signal.

use std::time::{Duration, Instant};

use rand::RngExt;

use super::notebook::Client;
use super::opening;
use super::stage::Stage;
use crate::request::RequestTemplate;

/// The rest comes so many milliseconds after the signal.
const REST: std::ops::Range<u64> = 30..250;

pub(crate) async fn run(
    stage: Stage,
    client: Client,
    request: RequestTemplate,
    signal: Instant,
    rtt: Duration,
) {
    let mut random = stage.random(client);
    let early = Duration::from_micros(random.random_range(50_000..250_000));
    let moment = signal - early - rtt * 2;
    let Some((mut attempt, mut connection)) =
        opening::begin(&stage, client, &request, moment).await
    else {
        return;
    };
    let whole = request.written(stage.origin());
    let head = whole.len() - request.body().len();
    let (first, rest) = whole.split_at(head / 2);
    if connection.write(first).await.is_err() {
        return attempt.forget();
    }
    stage.signal().await;
    let pause = Duration::from_millis(random.random_range(REST));
    stage.sleep(pause + rtt).await;
    // A client that sees the end before it has said what it wants knows that nothing was done, and asks elsewhere. So does
    // one that is answered before, with 408 or 503.
    if !connection.is_open() {
        return attempt.unprocessed("ended before its head was whole".to_owned());
    }
    if connection.write(rest).await.is_err() {
        return attempt.unprocessed("ended while the rest of its head was sent".to_owned());
    }
    attempt.written = Some(Instant::now());
    let result = connection
        .answer(&mut attempt, request.keeps_response(), request.method())
        .await;
    attempt.finish(result);
    stage.see_off(connection);
}
