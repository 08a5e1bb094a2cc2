//! A listener for accept loops that are not ours: it stops as carefully as that of our own server.
//!
//! # What must hold
//!
//! 1. Once [`Listener::accept`] says that there are no more connections, every one whose handshake the
//!    peer had completed has been handed out, and the socket is closed; as in
//!    [`listener`](crate::listen::lossless_listener), to which this adds a queue.
//! 2. [`Listener::closed`] completes a while later, so that who came last can be served before a server
//!    closes what looks idle: hyper closes a connection from which it has read nothing yet
//!    (hyper#3792).

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::{oneshot, watch};

use super::hand_off::{FIRST_BYTE, HandOff, TcpConnection, drain_begins, wait_at_most};
use crate::listen::lossless_listener;
#[cfg(feature = "proxy-header")]
use crate::proxy_protocol::settings::ProxyProtocol;
use lameduck_core::Handle;
use lameduck_core::internal::clock::Millis;

/// A TCP listener for a server of one's own, made by [`Listener::new`].
///
/// Beside `tokio::net::TcpListener`: it ends when the drain begins, and no connection is reset by its
/// end. Purposefully not `Clone`: two loops could not say which of them has the last connection.
#[must_use = "a listener that nobody accepts from keeps peers waiting"]
#[derive(Debug)]
pub struct Listener {
    source: Accepting,
    /// What is handed out later than it was accepted.
    later: UnboundedReceiver<TcpConnection>,
    handle: Handle,
    local_addr: SocketAddr,
    closed: watch::Sender<bool>,
    broken: oneshot::Receiver<io::Error>,
}

enum Accepting {
    Open(lossless_listener::LosslessListener, HandOff),
    /// Only what had come before.
    Closing,
}

impl std::fmt::Debug for Accepting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Accepting::Open(..) => "Open",
            Accepting::Closing => "Closing",
        })
    }
}

impl Listener {
    /// A listener for a server that is not ours. To be called within a runtime of tokio.
    ///
    /// # Errors
    ///
    /// What the system says of the socket.
    pub fn new(handle: &Handle, listener: std::net::TcpListener) -> io::Result<Listener> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let local_addr = listener.local_addr()?;
        let listener = lossless_listener::LosslessListener::of(listener);
        let (each, later) = unbounded_channel();
        Ok(Listener {
            local_addr,
            later,
            broken: listener.broken(),
            source: Accepting::Open(listener, HandOff::new(each, handle.clone())),
            handle: handle.clone(),
            closed: watch::Sender::new(false),
        })
    }

    /// Expects the header of a proxy at the beginning of each connection from a source that is trusted. A
    /// connection is handed out when it has been read, and with the address of the client; what the socket itself
    /// says is that of the proxy. Default: none is read.
    #[cfg(feature = "proxy-header")]
    pub fn proxy_protocol(mut self, protocol: ProxyProtocol) -> Listener {
        if let Accepting::Open(_, hand_off) = &mut self.source {
            hand_off.proxy = Some(protocol);
        }
        self
    }

    /// The next connection and its peer's address; `None` when there will be no more, because the drain has
    /// begun and the last one has been handed out. Errors of the moment are logged and waited out. One that does
    /// not pass, because somebody has ended the socket, shuts the process down with exit code 1.
    ///
    /// Whoever serves each connection in a task of its own should wait for these tasks at the end, until
    /// [`Handle::until_drain_deadline`]: a request is over for [`TrackLayer`](crate::TrackLayer) when the
    /// server has its last byte, which the task has yet to write.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no connection is lost.
    pub async fn accept(&mut self) -> Option<(TcpStream, SocketAddr)> {
        loop {
            let accepted = match &mut self.source {
                Accepting::Closing => return self.later.recv().await,
                Accepting::Open(listener, hand_off) => tokio::select! {
                    biased;
                    () = drain_begins(&self.handle) => {
                        self.close();
                        continue;
                    }
                    Ok(error) = &mut self.broken => {
                        let name = format!("listener {}", self.local_addr);
                        let error = format!("cannot accept connections any more: {error}");
                        self.handle.fail(&name, error);
                        continue;
                    }
                    later = self.later.recv() => later,
                    accepted = listener.accept() => hand_off.at_once(accepted),
                },
            };
            if accepted.is_some() {
                self.handle.traffic().foreign_connection(Millis::now());
                return accepted;
            }
        }
    }

    /// In a task of its own, so that giving up a call of `accept` gives up nothing else.
    fn close(&mut self) {
        let Accepting::Open(listener, mut hand_off) =
            std::mem::replace(&mut self.source, Accepting::Closing)
        else {
            return;
        };
        let (handle, closed) = (self.handle.clone(), self.closed.clone());
        tokio::spawn(async move {
            let bound = handle.left_until(handle.budget().drain_until());
            listener.close(bound, |it| hand_off.hand_out(it)).await;
            hand_off.until_complete().await;
            wait_at_most(&handle, FIRST_BYTE).await;
            closed.send_replace(true);
        });
    }

    /// Completes when the server may close what is idle: the listener is closed, and who came last has
    /// had half a second for a first request. A second signal ends that half second.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut closed = self.closed.subscribe();
        async move {
            // A listener that is gone is closed, too.
            let _ = closed.wait_for(|closed| *closed).await;
        }
    }

    /// The address, with the port that the system chose if it was asked to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;
    use lameduck_core::phase::Driver;

    #[tokio::test]
    async fn accept_lossless_what_waits_to_be_accepted_is_handed_out_before_the_end() {
        let driver = Driver::new().ready();
        let handle = Handle::new(driver.phases());
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut listener = Listener::new(&handle, socket).unwrap();
        let (address, closed) = (listener.local_addr(), listener.closed());
        let connect = || std::net::TcpStream::connect(address);
        let peers: Vec<_> = (0..20).map(|_| connect().unwrap()).collect();
        let _driver = driver.lame_duck().drain();

        let mut accepted = Vec::new();
        while let Some((stream, peer)) = listener.accept().await {
            assert_eq!(stream.peer_addr().unwrap(), peer);
            accepted.push(stream);
        }
        assert_eq!(accepted.len(), peers.len());
        let refused = connect().unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        for peer in &peers {
            peer.set_nonblocking(true).unwrap();
            let nothing = peer.peek(&mut [0]).unwrap_err();
            assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock, "not reset");
        }
        assert!(listener.accept().await.is_none(), "and none after that");
        closed.await;
    }

    #[tokio::test]
    async fn giving_up_a_call_of_accept_gives_up_no_connection() {
        let driver = Driver::new().ready();
        let handle = Handle::new(driver.phases());
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut listener = Listener::new(&handle, socket).unwrap();
        let address = listener.local_addr();
        let peers: Vec<_> = (0..5)
            .map(|_| std::net::TcpStream::connect(address).unwrap())
            .collect();
        let _driver = driver.lame_duck().drain();
        let mut accepted = Vec::new();
        let each_call_given_up = async {
            loop {
                match listener.accept().now_or_never() {
                    Some(Some(stream)) => accepted.push(stream),
                    Some(None) => return,
                    None => tokio::task::yield_now().await,
                }
            }
        };
        let bound = Duration::from_secs(10);
        tokio::time::timeout(bound, each_call_given_up)
            .await
            .unwrap();
        assert_eq!(accepted.len(), peers.len());
    }
}
