//! HTTP/2 clients: cleartext with prior knowledge, or ALPN over TLS; several streams at once on each connection.
//!
//! A stream that the server said it did not process (above the last id of its GOAWAY, or reset with
//! REFUSED_STREAM) is an honest refusal. Any other stream that was sent and got no whole response is lost.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

use super::answer::{Answer, AnswerFault, FaultKind};
use super::attempt::Attempt;
use super::barrier::{BarrierPlace, hold};
use super::connection::is_reset;
use super::notebook::Client;
use super::stage::Stage;
use crate::endpoint::Endpoint;
use crate::request::RequestTemplate;
use crate::wire::Tracer;

/// Streams at once on each connection.
const STREAMS: u32 = 4;
/// Window for a stream and for a connection: responses are never held up by the client.
const WINDOW: u32 = 1 << 20;

/// What one connection's clients ask.
#[derive(Clone)]
pub(crate) struct H2Script {
    pub(crate) quick: Vec<RequestTemplate>,
    /// Asked once on each connection, to be in flight at the signal.
    pub(crate) slow: Vec<RequestTemplate>,
    /// When the slow request goes out; set when the moment of the signal is known.
    pub(crate) slow_at: tokio::sync::watch::Receiver<Option<Instant>>,
}

pub(crate) async fn run(stage: Stage, client: Client, script: H2Script) {
    let mut random = stage.random(client);
    // Without a quick request there is nothing to warm up with.
    let made = match script.quick.is_empty() {
        true => Arc::default(),
        false => stage.warm_counter(),
    };
    let numbers = Arc::new(AtomicU32::new(0));
    let slow = SlowStream::default();
    if !script.slow.is_empty() {
        slow.lock().replace(stage.barrier().place());
    }
    let mut leaving = JoinSet::new();
    while !stage.is_over() {
        let number = numbers.load(Ordering::Relaxed) + 1;
        let link = match stage.connect_h2(client).await {
            Ok(link) => link,
            Err(why) => {
                numbers.fetch_add(1, Ordering::Relaxed);
                if let Some(request) = script.quick.first().or(script.slow.first()) {
                    Attempt::begin(stage.notebook(), client, number, request).unconnected(why);
                }
                stage
                    .sleep(Duration::from_millis(random.random_range(5..50)))
                    .await;
                continue;
            }
        };
        let tracer = link.tracer();
        let mut streams = JoinSet::new();
        let Some(sender) = shake_hands(link, &mut streams).await else {
            stage.sleep(Duration::from_millis(10)).await;
            continue;
        };
        for _ in 0..STREAMS {
            let worker = Worker {
                stage: stage.clone(),
                client,
                script: script.clone(),
                numbers: numbers.clone(),
                made: made.clone(),
                slow: slow.clone(),
                tracer: tracer.clone(),
                random: StdRng::seed_from_u64(random.random()),
            };
            streams.spawn(worker.run(sender.clone()));
        }
        drop(sender);
        // The first that ends has found that the connection takes no more: what is still under way on it ends there, and
        // the client goes on elsewhere.
        streams.join_next().await;
        leaving.spawn(over(streams));
        while leaving.try_join_next().is_some() {}
        stage
            .sleep(Duration::from_millis(random.random_range(1..10)))
            .await;
    }
    over(leaving).await;
}

/// As [`hold`], for what is sent by the connection's own task.
pub(super) async fn hold_stream(stage: &Stage, attempt: &mut Attempt, tracer: &Tracer) {
    const SENT: Duration = Duration::from_millis(5);
    tokio::time::sleep(SENT).await;
    hold(stage, attempt, tracer).await;
}

/// When every one of them has ended.
pub(crate) async fn over(mut tasks: JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}

/// Begins to speak HTTP/2; the connection itself runs in `tasks`.
pub(crate) async fn shake_hands<S>(stream: S, tasks: &mut JoinSet<()>) -> Option<SendRequest<Bytes>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shaken = h2::client::Builder::new()
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .enable_push(false)
        .handshake::<_, Bytes>(stream)
        .await;
    let (sender, connection) = shaken.ok()?;
    tasks.spawn(async move { drop(connection.await) });
    Some(sender)
}

/// The place at the barrier of the one slow request of a client, until a stream takes it.
#[derive(Clone, Default)]
struct SlowStream(Arc<Mutex<Option<BarrierPlace>>>);

impl SlowStream {
    fn lock(&self) -> MutexGuard<'_, Option<BarrierPlace>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Worker {
    stage: Stage,
    client: Client,
    script: H2Script,
    numbers: Arc<AtomicU32>,
    made: Arc<AtomicU32>,
    slow: SlowStream,
    tracer: Tracer,
    random: StdRng,
}

impl Worker {
    /// One stream after the other, until the connection takes no more.
    async fn run(mut self, mut sender: SendRequest<Bytes>) {
        let mut first = true;
        while !self.stage.is_over() {
            let Some((request, place)) = self.next_request().await else {
                return;
            };
            // Fails when the connection is closed or going away: nothing has been sent, the client goes elsewhere.
            sender = match self.stage.unless_over(sender.ready()).await {
                Some(Ok(sender)) => sender,
                _ => return,
            };
            let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
            let mut attempt = Attempt::begin(self.stage.notebook(), self.client, number, &request);
            attempt.reused = !std::mem::take(&mut first);
            let goes_on = match place {
                None => exchange(&mut sender, attempt, &request, &self.stage).await,
                Some(place) => {
                    attempt.place = Some(place);
                    self.hold_slow(&mut sender, attempt, &request).await
                }
            };
            if !goes_on {
                return;
            }
            self.made.fetch_add(1, Ordering::Relaxed);
            self.stage
                .sleep(Duration::from_micros(self.random.random_range(0..20_000)))
                .await;
        }
    }

    /// Sends the slow request, and stands at the barrier with it. Returns whether the connection may take more.
    async fn hold_slow(
        &self,
        sender: &mut SendRequest<Bytes>,
        mut attempt: Attempt,
        request: &RequestTemplate,
    ) -> bool {
        let Some(response) = send(sender, request, self.stage.origin()) else {
            attempt.forget();
            return false;
        };
        attempt.written = Some(Instant::now());
        hold_stream(&self.stage, &mut attempt, &self.tracer).await;
        answered(response, attempt, request).await
    }

    /// The slow request when its time has come and no other stream took it, with its place at the barrier; else a quick one.
    async fn next_request(&mut self) -> Option<(RequestTemplate, Option<BarrierPlace>)> {
        loop {
            let slow_at = *self.script.slow_at.borrow_and_update();
            let is_time = slow_at.is_some_and(|at| Instant::now() >= at);
            if is_time && let Some(place) = self.slow.lock().take() {
                let slow = &self.script.slow;
                let request = slow.get(self.random.random_range(0..slow.len()));
                return request.map(|it| (it.clone(), Some(place)));
            }
            let quick = &self.script.quick;
            if !quick.is_empty() {
                let request = quick.get(self.random.random_range(0..quick.len()));
                return request.map(|it| (it.clone(), None));
            }
            if self.stage.is_over() {
                return None;
            }
            self.stage.sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Returns whether the connection may take more.
pub(crate) async fn exchange(
    sender: &mut SendRequest<Bytes>,
    mut attempt: Attempt,
    template: &RequestTemplate,
    stage: &Stage,
) -> bool {
    let Some(response) = send(sender, template, stage.origin()) else {
        attempt.forget();
        return false;
    };
    attempt.written = Some(Instant::now());
    answered(response, attempt, template).await
}

/// Waits for the answer and enters it. Returns whether the connection may take more.
pub(super) async fn answered(
    response: ResponseFuture,
    mut attempt: Attempt,
    template: &RequestTemplate,
) -> bool {
    match read(response, &mut attempt, template.keeps_response()).await {
        Ok(answer) => {
            attempt.finish(Ok(answer));
            true
        }
        Err(error) => failed(attempt, &error),
    }
}

/// Sends a request, its body and all. `None`: nothing was sent, the connection went away since it was ready.
pub(crate) fn send(
    sender: &mut SendRequest<Bytes>,
    template: &RequestTemplate,
    origin: &Endpoint,
) -> Option<ResponseFuture> {
    let request = head(template, origin)?;
    let body = template.body().clone();
    let (response, mut sending) = sender.send_request(request, body.is_empty()).ok()?;
    if !body.is_empty() {
        // A body that cannot be sent shows in the response.
        let _ = sending.send_data(body, true);
    }
    Some(response)
}

/// The head of a request; `None` if it is none.
pub(super) fn head(template: &RequestTemplate, origin: &Endpoint) -> Option<http::Request<()>> {
    let mut builder = http::Request::builder()
        .method(template.method())
        .uri(format!(
            "{}://{}{}",
            origin.scheme(),
            origin.authority,
            template.path()
        ))
        .version(http::Version::HTTP_2);
    for (name, value) in template.headers_at(origin) {
        builder = builder.header(name, value);
    }
    builder.body(()).ok()
}

/// Enters a stream that failed. Returns whether the connection may take more.
pub(super) fn failed(attempt: Attempt, error: &h2::Error) -> bool {
    if is_unprocessed(error) && attempt.answered.is_none() {
        attempt.unprocessed(format!("not processed: {error}"));
        // REFUSED_STREAM leaves the connection usable; a GOAWAY does not.
        return error.is_reset();
    }
    let began = attempt.answered.is_some();
    let kind = match error.get_io() {
        Some(io) if is_reset(io) && io.kind() != std::io::ErrorKind::BrokenPipe => FaultKind::Reset,
        Some(_) => FaultKind::Eof,
        None => FaultKind::Reset,
    };
    attempt.finish(Err(AnswerFault {
        kind,
        began,
        status: None,
        what: in_words(error),
    }));
    error.is_reset()
}

async fn read(
    response: ResponseFuture,
    attempt: &mut Attempt,
    keep: bool,
) -> Result<Answer, h2::Error> {
    let (head, mut body) = response.await?.into_parts();
    attempt.head_came();
    let mut bytes = 0;
    let mut kept = keep.then(BytesMut::new);
    while let Some(data) = body.data().await {
        let data = data?;
        bytes += data.len() as u64;
        if let Some(events) = &mut attempt.events {
            events.pass(&data);
        }
        if let Some(kept) = &mut kept {
            kept.extend_from_slice(&data);
        }
        body.flow_control().release_capacity(data.len())?;
    }
    body.trailers().await?;
    Ok(Answer {
        status: head.status.as_u16(),
        close: false,
        ended: Instant::now(),
        bytes,
        to_eof: false,
        body: kept.map(BytesMut::freeze),
    })
}

/// The h2 crate fails a stream with the peer's GOAWAY only when its id is above the last one processed.
fn is_unprocessed(error: &h2::Error) -> bool {
    error.is_remote()
        && (error.is_go_away()
            || (error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM)))
}

fn in_words(error: &h2::Error) -> String {
    match error.get_io() {
        Some(_) => {
            format!("stream processed or unaccounted for, then the connection ended: {error}")
        }
        None => format!("stream failed: {error}"),
    }
}
