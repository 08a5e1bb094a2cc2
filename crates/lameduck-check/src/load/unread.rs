//! Clients that do not read: the answer to a quick request has begun to come when the signal does, into a receive buffer of
//! a few kilobytes, and is taken a little after it. Whatever route there is, so an answer is under way at the signal: a long
//! one waits in the target, or in its kernel.

use std::time::Instant;

use super::barrier::{Cue, after_the_signal, hold_unread};
use super::keep_alive::follow_the_last;
use super::notebook::Client;
use super::opening;
use super::stage::Stage;
use crate::request::RequestTemplate;
use crate::wire::{Reach, Reading};

pub(crate) async fn run(stage: Stage, client: Client, request: RequestTemplate, cue: Cue) {
    let mut random = stage.random(client);
    let (begins, rtt) = (cue.begins(&mut random, 50..250), cue.rtt);
    let reading = Reading::WhenTold;
    let begun = opening::begin_reading(&stage, client, &request, cue, begins, reading).await;
    let Some((mut attempt, mut connection)) = begun else {
        return;
    };
    // Established, it was to be served: a failed write is followed up like any other loss.
    drop(connection.write(&request.written(stage.origin())).await);
    attempt.written = Some(Instant::now());
    let tracer = connection.tracer();
    hold_unread(&stage, &mut attempt, || {
        let seen = tracer.look();
        let has_come = connection.has_something() || seen.holds_an_answer();
        // Over TLS what has come may be of the handshake still.
        has_come && seen.reach() != Reach::UnderWay
    })
    .await;
    after_the_signal(&stage, &mut random, rtt).await;
    connection.take_what_came();
    follow_the_last(&stage, connection, attempt, &request).await;
}
