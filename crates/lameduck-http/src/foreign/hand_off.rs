//! Gives connections to whoever accepts from a listener: at once, or when the header of a proxy has been read.
//!
//! # What must hold
//!
//! 1. Whoever is slow with a header keeps nobody else waiting: each is read in a task of its own.
//! 2. Once the shutdown drains a header has as long as with our own server: [`FIRST_BYTE`] for its first byte,
//!    [`HEADER`] for the rest.

#[cfg(feature = "proxy-header")]
use std::future::poll_fn;
use std::net::SocketAddr;
use std::time::Duration;

#[cfg(feature = "proxy-header")]
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedSender;

#[cfg(feature = "proxy-header")]
use crate::connection::pauses::LINGER;
use crate::listen::socket::{Accepted, ClientSocket};
#[cfg(feature = "proxy-header")]
use crate::proxy_protocol::header::{BadHeader, read_header};
#[cfg(feature = "proxy-header")]
use crate::proxy_protocol::settings::ProxyProtocol;
use lameduck_core::Handle;

/// How long the first bytes of a connection may take that was accepted last.
pub(crate) const FIRST_BYTE: Duration = Duration::from_millis(500);
/// How long the header of a proxy may take once the shutdown drains.
#[cfg(feature = "proxy-header")]
const HEADER: Duration = Duration::from_secs(2);

/// A connection and its peer's address.
pub(crate) type TcpConnection = (TcpStream, SocketAddr);

/// Hands connections out: at once, or when the header of a proxy has been read.
pub(crate) struct HandOff {
    each: UnboundedSender<TcpConnection>,
    #[cfg(feature = "proxy-header")]
    handle: Handle,
    #[cfg(feature = "proxy-header")]
    pub(crate) proxy: Option<ProxyProtocol>,
    /// The headers that are being read.
    #[cfg(feature = "proxy-header")]
    reading: tokio::task::JoinSet<()>,
}

impl HandOff {
    #[cfg_attr(not(feature = "proxy-header"), expect(unused_variables))]
    pub(crate) fn new(each: UnboundedSender<TcpConnection>, handle: Handle) -> HandOff {
        HandOff {
            each,
            #[cfg(feature = "proxy-header")]
            handle,
            #[cfg(feature = "proxy-header")]
            proxy: None,
            #[cfg(feature = "proxy-header")]
            reading: tokio::task::JoinSet::new(),
        }
    }

    /// A connection of which nothing has to be read first. Any other comes later.
    pub(crate) fn at_once(&mut self, accepted: Accepted) -> Option<TcpConnection> {
        let (ClientSocket::Tcp(stream), Some(peer)) = (accepted.socket, accepted.peer) else {
            // There are no others from a listener of TCP.
            return None;
        };
        #[cfg(feature = "proxy-header")]
        if let Some(proxy) = &self.proxy
            && proxy.expects_header_of(Some(peer))
        {
            while self.reading.try_join_next().is_some() {}
            let (proxy, handle, each) = (proxy.clone(), self.handle.clone(), self.each.clone());
            self.reading.spawn(async move {
                if let Some(it) = introduced(stream, peer, &proxy, &handle).await {
                    let _ = each.send(it);
                }
            });
            return None;
        }
        Some((stream, peer))
    }

    pub(crate) fn hand_out(&mut self, accepted: Accepted) {
        if let Some(it) = self.at_once(accepted) {
            let _ = self.each.send(it);
        }
    }

    /// Completes when no header is being read any more. Nobody is given anything after that.
    #[cfg_attr(not(feature = "proxy-header"), expect(clippy::unused_async))]
    pub(crate) async fn until_complete(self) {
        #[cfg(feature = "proxy-header")]
        {
            let mut reading = self.reading;
            drop(self.each);
            while reading.join_next().await.is_some() {}
        }
    }
}

/// The connection and the address of its client, once a proxy has said who that is. Like our own server it waits
/// for less once the shutdown drains.
#[cfg(feature = "proxy-header")]
async fn introduced(
    stream: TcpStream,
    peer: SocketAddr,
    proxy: &ProxyProtocol,
    handle: &Handle,
) -> Option<TcpConnection> {
    let socket = ClientSocket::Tcp(stream);
    let too_late = tokio::time::Instant::now() + proxy.timeout();
    let within = |most| async move {
        let once_drained = async {
            drain_begins(handle).await;
            wait_at_most(handle, most).await;
        };
        tokio::select! {
            () = tokio::time::sleep_until(too_late) => {}
            () = once_drained => {}
        }
    };
    let read = tokio::select! {
        biased;
        () = poll_fn(|cx| socket.poll_readable(cx)) => tokio::select! {
            biased;
            read = read_header(&socket) => read,
            () = within(HEADER) => Err(BadHeader::Late),
        },
        () = within(FIRST_BYTE) => Err(BadHeader::Nothing),
    };
    match (read, socket) {
        (Ok(on_behalf), ClientSocket::Tcp(stream)) => {
            Some((stream, on_behalf.map_or(peer, |it| it.peer)))
        }
        (Ok(_), _) => None,
        (Err(error), mut socket) => {
            proxy.tell(Some(peer), error);
            // A reset would look like a fault of the network.
            let _ = socket.shutdown().await;
            let mut nowhere = tokio::io::sink();
            let rest = tokio::io::copy(&mut socket, &mut nowhere);
            let _ = tokio::time::timeout(LINGER, rest).await;
            None
        }
    }
}

/// Completes after `most`, or when there is no time to wait.
pub(crate) async fn wait_at_most(handle: &Handle, most: Duration) {
    tokio::select! {
        () = tokio::time::sleep(most) => {}
        () = handle.until_hurried() => {}
        () = handle.until_drain_deadline() => {}
    }
}

/// Whoever uses this server from within the process still connects to it.
pub(crate) async fn drain_begins(handle: &Handle) {
    handle.until_draining().await;
    handle.until_unused().await;
}
