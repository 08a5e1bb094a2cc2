//! A client's connection that tells the ledger how it ended.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::notebook::{Client, Notebook};
use crate::ledger::{Connection, Parting};
use crate::wire::{Channel, LineState, Tracer};

/// An established connection. On drop it is entered into the ledger, with the end that the client saw first.
pub(crate) struct Link {
    stream: Channel,
    client: Client,
    notebook: Notebook,
    opened: Instant,
    end: Option<(Instant, Parting)>,
}

impl Link {
    pub(super) fn new(stream: Channel, client: Client, notebook: Notebook) -> Self {
        Self {
            stream,
            client,
            notebook,
            opened: Instant::now(),
            end: None,
        }
    }

    /// Whether it may carry another request, as far as a client can know: neither FIN nor RST has arrived, nor
    /// any byte that nobody asked for.
    pub(crate) fn is_open(&mut self) -> bool {
        self.look() == LineState::Open && self.end.is_none()
    }

    /// Looks, and notes the end if it has come: the kernel tells of a reset only once.
    fn look(&mut self) -> LineState {
        let look = self.stream.look();
        match look {
            LineState::Open | LineState::Data => {}
            LineState::Fin => self.ended(Parting::Fin),
            LineState::Torn => self.ended(Parting::Torn),
            LineState::Reset => self.ended(Parting::Reset),
        }
        look
    }

    /// Follows what is written.
    pub(super) fn tracer(&self) -> Tracer {
        self.stream.wire().tracer()
    }

    /// What the target sends is left where it is from now on.
    pub(super) fn leave_what_comes(&self) {
        self.stream.wire().leave_what_comes();
    }

    /// What the target sends is taken from now on, where it was not.
    pub(super) fn take_what_came(&self) {
        self.stream.wire().take_what_came();
    }

    /// Whether bytes have arrived that nobody has read.
    pub(super) fn has_data(&mut self) -> bool {
        self.look() == LineState::Data
    }

    /// How it ended, as far as the client has seen.
    pub(super) fn parting(&self) -> Option<Parting> {
        self.end.map(|(_, parting)| parting)
    }

    fn ended(&mut self, parting: Parting) {
        self.end.get_or_insert_with(|| (Instant::now(), parting));
    }

    fn note<T>(&mut self, result: &io::Result<T>) {
        if let Err(error) = result
            && let Some(parting) = parting(error)
        {
            self.ended(parting);
        }
    }
}

/// The peer has reset the connection. A write after the reset was already collected says EPIPE.
pub(crate) fn is_reset(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted
    )
}

/// How a connection ended that fails like this, if it has ended.
pub(super) fn parting(error: &io::Error) -> Option<Parting> {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Some(Parting::Torn),
        _ if is_reset(error) => Some(Parting::Reset),
        _ => None,
    }
}

impl AsyncRead for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        if let Poll::Ready(result) = &polled {
            if result.is_ok() && buf.filled().len() == before && buf.remaining() > 0 {
                this.ended(Parting::Fin);
            }
            this.note(result);
        }
        polled
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, buf);
        if let Poll::Ready(result) = &polled {
            this.note(result);
        }
        polled
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // What has arrived and was not looked at is the server's end all the same.
        if self.end.is_none() {
            self.is_open();
        }
        let (ended, mut parting) = self.end.unwrap_or((Instant::now(), Parting::Client));
        if parting == Parting::Fin && self.stream.was_reset_after_its_end() {
            parting = Parting::Reset;
        }
        self.notebook.record_connection(Connection {
            lane: self.client.lane,
            client: self.client.number,
            opened: self.opened,
            ended,
            parting,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ledger::Lane;
    use crate::wire::Wire;

    #[tokio::test]
    async fn an_end_that_nobody_looked_at_is_the_server_s_own() {
        for rtt in [0, 40].map(Duration::from_millis) {
            for (linger, parting) in [(true, Parting::Reset), (false, Parting::Fin)] {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let wire = Wire::new(rtt);
                let (stream, accepted) = tokio::join!(wire.connect(address), listener.accept());
                let notebook = Notebook::default();
                let client = Client {
                    lane: Lane::KeepAlive,
                    number: 1,
                };
                let mut link = Link::new(Channel::Clear(stream.unwrap()), client, notebook.clone());
                let (server, _) = accepted.unwrap();
                if linger {
                    let none = Some(Duration::ZERO);
                    rustix::net::sockopt::set_socket_linger(&server, none).unwrap();
                }
                drop(server);
                let limit = Instant::now() + Duration::from_secs(5);
                // Over the loopback it is there at once, and a look would take it away.
                while !rtt.is_zero()
                    && link.stream.look() == LineState::Open
                    && Instant::now() < limit
                {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                drop(link);
                let (_, connections) = notebook.take().unwrap();
                assert_eq!(connections[0].parting, parting, "{rtt:?}");
            }
        }
    }
}
