//! Requests that take long, made to their end before the signal: what they get is what they should get after it.

use std::time::{Duration, Instant};

use super::attempt::Attempt;
use super::http1::Http1;
use super::keep_alive::once;
use super::notebook::Client;
use super::stage::Stage;
use crate::request::RequestTemplate;

/// Between the two halves of an upload.
const PAUSE: Duration = Duration::from_millis(50);

/// One request, on a connection of its own.
pub(crate) async fn whole(stage: Stage, client: Client, request: RequestTemplate) {
    once(&stage, client, 0, &request, None).await;
}

/// Uploads one after the other, each in two halves.
pub(crate) async fn uploads(stage: Stage, client: Client, request: RequestTemplate, count: u32) {
    for _ in 0..count {
        upload(&stage, client, &request).await;
    }
}

async fn upload(stage: &Stage, client: Client, request: &RequestTemplate) {
    let mut attempt = Attempt::begin(stage.notebook(), client, 0, request);
    let mut connection = match stage.connect(client).await {
        Ok(link) => Http1::new(link),
        Err(why) => return attempt.unconnected(why),
    };
    let (first, second) = request.body().split_at(request.body().len() / 2);
    // A server that cuts the body short may still have said why: the response is read either way.
    drop(connection.write(&request.head(stage.origin())).await);
    drop(connection.write(first).await);
    stage.sleep(PAUSE + stage.rtt()).await;
    attempt.answered_early = connection.has_something();
    drop(connection.write(second).await);
    attempt.written = Some(Instant::now());
    let result = connection
        .answer(&mut attempt, true, request.method())
        .await;
    attempt.finish(result);
}
