//! How a request begins that is to be under way at the signal: at its moment, on a connection of its own.

use std::time::Instant;

use super::attempt::Attempt;
use super::http1::Http1;
use super::notebook::Client;
use super::stage::Stage;
use crate::request::RequestTemplate;

/// Begins it at `moment`. `None` if the loads were ended before, or if there was no connection, which is entered.
pub(super) async fn begin(
    stage: &Stage,
    client: Client,
    request: &RequestTemplate,
    moment: Instant,
) -> Option<(Attempt, Http1)> {
    stage.sleep_until(moment).await;
    if stage.is_over() {
        return None;
    }
    let attempt = Attempt::begin(stage.notebook(), client, 1, request);
    match stage.connect(client).await {
        Ok(link) => Some((attempt, Http1::new(link))),
        Err(why) => {
            attempt.unconnected(why);
            None
        }
    }
}
