//! HTTP/2 clients that are slow themselves: at the signal their preface has been sent, or half of it, or half of a body on an
//! open stream; the rest comes a little after it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::task::JoinSet;

use super::attempt::Attempt;
use super::barrier::{Cue, after_the_signal, hold};
use super::connection::Link;
use super::h2::{answered, head, hold_stream, over, send, shake_hands};
use super::notebook::Client;
use super::opening;
use super::stage::Stage;
use crate::ledger::Lane;
use crate::request::RequestTemplate;

/// The connection preface (RFC 9113, 3.4). What begins with half of it may still be HTTP/1.1.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HALF: usize = PREFACE.len() / 2;
/// The second half of a body comes in so many pieces.
const PIECES: usize = 8;

/// The lane says where it stands at the signal.
pub(crate) async fn run(stage: Stage, client: Client, request: RequestTemplate, cue: Cue) {
    let mut random = stage.random(client);
    let (begins, rtt) = (cue.begins(&mut random, 50..250), cue.rtt);
    let begun = opening::begin_attempt(&stage, client, &request, cue, begins).await;
    let Some(attempt) = begun else {
        return;
    };
    let link = match stage.connect_h2(client).await {
        Ok(link) => link,
        Err(why) => return attempt.unconnected(why),
    };
    let mut tasks = JoinSet::new();
    let slow = SlowClient {
        stage: &stage,
        random: &mut random,
        request: &request,
        rtt,
    };
    match client.lane {
        Lane::H2HalfBody => slow.half_body(link, attempt, &mut tasks).await,
        // Some have sent all of it, some half.
        _ if client.number.is_multiple_of(2) => slow.preface(link, attempt, &mut tasks).await,
        _ => slow.half_preface(link, attempt, &mut tasks).await,
    }
    // Without a stream the client closes it.
    over(tasks).await;
}

struct SlowClient<'a> {
    stage: &'a Stage,
    random: &'a mut StdRng,
    request: &'a RequestTemplate,
    rtt: Duration,
}

impl SlowClient<'_> {
    async fn preface(self, link: Link, mut attempt: Attempt, tasks: &mut JoinSet<()>) {
        let tracer = link.tracer();
        let Some(sender) = shake_hands(link, tasks).await else {
            return attempt.forget();
        };
        hold(self.stage, &mut attempt, &tracer).await;
        after_the_signal(self.stage, self.random, self.rtt).await;
        self.ask(sender, attempt).await;
    }

    async fn half_preface(self, mut link: Link, mut attempt: Attempt, tasks: &mut JoinSet<()>) {
        let tracer = link.tracer();
        let sent = async {
            link.write_all(&PREFACE[..HALF]).await?;
            link.flush().await
        };
        if sent.await.is_err() {
            return attempt.forget();
        }
        hold(self.stage, &mut attempt, &tracer).await;
        after_the_signal(self.stage, self.random, self.rtt).await;
        let rest = StreamRest {
            link,
            sent_before: HALF,
        };
        if tracer.has_ended() {
            return attempt.unprocessed("ended before its preface was whole".to_owned());
        }
        match shake_hands(rest, tasks).await {
            Some(sender) => self.ask(sender, attempt).await,
            None => attempt.unprocessed("ended while its preface was sent".to_owned()),
        }
    }

    /// One stream, if the connection takes one.
    async fn ask(self, sender: SendRequest<Bytes>, mut attempt: Attempt) {
        // Fails when the connection is closed or going away: nothing was asked.
        let ready = self.stage.unless_over(sender.ready()).await;
        let Some(Ok(mut sender)) = ready else {
            return attempt.unprocessed("ended before its first stream".to_owned());
        };
        let sent = send(&mut sender, self.request, self.stage.origin());
        let Some(response) = sent else {
            return attempt.unprocessed("ended before its first stream".to_owned());
        };
        attempt.written = Some(Instant::now());
        answered(response, attempt, self.request).await;
    }

    async fn half_body(self, link: Link, mut attempt: Attempt, tasks: &mut JoinSet<()>) {
        let tracer = link.tracer();
        let Some(mut sender) = shake_hands(link, tasks).await else {
            return attempt.forget();
        };
        let head = head(self.request, self.stage.origin());
        let Some(Ok((response, mut sending))) = head.map(|it| sender.send_request(it, false))
        else {
            return attempt.forget();
        };
        let body = self.request.body();
        let (first, second) = (body.slice(..body.len() / 2), body.slice(body.len() / 2..));
        // What cannot be sent shows in the response.
        let _ = sending.send_data(first, false);
        // As far as the target's window allows.
        hold_stream(self.stage, &mut attempt, &tracer).await;
        self.stage.signal().await;
        let piece = second.len().div_ceil(PIECES).max(1);
        for from in (0..second.len()).step_by(piece) {
            let pause = Duration::from_millis(self.random.random_range(30..90));
            self.stage.sleep(pause).await;
            let until = (from + piece).min(second.len());
            let _ = sending.send_data(second.slice(from..until), until == second.len());
        }
        attempt.written = Some(Instant::now());
        answered(response, attempt, self.request).await;
    }
}

/// A connection on which the beginning of what is written was sent before.
struct StreamRest {
    link: Link,
    sent_before: usize,
}

impl AsyncRead for StreamRest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.link).poll_read(cx, buf)
    }
}

impl AsyncWrite for StreamRest {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let skipped = self.sent_before.min(buf.len());
        if skipped == buf.len() {
            self.sent_before -= skipped;
            return Poll::Ready(Ok(skipped));
        }
        let written = ready!(Pin::new(&mut self.link).poll_write(cx, &buf[skipped..]))?;
        self.sent_before = 0;
        Poll::Ready(Ok(skipped + written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.link).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.link).poll_shutdown(cx)
    }
}
