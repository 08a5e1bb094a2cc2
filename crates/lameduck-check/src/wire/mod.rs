//! The wire between a client and the server: a plain connection, TCP or a Unix socket, or one with distance in it, and TLS on top
//! ([`Channel`]).
//!
//! With a round trip of zero a [`WireStream`] is the socket itself. Otherwise a courier task per connection
//! (`relay.rs`) carries everything half a round trip late in each direction: data, FIN, RST, and the client's own
//! close or abort. What has been written to a [`WireStream`] is *on its way* and can no longer be taken back,
//! just as with a real network; and a FIN that the server sent a moment ago is not visible yet. That blind moment
//! is where keep-alive requests get lost.
//!
//! The handshake takes its real time too. The client's SYN reaches the server after half a round trip, its
//! connection is established after a whole one, and only after one and a half does the last ACK let the server
//! accept it: the kernel is asked to hold that ACK back. (Linux holds it for 200 ms at most, and other systems not
//! at all: there, and beyond a round trip of 200 ms, a server sees a connection complete earlier than it should.)

mod channel;
mod forward;
mod relay;
mod socket;
mod socket_queues;
mod tls;
mod tracer;
mod verifier;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::watch;

use forward::forward_io;
use relay::Delayed;
use socket::{Handshake, WireSocket};
use tracer::CarriedBytes;

pub use channel::Channel;
pub use socket::Destination;
pub use tls::{Protocol, TlsStream, Trust};
pub use tracer::Reach;
pub(crate) use tracer::Tracer;

/// How far away the server is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wire {
    half: Duration,
}

/// What a look at a quiet connection shows, see [`WireStream::look`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineState {
    /// Open, and nothing to read.
    Open,
    /// Bytes are waiting.
    Data,
    /// The server has closed it.
    Fin,
    /// TLS: the server has closed it without the close_notify that goes before.
    Torn,
    /// The server has reset it.
    Reset,
}

impl Wire {
    /// A wire on which a question and its answer take `rtt`, beside what the server needs.
    pub fn new(rtt: Duration) -> Self {
        Self { half: rtt / 2 }
    }

    /// The round trip.
    pub fn rtt(&self) -> Duration {
        self.half * 2
    }

    /// Connects; takes at least one round trip, as a refusal does.
    ///
    /// # Errors
    /// Those of the real connection attempt.
    pub async fn connect(&self, destination: impl Into<Destination>) -> io::Result<WireStream> {
        let connected = self.attempt(&destination.into(), Reading::AtOnce).await;
        connected.map_err(|failed| failed.error)
    }

    /// As [`connect`](Self::connect); a failure says when the target failed it.
    pub(crate) async fn attempt(
        &self,
        destination: &Destination,
        reading: Reading,
    ) -> Result<WireStream, FailedAttempt> {
        let failed = |error| FailedAttempt {
            error,
            at: Instant::now(),
        };
        if self.half.is_zero() {
            let connected = WireSocket::connect(destination, Handshake::Whole, reading).await;
            return connected
                .map(|socket| WireStream {
                    tracer: socket.tracer(None),
                    inner: Inner::Plain(socket),
                    held_back: None,
                })
                .map_err(failed);
        }
        tokio::time::sleep(self.half).await;
        let connected = WireSocket::connect(destination, Handshake::LastAckLater, reading).await;
        // The courier starts at once: what the server sends meanwhile is already on its way.
        let connected = connected
            .map(|socket| {
                let carried = Arc::<CarriedBytes>::default();
                let held_back = (reading == Reading::WhenTold).then(|| watch::channel(false));
                let (held_back, is_held_back) = held_back.unzip();
                WireStream {
                    tracer: socket.tracer(Some(carried.clone())),
                    inner: Inner::Delayed(Delayed::start(socket, self.half, is_held_back, carried)),
                    held_back,
                }
            })
            .map_err(failed);
        tokio::time::sleep(self.half).await;
        connected
    }
}

/// When a client takes what the target sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// As it comes.
    AtOnce,
    /// When its client says so, see [`WireStream::leave_what_comes`]; the target finds a window of a few kilobytes.
    WhenTold,
}

/// A connection attempt that came to nothing.
#[derive(Debug)]
pub(crate) struct FailedAttempt {
    pub(crate) error: io::Error,
    /// When it failed, at the target's end of the wire: no later than that nobody listened, if it was refused.
    pub(crate) at: Instant,
}

/// A connection over a [`Wire`]. Dropping it closes it in the ordinary way (FIN).
#[derive(Debug)]
pub struct WireStream {
    inner: Inner,
    tracer: Tracer,
    /// Tells the courier whether it is to leave what comes.
    held_back: Option<watch::Sender<bool>>,
}

#[derive(Debug)]
enum Inner {
    Plain(WireSocket),
    Delayed(Delayed),
}

impl WireStream {
    /// Looks, without waiting and without taking a byte, whether anything has arrived.
    ///
    /// For a plain connection the kernel is asked directly: the runtime's own idea of readiness may be older than
    /// a FIN that is already there.
    pub fn look(&mut self) -> LineState {
        match &mut self.inner {
            Inner::Plain(stream) => {
                let mut byte = [0u8; 1];
                match rustix::net::recv(&*stream, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT)
                {
                    Ok((_, 0)) => LineState::Fin,
                    Ok(_) => LineState::Data,
                    Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => LineState::Open,
                    Err(_) => LineState::Reset,
                }
            }
            Inner::Delayed(delayed) => delayed.look(),
        }
    }

    /// Follows what is written from now on, and was before.
    pub(crate) fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    /// What the target sends is left where it is from now on, on a connection of [`Reading::WhenTold`]: its client does not
    /// read, and neither does the courier.
    pub(crate) fn leave_what_comes(&self) {
        self.hold_back(true);
    }

    /// What the target sends is taken from now on, where it was not.
    pub(crate) fn take_what_came(&self) {
        self.hold_back(false);
    }

    fn hold_back(&self, is_held_back: bool) {
        if let Some(held_back) = &self.held_back {
            held_back.send_replace(is_held_back);
        }
    }

    /// Reads what has arrived, and never waits.
    fn now(&mut self) -> Now<'_> {
        Now(self)
    }

    /// Ends the connection with RST instead of FIN.
    pub fn abort(self) {
        match self.inner {
            // A socket that refuses the option is closed the ordinary way: nothing better is left.
            Inner::Plain(stream) => {
                let _ = stream.reset_on_close();
            }
            Inner::Delayed(delayed) => delayed.abort(),
        }
    }
}

/// Reads from a [`WireStream`] without waiting: what is not there yet is `WouldBlock`.
struct Now<'a>(&'a mut WireStream);

impl io::Read for Now<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.0.inner {
            // The runtime's own readiness may be older than what is there: the kernel is asked.
            Inner::Plain(stream) => {
                let (read, _) = rustix::net::recv(&*stream, buf, RecvFlags::DONTWAIT)?;
                Ok(read)
            }
            Inner::Delayed(delayed) => {
                let mut buf = ReadBuf::new(buf);
                let mut cx = Context::from_waker(Waker::noop());
                match Pin::new(delayed).poll_read(&mut cx, &mut buf) {
                    Poll::Ready(read) => read.map(|()| buf.filled().len()),
                    Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
                }
            }
        }
    }
}

forward_io!(WireStream: it => &mut it.inner, stream in Inner::Plain(stream), Inner::Delayed(stream));
