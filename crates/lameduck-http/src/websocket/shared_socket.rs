//! One WebSocket's connection, between the application that uses it and whoever closes it.
//!
//! # What must hold
//!
//! 1. Messages reach the application in the order in which they came, whoever read them.
//! 2. Nobody's wake-up is lost: the connection knows one waker, which wakes all who wait here.
//! 3. After our Close frame no message goes out, and before it whole messages only.
//!
//! The lock is held for one poll of the connection, which never blocks.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker, ready};

use futures_util::task::AtomicWaker;
use futures_util::{Sink, Stream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite as ts;
use ts::protocol::frame::Frame;
use ts::protocol::frame::coding::{Data, OpCode};

use super::counted_stream::CountedStream;
use super::keepalive::Counts;
use super::{CloseCode, CloseFrame, Message, WebSocketError, close_code};

/// What our pings carry, by which their answers are known.
const PING: &[u8] = b"lameduck";

/// How much of what came behind our Close frame is kept for an application that is not reading.
const KEPT_MESSAGES: usize = 64;
const KEPT_BYTES: usize = 256 * 1024;

type Ws = WebSocketStream<CountedStream>;
type PollSink = fn(Pin<&mut Ws>, &mut Context<'_>) -> Poll<Result<(), ts::Error>>;

pub(super) struct SharedSocket {
    state: Mutex<SharedState>,
    bells: Arc<WakeAll>,
    waker: Waker,
}

/// Who may wait for the connection.
#[derive(Default)]
struct WakeAll {
    reader: AtomicWaker,
    writer: AtomicWaker,
    closer: AtomicWaker,
}

impl Wake for WakeAll {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.reader.wake();
        self.writer.wake();
        self.closer.wake();
    }
}

struct SharedState {
    /// Gone once the connection has been taken to be ended.
    ws: Option<Ws>,
    /// Read while the application was not reading.
    backlog: VecDeque<Result<Message, WebSocketError>>,
    backlog_bytes: usize,
    /// Whether the application is between the fragments of a message.
    within_message: bool,
    /// Text and binary messages in both directions.
    messages: u64,
    /// Whether a ping is not with the kernel yet.
    ping_unsent: bool,
    /// Where the last whole message from the peer ended, in bytes.
    last_message_at: u64,
    close_sent: bool,
    close_is_out: bool,
    peer_closed: bool,
    /// Nothing more will come.
    ended: bool,
    /// What to tell a peer that broke the rules.
    fault: Option<CloseCode>,
    /// Nothing can be sent any more.
    broken: bool,
    /// The application has let its end go.
    abandoned: bool,
    panicked: bool,
}

/// How a closing handshake went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// Both sides have said Close.
    Both,
    /// The connection broke.
    Broken,
}

impl SharedState {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, WebSocketError>>> {
        loop {
            let Some(ws) = self.ws.as_mut().filter(|_| !self.ended) else {
                return Poll::Ready(None);
            };
            let polled = ready!(Pin::new(&mut *ws).poll_next(cx));
            self.last_message_at = ws.get_ref().read;
            return Poll::Ready(match polled {
                Some(Ok(message)) => match Message::from_protocol(message) {
                    None => continue,
                    Some(Message::Pong(payload)) if payload == PING => continue,
                    Some(message) => {
                        self.peer_closed |= matches!(message, Message::Close(_));
                        self.messages += u64::from(message.is_text() || message.is_binary());
                        Some(Ok(message))
                    }
                },
                Some(Err(error)) => {
                    let error = WebSocketError::of(error);
                    self.ended = true;
                    self.fault = error.fault();
                    self.broken |= self.fault.is_none();
                    Some(Err(error))
                }
                None => {
                    self.ended = true;
                    None
                }
            });
        }
    }

    fn start_send(&mut self, message: Message) -> Result<(), WebSocketError> {
        match &message {
            Message::Text(_) | Message::Binary(_) if self.within_message => {
                return Err(WebSocketError::Incomplete);
            }
            Message::Text(_) | Message::Binary(_) => self.messages += 1,
            _ => {}
        }
        let closes = matches!(message, Message::Close(_));
        self.start(message.into_protocol())?;
        self.close_sent |= closes;
        Ok(())
    }

    /// Text and bytes only are ever in fragments.
    fn start_fragment(&mut self, message: Message, is_last: bool) -> Result<(), WebSocketError> {
        let data = match &message {
            Message::Text(_) | Message::Binary(_) if self.within_message => Data::Continue,
            Message::Text(_) => Data::Text,
            Message::Binary(_) => Data::Binary,
            _ => return self.start_send(message),
        };
        let frame = Frame::message(message.into_data(), OpCode::Data(data), is_last);
        self.start(ts::Message::Frame(frame))?;
        self.within_message = !is_last;
        self.messages += u64::from(is_last);
        Ok(())
    }

    fn start(&mut self, message: ts::Message) -> Result<(), WebSocketError> {
        let closing = self.close_sent || self.peer_closed || self.broken;
        let Some(ws) = self.ws.as_mut().filter(|_| !closing) else {
            return Err(WebSocketError::Closed);
        };
        let sent = Pin::new(ws).start_send(message);
        self.broken |= sent.is_err();
        sent.map_err(WebSocketError::of)
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        poll: PollSink,
    ) -> Poll<Result<(), WebSocketError>> {
        let Some(ws) = self.ws.as_mut().filter(|_| !self.broken) else {
            return Poll::Ready(Err(WebSocketError::Closed));
        };
        let done = ready!(poll(Pin::new(ws), cx));
        self.broken |= done.is_err();
        Poll::Ready(done.map_err(WebSocketError::of))
    }

    /// Brings our ping to the kernel, if there is one.
    fn send_ping(&mut self, cx: &mut Context<'_>) {
        // What is wrong with the connection its users will see.
        self.ping_unsent = self.ping_unsent && self.poll_write(cx, Sink::poll_flush).is_pending();
    }

    fn keep(&mut self, it: Result<Message, WebSocketError>) {
        self.backlog_bytes += it.as_ref().map_or(0, Message::length);
        self.backlog.push_back(it);
    }

    fn keeps(&self) -> bool {
        self.abandoned || (self.backlog.len() < KEPT_MESSAGES && self.backlog_bytes < KEPT_BYTES)
    }
}

impl SharedSocket {
    pub(super) fn new(ws: Ws) -> SharedSocket {
        let bells = Arc::<WakeAll>::default();
        SharedSocket {
            state: Mutex::new(SharedState {
                ws: Some(ws),
                backlog: VecDeque::new(),
                backlog_bytes: 0,
                within_message: false,
                messages: 0,
                ping_unsent: false,
                last_message_at: 0,
                close_sent: false,
                close_is_out: false,
                peer_closed: false,
                ended: false,
                fault: None,
                broken: false,
                abandoned: false,
                panicked: false,
            }),
            waker: bells.clone().into(),
            bells,
        }
    }

    fn state(&self) -> MutexGuard<'_, SharedState> {
        // Every field is whole at any time.
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn cx(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    // What the application does.

    pub(super) fn poll_next(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, WebSocketError>>> {
        self.bells.reader.register(cx.waker());
        let mut state = self.state();
        let polled = match state.backlog.pop_front() {
            Some(it) => {
                state.backlog_bytes -= it.as_ref().map_or(0, Message::length);
                Poll::Ready(Some(it))
            }
            None => state.poll_next(&mut self.cx()),
        };
        drop(state);
        if polled.is_ready() {
            self.bells.closer.wake();
        }
        polled
    }

    pub(super) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), WebSocketError>> {
        self.bells.writer.register(cx.waker());
        self.state().poll_write(&mut self.cx(), Sink::poll_ready)
    }

    pub(super) fn start_send(&self, message: Message) -> Result<(), WebSocketError> {
        self.starting(|state| state.start_send(message))
    }

    pub(super) fn start_fragment(
        &self,
        message: Message,
        is_last: bool,
    ) -> Result<(), WebSocketError> {
        self.starting(|state| state.start_fragment(message, is_last))
    }

    fn starting(
        &self,
        start: impl FnOnce(&mut SharedState) -> Result<(), WebSocketError>,
    ) -> Result<(), WebSocketError> {
        let mut state = self.state();
        let sent = start(&mut state);
        let told = state.close_sent || state.broken || !state.within_message;
        drop(state);
        if told {
            self.bells.closer.wake();
        }
        sent
    }

    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), WebSocketError>> {
        self.bells.writer.register(cx.waker());
        self.state().poll_write(&mut self.cx(), Sink::poll_flush)
    }

    /// Whether the reader has had all there will be.
    pub(super) fn is_read_to_its_end(&self) -> bool {
        let state = self.state();
        state.backlog.is_empty() && (state.ended || state.ws.is_none())
    }

    pub(super) fn abandon(&self) {
        self.state().abandoned = true;
        self.bells.closer.wake();
    }

    pub(super) fn panicked(&self) {
        self.state().panicked = true;
    }

    // What the closer does.

    /// Whether the socket is to be closed without its turn: the application is done with it, or one
    /// side has said Close, or it is broken.
    pub(super) fn poll_over(&self, cx: &Context<'_>) -> Poll<()> {
        self.bells.closer.register(cx.waker());
        let mut s = self.state();
        s.send_ping(&mut self.cx());
        match s.abandoned || s.close_sent || s.peer_closed || s.ended || s.broken {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let state = self.state();
        let io = state.ws.as_ref().map(WebSocketStream::get_ref);
        Counts {
            read: io.map_or(0, |io| io.read),
            written: io.map_or(0, |io| io.written),
            messages: state.messages,
            ping_unsent: state.ping_unsent,
            unheard: !state.keeps(),
        }
    }

    /// Pings the peer.
    pub(super) fn ping(&self) {
        let mut state = self.state();
        let ping = ts::Message::Ping(PING.into());
        state.ping_unsent = state.start(ping).is_ok();
        state.send_ping(&mut self.cx());
    }

    /// Reads a message for an application that is not reading, so that its silence is not taken for the peer's.
    pub(super) fn read_ahead(&self) {
        let mut state = self.state();
        if !state.keeps() {
            return;
        }
        if let Poll::Ready(Some(it)) = state.poll_next(&mut self.cx()) {
            state.keep(it);
        }
        drop(state);
        self.bells.reader.wake();
    }

    /// Gives the peer up.
    pub(super) fn give_up(&self) -> Option<CountedStream> {
        self.state().keep(Err(WebSocketError::PeerGone));
        self.take()
    }

    pub(super) fn poll_abandoned(&self, cx: &Context<'_>) -> Poll<()> {
        self.bells.closer.register(cx.waker());
        match self.state().abandoned {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// What to say to the peer, if the application has made that necessary.
    pub(super) fn overriding_code(&self) -> Option<CloseCode> {
        let state = self.state();
        state.fault.or(state.panicked.then_some(close_code::ERROR))
    }

    /// Drives the closing handshake, which `goodbye` begins unless a Close has been said before.
    pub(super) fn poll_close(&self, goodbye: &CloseFrame, cx: &Context<'_>) -> Poll<Closed> {
        self.bells.closer.register(cx.waker());
        let mut state = self.state();
        let kept = state.backlog.len();
        let polled = self.drive(&mut state, goodbye);
        let wake = polled.is_ready() || state.backlog.len() > kept;
        drop(state);
        if wake {
            self.bells.reader.wake();
            self.bells.writer.wake();
        }
        polled
    }

    fn drive(&self, state: &mut SharedState, goodbye: &CloseFrame) -> Poll<Closed> {
        if !state.close_sent && !state.peer_closed && !state.broken {
            // An application that is gone will not end its message.
            if state.within_message && !state.abandoned {
                return Poll::Pending;
            }
            // If it fails the state says so.
            let _ = state.start_send(Message::Close(Some(goodbye.clone())));
        }
        let flushed = state
            .poll_write(&mut self.cx(), Sink::poll_flush)
            .is_ready();
        while !state.broken && !state.peer_closed && !state.ended && state.keeps() {
            match state.poll_next(&mut self.cx()) {
                Poll::Ready(Some(Ok(message))) if !state.abandoned => {
                    state.keep(Ok(message));
                }
                Poll::Ready(_) => {}
                Poll::Pending => break,
            }
        }
        if state.broken {
            return Poll::Ready(Closed::Broken);
        }
        state.close_is_out |= state.close_sent && flushed;
        // Once the peer has closed first, what is flushed is our answer.
        match (state.peer_closed || state.ended) && flushed {
            true => Poll::Ready(Closed::Both),
            false => Poll::Pending,
        }
    }

    /// Whether our Close, and so all that was sent before it, has been taken by the kernel.
    pub(super) fn close_is_out(&self) -> bool {
        self.state().close_is_out
    }

    /// Grows as long as the peer takes what it is sent, or sends a message that has not come to its
    /// end. Messages that do are no reason to wait for a Close any longer.
    pub(super) fn signs_of_life(&self) -> (u64, u64) {
        let state = self.state();
        state.ws.as_ref().map_or((0, 0), |ws| {
            let io = ws.get_ref();
            (io.written, io.read - state.last_message_at)
        })
    }

    /// Takes the connection away to be ended; what has been read can still be had.
    pub(super) fn take(&self) -> Option<CountedStream> {
        let ws = {
            let mut state = self.state();
            state.ended = true;
            state.broken = true;
            state.ws.take()
        };
        self.bells.reader.wake();
        self.bells.writer.wake();
        ws.map(WebSocketStream::into_inner)
    }
}
