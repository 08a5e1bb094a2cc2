//! gRPC clients over HTTP/2: calls with one answer, several at once on each connection, and one call whose answer is a
//! stream. Messages are bytes to them: a length and as much of it.
//!
//! As with any HTTP/2 stream, a call that the server said it did not process is an honest refusal. Any other call that
//! was sent must end with a status in its trailers. After the signal no stream is begun, unless it is that of an episode.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ::h2::client::{ResponseFuture, SendRequest};
use bytes::Bytes;
use http::HeaderMap;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use super::answer::{Answer, AnswerFault, FaultKind};
use super::attempt::Attempt;
use super::h2;
use super::notebook::Client;
use super::stage::Stage;
use crate::ledger::{GrpcStatus, Lane};
use crate::request::RequestTemplate;

/// Calls at once on each connection, beside its stream.
const CALLS: u32 = 3;
/// A message begins with a flag and its length.
const PREFIX: usize = 5;

/// What is called on each connection.
#[derive(Clone)]
pub(crate) struct GrpcScript {
    pub(crate) unary: Vec<RequestTemplate>,
    pub(crate) streams: Vec<RequestTemplate>,
}

pub(crate) async fn run(stage: Stage, client: Client, script: GrpcScript) {
    let mut random = stage.random(client);
    // Without a quick call there is nothing to warm up with.
    let made = match script.unary.is_empty() {
        true => Arc::default(),
        false => stage.warm_counter(),
    };
    let numbers = Arc::new(AtomicU32::new(0));
    let mut leaving = JoinSet::new();
    while stage.may_open() || !script.unary.is_empty() && !stage.is_over() {
        let mut tasks = JoinSet::new();
        let link = match stage.connect_h2(client).await {
            Ok(link) => link,
            Err(why) => {
                let number = numbers.fetch_add(1, Ordering::Relaxed) + 1;
                if let Some(method) = script.unary.first().or(script.streams.first()) {
                    Attempt::begin(stage.notebook(), client, number, method).unconnected(why);
                }
                stage
                    .sleep(Duration::from_millis(random.random_range(5..50)))
                    .await;
                continue;
            }
        };
        let Some(sender) = h2::shake_hands(link, &mut tasks).await else {
            stage.sleep(Duration::from_millis(10)).await;
            continue;
        };
        let mut caller = |lane, methods: &[RequestTemplate]| Caller {
            stage: stage.clone(),
            client: Client { lane, ..client },
            methods: methods.to_vec(),
            numbers: numbers.clone(),
            made: made.clone(),
            random: StdRng::seed_from_u64(random.random()),
        };
        if !script.streams.is_empty() {
            tasks.spawn(caller(Lane::GrpcStream, &script.streams).run(sender.clone()));
        }
        let mut calls = JoinSet::new();
        if !script.unary.is_empty() {
            for _ in 0..CALLS {
                calls.spawn(caller(Lane::Grpc, &script.unary).run(sender.clone()));
            }
        }
        drop(sender);
        // The first that ends has found that the connection takes no more: what is still under way on it ends there, and
        // the client goes on elsewhere.
        if calls.join_next().await.is_none() {
            h2::over(tasks).await;
        } else {
            leaving.spawn(h2::over(calls));
            leaving.spawn(h2::over(tasks));
            while leaving.try_join_next().is_some() {}
        }
        stage
            .sleep(Duration::from_millis(random.random_range(1..10)))
            .await;
    }
    h2::over(leaving).await;
}

struct Caller {
    stage: Stage,
    client: Client,
    methods: Vec<RequestTemplate>,
    numbers: Arc<AtomicU32>,
    made: Arc<AtomicU32>,
    random: StdRng,
}

impl Caller {
    /// One call after the other, until the connection takes no more.
    async fn run(mut self, mut sender: SendRequest<Bytes>) {
        let is_stream = self.client.lane == Lane::GrpcStream;
        let mut first = true;
        while self.stage.may_open() || !is_stream && !self.stage.is_over() {
            // Fails when the connection is closed or going away: nothing has been sent, the client goes elsewhere.
            sender = match self.stage.unless_over(sender.ready()).await {
                Some(Ok(sender)) => sender,
                _ => return,
            };
            let method = &self.methods[self.random.random_range(0..self.methods.len())];
            let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
            let mut attempt = Attempt::begin(self.stage.notebook(), self.client, number, method);
            attempt.reused = !std::mem::take(&mut first);
            attempt.goes_on = is_stream && self.stage.is_episode();
            let called = call(&mut sender, attempt, method, &self.stage);
            // Dropped when the prover stops waiting, it is entered as one that did not end.
            match is_stream {
                true => match self.stage.unless_over(called).await {
                    Some(true) => {}
                    Some(false) | None => return,
                },
                false => match called.await {
                    true => _ = self.made.fetch_add(1, Ordering::Relaxed),
                    false => return,
                },
            }
            let pause = Duration::from_micros(self.random.random_range(0..20_000));
            self.stage.sleep(pause).await;
        }
    }
}

/// Returns whether the connection may take more.
async fn call(
    sender: &mut SendRequest<Bytes>,
    mut attempt: Attempt,
    method: &RequestTemplate,
    stage: &Stage,
) -> bool {
    let Some(response) = h2::send(sender, method, stage.origin()) else {
        attempt.forget();
        return false;
    };
    attempt.written = Some(Instant::now());
    let reply = match read(response, || _ = attempt.head_came()).await {
        Ok(reply) => reply,
        Err(error) => return h2::failed(attempt, &error),
    };
    let is_whole = reply.messages.is_whole();
    let status = |code, message| GrpcStatus {
        code,
        message,
        messages: reply.messages.count,
    };
    match reply.status {
        Some((code, message)) => attempt.called(status(code, message), is_whole),
        // No gRPC at all: what HTTP says of it.
        None if reply.http != 200 => attempt.finish(Ok(Answer {
            status: reply.http,
            close: false,
            ended: Instant::now(),
            bytes: 0,
            to_eof: false,
            body: None,
        })),
        None => attempt.finish(Err(AnswerFault {
            kind: FaultKind::Malformed,
            began: true,
            status: None,
            what: format!(
                "ended without a grpc-status after {} messages",
                reply.messages.count
            ),
        })),
    }
    true
}

/// What came of a call.
pub(crate) struct Reply {
    http: u16,
    /// Code and message.
    pub(super) status: Option<(u32, String)>,
    messages: Messages,
}

impl Reply {
    /// The first message, if it is whole.
    pub(crate) fn first(&self) -> Option<&[u8]> {
        self.messages.first.as_deref()
    }
}

/// Reads a reply to its end; `answered` is told when its head has come.
pub(crate) async fn read(
    response: ResponseFuture,
    answered: impl FnOnce(),
) -> Result<Reply, ::h2::Error> {
    let (head, mut body) = response.await?.into_parts();
    answered();
    let mut messages = Messages::default();
    while let Some(data) = body.data().await {
        let data = data?;
        messages.pass(&data);
        body.flow_control().release_capacity(data.len())?;
    }
    let trailers = body.trailers().await?;
    Ok(Reply {
        http: head.status.as_u16(),
        // A reply of nothing but a status has it in its head.
        status: trailers
            .as_ref()
            .and_then(status)
            .or_else(|| status(&head.headers)),
        messages,
    })
}

fn status(fields: &HeaderMap) -> Option<(u32, String)> {
    let code = fields.get("grpc-status")?.to_str().ok()?.parse().ok()?;
    let message = fields.get("grpc-message").map(|message| message.as_bytes());
    let message = String::from_utf8_lossy(message.unwrap_or_default()).into_owned();
    Some((code, message))
}

/// The messages of a reply, counted.
#[derive(Default)]
struct Messages {
    count: u64,
    first: Option<Vec<u8>>,
    /// The message under way, its prefix included; kept whole for the first one alone.
    prefix: Vec<u8>,
    left: usize,
}

impl Messages {
    fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.prefix.len() < PREFIX {
                self.prefix.push(bytes[0]);
                bytes = &bytes[1..];
                if let [_, length @ ..] = &self.prefix[..]
                    && let Ok(length) = <[u8; 4]>::try_from(length)
                {
                    self.left = u32::from_be_bytes(length) as usize;
                    if self.count == 0 {
                        self.first = Some(Vec::new());
                    }
                }
            } else {
                let taken = self.left.min(bytes.len());
                if let Some(first) = self.first.as_mut().filter(|_| self.count == 0) {
                    first.extend_from_slice(&bytes[..taken]);
                }
                self.left -= taken;
                bytes = &bytes[taken..];
            }
            if self.prefix.len() == PREFIX && self.left == 0 {
                self.prefix.clear();
                self.count += 1;
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.prefix.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_however_they_come() {
        let bytes = b"\0\0\0\0\x02hi\0\0\0\0\0\0\0\0\0\x01x";
        let (mut whole, mut single) = (Messages::default(), Messages::default());
        whole.pass(bytes);
        bytes.iter().for_each(|byte| single.pass(&[*byte]));
        for messages in [whole, single] {
            assert_eq!((messages.count, messages.is_whole()), (3, true));
            assert_eq!(messages.first.as_deref(), Some(&b"hi"[..]));
        }
        let mut cut = Messages::default();
        cut.pass(b"\0\0\0\0\x02h");
        assert_eq!((cut.count, cut.is_whole()), (0, false));
    }
}
