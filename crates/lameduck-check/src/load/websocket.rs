//! WebSocket clients: each opens one before the signal, sends a numbered message every now and then, and looks how it
//! is sent away. A server need not echo.
//!
//! A client answers a Close as RFC 6455, 5.5.1 asks, though not in the same instant: in the meantime it looks whether
//! the server waits for the answer. Then it waits for the server to close the connection (7.1.1). After the signal
//! nobody opens another, unless it is that of an episode.
//!
//! Some are in the middle of a message when the signal comes: they have sent half of a frame, and send the rest a little
//! later. Until then they read nothing, because whoever reads may have to answer.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use http::{HeaderName, HeaderValue};
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message, protocol::CloseFrame};

use super::barrier::{BarrierPlace, after_the_signal, held};
use super::frames::Counted;
use super::notebook::Client;
use super::stage::Stage;
use crate::endpoint::Endpoint;
use crate::ledger::{Held, Parting, ServerClose, Socket};
use crate::request::RequestTemplate;

/// Pause between two messages, milliseconds.
const PAUSES: std::ops::Range<u64> = 20..60;
/// A Close is answered so long after it came.
const ANSWER: Duration = Duration::from_millis(20);

/// `half_way`: it is to be found in the middle of a message by the signal.
pub(crate) async fn run(stage: Stage, client: Client, path: String, mut half_way: Option<HalfWay>) {
    let mut random = stage.random(client);
    let warm = stage.warm_counter();
    // Not all in the same instant: a backlog is not what is tested here.
    stage
        .sleep(Duration::from_millis(random.random_range(0..100)))
        .await;
    while stage.may_open() {
        match open(&stage, client, &path).await {
            Some(stream) => {
                stage.notebook().begun(client.lane);
                let socket = Watched {
                    stage: stage.clone(),
                    client,
                    stream,
                    opened: Instant::now(),
                    close: None,
                    fault: None,
                    held: None,
                    sent: 0,
                    received: 0,
                };
                socket.follow(&mut random, &warm, &mut half_way).await;
            }
            None => {
                stage
                    .sleep(Duration::from_millis(random.random_range(20..50)))
                    .await
            }
        }
    }
}

/// A place at the barrier, and when to go there.
pub(crate) struct HalfWay {
    pub(crate) place: BarrierPlace,
    /// Set when the moment of the signal is known.
    pub(crate) from: watch::Receiver<Option<Instant>>,
}

/// Waits until it is time to begin a message that is not ended before the signal.
async fn is_due(half_way: &mut Option<HalfWay>) -> BarrierPlace {
    if let Some(it) = half_way {
        // Without a sender there will be no signal.
        if let Ok(from) = it.from.wait_for(Option::is_some).await.map(|from| *from) {
            tokio::time::sleep_until(from.unwrap_or_else(Instant::now).into()).await;
            if let Some(it) = half_way.take() {
                return it.place;
            }
        }
    }
    std::future::pending().await
}

/// A text in one frame, as clients send it.
fn masked_text(text: String, mask: [u8; 4]) -> Vec<u8> {
    let mut frame = Frame::message(text, OpCode::Data(Data::Text), true);
    frame.header_mut().mask = Some(mask);
    let mut bytes = Vec::new();
    // Fails only where its bytes cannot be written, and here they can.
    drop(frame.format(&mut bytes));
    bytes
}

/// Shakes hands. A target that turns the handshake down is not tested by it, and the run says so.
async fn open(stage: &Stage, client: Client, path: &str) -> Option<WebSocketStream<Counted>> {
    let link = Counted::new(stage.connect(client).await.ok()?);
    let handshake = handshake(stage.origin(), path)?;
    let shaken = tokio_tungstenite::client_async(handshake, link);
    let error = match stage.unless_over(shaken).await? {
        Ok((stream, _)) => return Some(stream),
        Err(error) => error,
    };
    let seen = match &error {
        Error::Http(response) => format!("was answered {}", response.status().as_u16()),
        // Cut in the handshake: it never was a WebSocket. The client tries again while it may.
        Error::Io(_) => return None,
        other => format!("failed: {other}"),
    };
    if !stage.is_signalled() {
        stage.notebook().trouble(format!(
            "--ws {path}: the opening handshake {seen}; name a path where the target speaks WebSocket"
        ));
    }
    None
}

/// The opening handshake, with what goes with every request.
fn handshake(origin: &Endpoint, path: &str) -> Option<Request> {
    let scheme = origin.scheme().replace("http", "ws");
    let url = format!("{scheme}://{}{path}", origin.authority);
    let mut request = url.into_client_request().ok()?;
    for (name, value) in RequestTemplate::get(path).headers_at(origin) {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let value = HeaderValue::from_str(value).ok()?;
        request.headers_mut().append(name, value);
    }
    Some(request)
}

/// An open WebSocket. Whatever becomes of it, it is entered into the ledger once.
struct Watched {
    stage: Stage,
    client: Client,
    stream: WebSocketStream<Counted>,
    opened: Instant,
    close: Option<ServerClose>,
    fault: Option<String>,
    held: Option<Held>,
    sent: u32,
    received: u32,
}

impl Watched {
    async fn follow(
        mut self,
        random: &mut StdRng,
        warm: &std::sync::atomic::AtomicU32,
        half_way: &mut Option<HalfWay>,
    ) {
        let stage = self.stage.clone();
        let mut next_message = Instant::now();
        loop {
            let next = tokio::select! {
                () = stage.over() => return,
                next = self.stream.next() => next,
                place = is_due(half_way) => {
                    self.stop_half_way(random, place).await;
                    continue;
                }
                () = tokio::time::sleep_until(next_message.into()) => {
                    // A message into a connection that has ended would only reset it.
                    self.stream.get_mut().link().is_open();
                    if self.stream.get_mut().link().parting().is_none() {
                        self.send().await;
                        warm.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                    next_message = Instant::now() + Duration::from_millis(random.random_range(PAUSES));
                    continue;
                }
            };
            match next {
                Some(Ok(Message::Close(frame))) => return self.answer(frame).await,
                Some(Ok(Message::Text(_) | Message::Binary(_))) => self.received += 1,
                Some(Ok(_)) => {}
                Some(Err(error)) => return self.note(&error),
                None => return,
            }
        }
    }

    /// Sends half of a message, and the rest after the signal.
    async fn stop_half_way(&mut self, random: &mut StdRng, place: BarrierPlace) {
        let text = format!(
            "a message of websocket {} in two halves",
            self.client.number
        );
        let frame = masked_text(text, random.random());
        let (first, rest) = frame.split_at(frame.len() / 2);
        let frames = self.stream.get_mut();
        let sent = async {
            frames.write_all(first).await?;
            frames.flush().await
        };
        if sent.await.is_err() {
            return;
        }
        let tracer = frames.link().tracer();
        self.held = held(&self.stage, &tracer).await;
        drop(place);
        after_the_signal(&self.stage, random, self.stage.rtt()).await;
        // Into a connection that has ended it would only reset it; that it has shows in what is read next.
        let frames = self.stream.get_mut();
        if !tracer.has_ended() && frames.write_all(rest).await.is_ok() {
            let _ = frames.flush().await;
            self.sent += 1;
        }
    }

    async fn send(&mut self) {
        let text = format!(
            "message {} of websocket {}",
            self.sent + 1,
            self.client.number
        );
        let sent = self
            .stage
            .unless_over(self.stream.send(Message::text(text)))
            .await;
        // A failure shows in what is read next.
        if let Some(Ok(())) = sent {
            self.sent += 1;
        }
    }

    /// The server says Close.
    async fn answer(mut self, frame: Option<CloseFrame>) {
        let close = self.close.insert(ServerClose {
            at: Instant::now(),
            code: frame.as_ref().map(|frame| frame.code.into()),
            reason: frame
                .map(|frame| frame.reason.to_string())
                .unwrap_or_default(),
            answered: false,
        });
        // Its answer is ready in the stream and goes out with the flush.
        tokio::time::sleep(ANSWER).await;
        self.stream.get_mut().link().is_open();
        if self.stream.get_mut().link().parting().is_some() {
            return;
        }
        close.answered = matches!(
            self.stage.unless_over(self.stream.flush()).await,
            Some(Ok(()))
        );
        let stage = self.stage.clone();
        while let Some(Some(next)) = stage.unless_over(self.stream.next()).await {
            if let Err(error) = next {
                return self.note(&error);
            }
        }
    }

    /// What the library says of the end, if it is not about the connection: that tells its end itself.
    fn note(&mut self, error: &Error) {
        use tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
        match error {
            Error::Io(_)
            | Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Protocol(ResetWithoutClosingHandshake) => {}
            other => self.fault = Some(other.to_string()),
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let frames = self.stream.get_mut();
        let cut = frames.missing();
        let parting = frames.link().parting().unwrap_or(Parting::Client);
        self.stage.notebook().record_socket(Socket {
            client: self.client.number,
            opened: self.opened,
            ended: Instant::now(),
            close: self.close.take(),
            parting,
            cut,
            fault: self.fault.take(),
            held: self.held,
            sent: self.sent,
            received: self.received,
        });
    }
}
