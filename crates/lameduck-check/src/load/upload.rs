//! Uploads: half of the body is sent when the signal comes, or nothing but the head; the rest dribbles in after it.

use std::io;
use std::time::{Duration, Instant};

use rand::RngExt;

use super::attempt::Attempt;
use super::barrier::{Cue, hold};
use super::http1::Http1;
use super::notebook::Client;
use super::opening;
use super::stage::Stage;
use crate::ledger::Lane;
use crate::request::RequestTemplate;

/// The second half comes in so many pieces.
const PIECES: usize = 8;

/// What a request with [`Rest::Never`] is called in evidence.
pub(crate) const STUCK: &str = "an upload that stalls for ever";

/// When the second half of the body comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Bit by bit after the signal, over about half a second.
    Dribbled,
    /// Never: the connection stays open and silent.
    Never,
}

pub(crate) async fn run(
    stage: Stage,
    client: Client,
    request: RequestTemplate,
    rest: Rest,
    cue: Cue,
) {
    let mut random = stage.random(client);
    let begins = cue.begins(&mut random, 50..250);
    let begun = opening::begin(&stage, client, &request, cue, begins).await;
    let Some((mut attempt, mut connection)) = begun else {
        return;
    };
    let (first, second) = request.body().split_at(match client.lane {
        Lane::HeadSent => 0,
        _ => request.body().len() / 2,
    });
    let sent = async {
        connection.write(&request.head(stage.origin())).await?;
        connection.write(first).await?;
        hold(&stage, &mut attempt, &connection.tracer()).await;
        stage.signal().await;
        if rest == Rest::Never {
            return io::Result::Ok(());
        }
        for piece in second.chunks(second.len().div_ceil(PIECES).max(1)) {
            stage
                .sleep(Duration::from_millis(random.random_range(30..90)))
                .await;
            attempt.answered_early |= connection.has_something();
            connection.write(piece).await?;
        }
        Ok(())
    };
    // A server that cuts the body short may still have said why: the response is read either way.
    drop(sent.await);
    if rest == Rest::Never {
        return stall(&stage, connection, attempt, request.method()).await;
    }
    attempt.written = Some(Instant::now());
    let result = connection
        .answer(&mut attempt, true, request.method())
        .await;
    attempt.finish(result);
}

/// Sends no more, and holds the connection whatever comes. Only an answer is entered: what was never wholly written
/// cannot be lost.
async fn stall(stage: &Stage, mut connection: Http1, mut attempt: Attempt, method: &str) {
    let answer = connection.answer(&mut attempt, false, method);
    match stage.unless_over(answer).await {
        Some(Ok(answer)) => attempt.finish(Ok(answer)),
        Some(Err(_)) | None => attempt.forget(),
    }
    stage.unless_over(std::future::pending::<()>()).await;
    drop(connection);
}
