//! Clients whose TLS handshake is half way at the signal: their first flight has been sent and the server's answer may have
//! come, and they go on a little later.

use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::pin;
use std::task::Poll;
use std::time::Instant;

use super::attempt::Attempt;
use super::barrier::{Cue, after_the_signal, hold};
use super::http1::Http1;
use super::keep_alive::follow_the_last;
use super::notebook::Client;
use super::opening;
use super::stage::{Stage, Unconnected};
use crate::request::RequestTemplate;
use crate::wire::{Protocol, Reading, Trust};

pub(crate) async fn run(stage: Stage, client: Client, request: RequestTemplate, cue: Cue) {
    let Some(trust) = stage.origin().tls.clone() else {
        return;
    };
    let begins = cue.begins(&mut stage.random(client), 50..250);
    let rtt = cue.rtt;
    let begun = opening::begin_attempt(&stage, client, &request, cue, begins).await;
    let Some(mut attempt) = begun else {
        return;
    };
    let mut connection = match connect(&stage, client, &mut attempt, rtt, &trust).await {
        Ok(Some(connection)) => connection,
        // A client that sees that before it has said what it wants asks elsewhere.
        Ok(None) => return attempt.unprocessed("ended in its TLS handshake".to_owned()),
        Err(why) => return attempt.unconnected(why),
    };
    let sent = connection.write(&request.written(stage.origin())).await;
    if sent.is_err() || connection.has_ended() {
        return attempt.unprocessed("ended in its TLS handshake".to_owned());
    }
    attempt.written = Some(Instant::now());
    follow_the_last(&stage, connection, attempt, &request).await;
}

/// Shakes hands over the signal. `None`: the target ended the connection meanwhile.
async fn connect(
    stage: &Stage,
    client: Client,
    attempt: &mut Attempt,
    rtt: std::time::Duration,
    trust: &Trust,
) -> Result<Option<Http1>, Unconnected> {
    let stream = stage.reach(Reading::AtOnce).await?;
    let established = Instant::now();
    let tracer = stream.tracer();
    let mut handshake = pin!(trust.secure(stream, stage.authority(), Protocol::Http1));
    // Polled once it sends its first flight. Until it is polled again it reads nothing, and so sends nothing.
    let first = poll_fn(|cx| Poll::Ready(handshake.as_mut().poll(cx))).await;
    let shaken = match first {
        Poll::Ready(shaken) => shaken,
        Poll::Pending => {
            hold(stage, attempt, &tracer).await;
            after_the_signal(stage, &mut stage.random(client), rtt).await;
            if tracer.has_ended() {
                stage.note_cut(client, established, &ErrorKind::UnexpectedEof.into());
                return Ok(None);
            }
            match stage.unless_over(handshake).await {
                Some(shaken) => shaken,
                None => return Err(Unconnected::Waiting { established }),
            }
        }
    };
    match shaken {
        Ok(stream) => Ok(Some(Http1::new(stage.secured(client, stream)))),
        Err(error) => {
            stage.note_cut(client, established, &error);
            Ok(None)
        }
    }
}
