//! Clients that are slow themselves: at the signal they have connected and said nothing, have sent half of a head, or are
//! between two requests; what they want comes a little after it. Whatever quick route there is, so something is under way
//! at the signal.

use std::time::Instant;

use super::attempt::Attempt;
use super::barrier::{Cue, after_the_signal, hold};
use super::http1::Http1;
use super::keep_alive::{follow_the_last, once};
use super::notebook::Client;
use super::opening;
use super::stage::Stage;
use crate::ledger::Lane;
use crate::request::RequestTemplate;

/// The lane says where it stands at the signal.
pub(crate) async fn run(stage: Stage, client: Client, request: RequestTemplate, cue: Cue) {
    let mut random = stage.random(client);
    let (begins, rtt) = (cue.begins(&mut random, 50..250), cue.rtt);
    let begun = match client.lane {
        Lane::BetweenRequests => second(&stage, client, &request, cue, begins).await,
        _ => opening::begin(&stage, client, &request, cue, begins).await,
    };
    let Some((mut attempt, mut connection)) = begun else {
        return;
    };
    let whole = request.written(stage.origin());
    let head = whole.len() - request.body().len();
    let (first, rest) = whole.split_at(match client.lane {
        Lane::HalfHead => head / 2,
        _ => 0,
    });
    if connection.write(first).await.is_err() {
        return attempt.forget();
    }
    hold(&stage, &mut attempt, &connection.tracer()).await;
    after_the_signal(&stage, &mut random, rtt).await;
    // A client that sees the end before it has said what it wants knows that nothing was done, and asks elsewhere. So does
    // one that is answered before, with 408 or 503.
    if !connection.is_open() {
        return attempt.unprocessed("ended before its head was whole".to_owned());
    }
    if attempt.reused {
        attempt.begins_now();
    }
    // Without distance what is there after the write came before it, or in the same moment.
    if connection.write(rest).await.is_err() || connection.has_ended() {
        return attempt.unprocessed("ended while the rest of its head was sent".to_owned());
    }
    attempt.written = Some(Instant::now());
    follow_the_last(&stage, connection, attempt, &request).await;
}

/// A request to its end, and one more that has not been sent.
async fn second(
    stage: &Stage,
    client: Client,
    request: &RequestTemplate,
    cue: Cue,
    begins: Instant,
) -> Option<(Attempt, Http1)> {
    stage.sleep_until(begins).await;
    if stage.is_over() {
        return None;
    }
    let connection = once(stage, client, 1, request, None).await?;
    let mut attempt = Attempt::begin(stage.notebook(), client, 2, request);
    attempt.reused = true;
    attempt.place = Some(cue.place);
    Some((attempt, connection))
}
