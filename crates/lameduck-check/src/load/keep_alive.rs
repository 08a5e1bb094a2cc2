//! Keep-alive clients: many requests on one connection, with pauses.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rand::RngExt;

use super::attempt::Attempt;
use super::http1::Http1;
use super::notebook::Client;
use super::stage::Stage;
use crate::endpoint::Endpoint;
use crate::request::RequestTemplate;

/// Every fifth client thinks this long at most, the others a fifth of it.
const LONGEST_THOUGHT: Duration = Duration::from_millis(250);

pub(crate) async fn run(
    stage: Stage,
    client: Client,
    requests: Vec<RequestTemplate>,
    think: Option<Duration>,
) {
    let mut random = stage.random(client);
    let longest = match (think, client.number.is_multiple_of(5)) {
        (Some(think), _) => think,
        (None, true) => LONGEST_THOUGHT,
        (None, false) => LONGEST_THOUGHT / 5,
    };
    let made = stage.warm_counter();
    let mut connection = None;
    let mut number = 0;
    while !stage.is_over() {
        number += 1;
        let request = &requests[random.random_range(0..requests.len())];
        connection = once(&stage, client, number, request, connection).await;
        made.fetch_add(1, Ordering::Relaxed);
        stage
            .think(&mut random, longest, connection.is_some())
            .await;
    }
}

/// Sends one request, on the given connection if it still seems open, else on a new one. Returns the connection
/// if it may carry another.
pub(crate) async fn once(
    stage: &Stage,
    client: Client,
    number: u32,
    request: &RequestTemplate,
    kept: Option<Http1>,
) -> Option<Http1> {
    let attempt = Attempt::begin(stage.notebook(), client, number, request);
    send(stage, client, attempt, request, kept).await
}

/// As [`once`], for a request that has begun.
pub(super) async fn send(
    stage: &Stage,
    client: Client,
    mut attempt: Attempt,
    request: &RequestTemplate,
    kept: Option<Http1>,
) -> Option<Http1> {
    let mut kept = kept;
    // Reset between the look and the last byte, it was not wholly written, so it is not lost: as a pool does, the
    // client goes on with a new connection.
    if let Some(connection) = &mut kept
        && connection.is_open()
        && write(connection, request, stage.origin()).await
    {
        let connection = kept.take()?;
        attempt.reused = true;
        attempt.written = Some(Instant::now());
        return follow(stage, connection, attempt, request).await;
    }
    drop(kept);
    let mut connection = match stage.connect(client).await {
        Ok(link) => Http1::new(link),
        Err(why) => {
            attempt.unconnected(why);
            return None;
        }
    };
    // On a fresh connection even a failed write is followed up: established, it was to be served.
    write(&mut connection, request, stage.origin()).await;
    attempt.written = Some(Instant::now());
    follow(stage, connection, attempt, request).await
}

async fn write(connection: &mut Http1, request: &RequestTemplate, origin: &Endpoint) -> bool {
    connection.write(&request.written(origin)).await.is_ok()
}

/// Waits for the answer to what has been written, on a connection that carries nothing after it.
pub(super) async fn follow_the_last(
    stage: &Stage,
    connection: Http1,
    attempt: Attempt,
    request: &RequestTemplate,
) {
    if let Some(connection) = follow(stage, connection, attempt, request).await {
        stage.see_off(connection);
    }
}

/// Waits for the answer to what has been written. Returns the connection if it may carry another request.
async fn follow(
    stage: &Stage,
    mut connection: Http1,
    mut attempt: Attempt,
    request: &RequestTemplate,
) -> Option<Http1> {
    let result = connection
        .answer(&mut attempt, request.keeps_response(), request.method())
        .await;
    let goes_on = result.as_ref().is_ok_and(|answer| !answer.close);
    attempt.finish(result);
    if goes_on {
        return Some(connection);
    }
    stage.see_off(connection);
    None
}
