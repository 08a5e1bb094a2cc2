//! The courier: one task per connection that carries everything half a round trip late.
//!
//! What always holds:
//! - Order is kept in each direction: one queue, one courier.
//! - Nothing arrives earlier than half a round trip after it was sent; later only by the timer's grain (1 ms) or
//!   when the receiver does not keep up.
//! - A receiver that does not keep up stops the sender: both queues are bounded ([`QUEUE`] parcels of at most
//!   [`PARCEL`] bytes), then TCP's own windows fill.
//! - FIN stays FIN and leaves the other direction open; RST stays RST and comes after the data that preceded it.
//!
//! One task serves both directions on purpose. With two, a write could collect the socket's pending ECONNRESET
//! and leave the reader with a plain end of file: a reset would turn into a FIN.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch::error::RecvError;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::PollSender;

use super::LineState;
use super::socket::WireSocket;
use super::tracer::CarriedBytes;

/// Parcels under way in one direction, at most.
const QUEUE: usize = 64;
/// Bytes in a parcel, at most.
const PARCEL: usize = 16 * 1024;
/// The last ACK of the handshake, as bytes that are carried.
const ACK: usize = 1;

#[derive(Debug)]
enum Freight {
    /// The last ACK of the handshake.
    Ack,
    Data(Bytes),
    Fin,
    Reset,
    /// The client dropped the connection.
    Close,
}

#[derive(Debug)]
struct Parcel {
    due: Instant,
    freight: Freight,
}

/// The client's end of a delayed connection.
#[derive(Debug)]
pub(super) struct Delayed {
    half: Duration,
    outbound: PollSender<Parcel>,
    inbound: mpsc::Receiver<Parcel>,
    /// The next thing to arrive, taken from the queue to see when it is due.
    head: Option<Parcel>,
    timer: Pin<Box<Sleep>>,
    carried: Arc<CarriedBytes>,
}

impl Delayed {
    /// Starts the courier of a connection whose SYN has just arrived.
    ///
    /// It counts in `carried`. While `held_back` is true it takes nothing from the server: what is sent waits in the windows
    /// of TCP.
    pub(super) fn start(
        stream: WireSocket,
        half: Duration,
        held_back: Option<watch::Receiver<bool>>,
        carried: Arc<CarriedBytes>,
    ) -> Self {
        carried.given(ACK);
        let (outbound, from_client) = mpsc::channel(QUEUE);
        let (to_client, inbound) = mpsc::channel(QUEUE);
        tokio::spawn(
            Courier {
                stream,
                half,
                from_client,
                to_client,
                held_back,
                carried: carried.clone(),
            }
            .carry(),
        );
        Self {
            half,
            outbound: PollSender::new(outbound),
            inbound,
            head: None,
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            carried,
        }
    }

    pub(super) fn look(&mut self) -> LineState {
        if self.head.is_none() {
            self.head = self.inbound.try_recv().ok();
        }
        match &self.head {
            Some(parcel) if parcel.due <= Instant::now() => match parcel.freight {
                Freight::Data(_) => LineState::Data,
                Freight::Ack => LineState::Open,
                Freight::Fin | Freight::Close => LineState::Fin,
                Freight::Reset => LineState::Reset,
            },
            _ => LineState::Open,
        }
    }

    pub(super) fn abort(self) {
        if let Some(outbound) = self.outbound.get_ref() {
            let parcel = Parcel {
                due: Instant::now() + self.half,
                freight: Freight::Reset,
            };
            // A full queue means the server reads nothing; the drop that follows then closes instead.
            let _ = outbound.try_send(parcel);
        }
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        freight: impl FnOnce() -> Freight,
    ) -> Poll<io::Result<()>> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        ready!(self.outbound.poll_reserve(cx)).map_err(gone)?;
        let parcel = Parcel {
            due: Instant::now() + self.half,
            freight: freight(),
        };
        Poll::Ready(self.outbound.send_item(parcel).map_err(gone))
    }
}

impl AsyncRead for Delayed {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.head.is_none() {
            this.head = ready!(this.inbound.poll_recv(cx));
        }
        let Some(parcel) = &mut this.head else {
            return Poll::Ready(Ok(()));
        };
        if parcel.due > Instant::now() {
            this.timer.as_mut().reset(parcel.due);
            ready!(this.timer.as_mut().poll(cx));
        }
        match &mut parcel.freight {
            Freight::Data(bytes) => {
                let taken = bytes.len().min(buf.remaining());
                buf.put_slice(&bytes[..taken]);
                bytes.advance(taken);
                if bytes.is_empty() {
                    this.head = None;
                }
                Poll::Ready(Ok(()))
            }
            // These stay at the head: the end of a connection is seen as often as one looks.
            Freight::Ack | Freight::Fin | Freight::Close => Poll::Ready(Ok(())),
            Freight::Reset => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }
}

impl AsyncWrite for Delayed {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.look() == LineState::Reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let taken = buf.len().min(PARCEL);
        ready!(this.poll_send(cx, || Freight::Data(Bytes::copy_from_slice(&buf[..taken]))))?;
        this.carried.given(taken);
        Poll::Ready(Ok(taken))
    }

    /// What was written is on its way.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_send(cx, || Freight::Fin)
    }
}

struct Courier {
    stream: WireSocket,
    half: Duration,
    from_client: mpsc::Receiver<Parcel>,
    to_client: mpsc::Sender<Parcel>,
    held_back: Option<watch::Receiver<bool>>,
    carried: Arc<CarriedBytes>,
}

impl Courier {
    async fn carry(mut self) {
        // Taken from the client's queue, waiting for its moment.
        let mut outgoing: VecDeque<Parcel> = VecDeque::with_capacity(1);
        // Half a round trip for the SYN's answer to reach the client, another for the ACK to come back.
        outgoing.push_back(Parcel {
            due: Instant::now() + self.half * 2,
            freight: Freight::Ack,
        });
        let mut reading = true;
        // A write met the reset: the end of file that the reader sees next is really that reset.
        let mut reset_met = false;
        let mut buffer = vec![0u8; PARCEL];
        let Self {
            stream,
            half,
            from_client,
            to_client,
            held_back,
            carried,
        } = &mut self;
        let mut room = None;
        loop {
            let due = outgoing.front().map(|parcel| parcel.due);
            let is_due = due.is_some_and(|due| due <= Instant::now());
            let is_held = held_back.as_ref().is_some_and(|held| *held.borrow());
            tokio::select! {
                next = from_client.recv(), if outgoing.is_empty() => outgoing.push_back(next.unwrap_or_else(|| {
                    Parcel { due: Instant::now() + *half, freight: Freight::Close }
                })),
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() && !is_due => {}
                writable = stream.writable(), if is_due => {
                    let Some(parcel) = outgoing.front_mut() else { continue };
                    let done = match &mut parcel.freight {
                        Freight::Ack => {
                            stream.acknowledge();
                            carried.delivered(ACK);
                            true
                        }
                        Freight::Data(_) if reset_met || writable.is_err() => true,
                        Freight::Data(bytes) => match stream.try_write(bytes) {
                            Ok(written) => {
                                carried.delivered(written);
                                bytes.advance(written);
                                bytes.is_empty()
                            }
                            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
                            Err(_) => {
                                reset_met = true;
                                true
                            }
                        },
                        Freight::Fin => {
                            // Fails only when the connection is gone, which the reader tells the client.
                            let _ = rustix::net::shutdown(&*stream, rustix::net::Shutdown::Write);
                            true
                        }
                        Freight::Reset => {
                            let _ = stream.reset_on_close();
                            return;
                        }
                        Freight::Close => return,
                    };
                    if done {
                        outgoing.pop_front();
                    }
                }
                changed = told(held_back), if held_back.is_some() => if changed.is_err() {
                    *held_back = None;
                },
                permit = to_client.reserve(), if reading && !is_held && room.is_none() => match permit {
                    Ok(permit) => room = Some(permit),
                    Err(_) => reading = false,
                },
                _ = stream.readable(), if reading && !is_held && room.is_some() => {
                    let freight = match stream.try_read(&mut buffer) {
                        Ok(0) if reset_met => Freight::Reset,
                        Ok(0) => Freight::Fin,
                        Ok(read) => Freight::Data(Bytes::copy_from_slice(&buffer[..read])),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                        Err(_) => Freight::Reset,
                    };
                    reading = matches!(freight, Freight::Data(_));
                    if let Some(permit) = room.take() {
                        permit.send(Parcel { due: Instant::now() + *half, freight });
                    }
                }
            }
        }
    }
}

/// Waits until it is told anew whether the server's bytes are to be taken.
async fn told(held_back: &mut Option<watch::Receiver<bool>>) -> Result<(), RecvError> {
    match held_back {
        Some(held_back) => held_back.changed().await,
        None => std::future::pending().await,
    }
}
