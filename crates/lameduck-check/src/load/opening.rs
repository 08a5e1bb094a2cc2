//! How a request begins that is to be under way at the signal: at its moment, on a connection of its own.

use std::time::Instant;

use super::attempt::Attempt;
use super::barrier::Cue;
use super::http1::Http1;
use super::notebook::Client;
use super::stage::Stage;
use crate::request::RequestTemplate;
use crate::wire::Reading;

/// Begins it at `moment`. `None` if the loads were ended before, or if there was no connection, which is entered.
pub(super) async fn begin(
    stage: &Stage,
    client: Client,
    request: &RequestTemplate,
    cue: Cue,
    moment: Instant,
) -> Option<(Attempt, Http1)> {
    begin_reading(stage, client, request, cue, moment, Reading::AtOnce).await
}

/// As [`begin`], on a connection of which the answer is taken when its client says so.
pub(super) async fn begin_reading(
    stage: &Stage,
    client: Client,
    request: &RequestTemplate,
    cue: Cue,
    moment: Instant,
    reading: Reading,
) -> Option<(Attempt, Http1)> {
    let attempt = begin_attempt(stage, client, request, cue, moment).await?;
    match stage.connect_reading(client, reading).await {
        Ok(link) => Some((attempt, Http1::new(link))),
        Err(why) => {
            attempt.unconnected(why);
            None
        }
    }
}

/// As [`begin`], without a connection yet.
pub(super) async fn begin_attempt(
    stage: &Stage,
    client: Client,
    request: &RequestTemplate,
    cue: Cue,
    moment: Instant,
) -> Option<Attempt> {
    stage.sleep_until(moment).await;
    if stage.is_over() {
        return None;
    }
    let mut attempt = Attempt::begin(stage.notebook(), client, 1, request);
    attempt.place = Some(cue.place);
    Some(attempt)
}
