//! Where connections come from, and how to stop without losing one.
//!
//! Closing a listening socket resets every connection that the kernel has accepted and the process
//! has not: under load, dozens. And "accept until there is none" never ends under a flood.
//!
//! # What must hold
//!
//! 1. Once [`LosslessListener::close`] has returned, every connection whose handshake the peer had
//!    completed has been handed to the caller, if that took no longer than the bound.
//! 2. `close` ends, however many peers go on connecting.
//! 3. A socket that was inherited is shared with others, who go on listening: it is left as it is.
//!
//! # How, on Linux
//!
//! [`turn_away`](super::turn_away) has the kernel begin no more handshakes. Those under way go on, and
//! [`half_open`](super::half_open) says when there are none: a handshake whose last ACK is on its way
//! is in no queue that the socket shows. Then the queue is emptied, and the socket closed.
//!
//! Elsewhere: accept until there is none, for a bounded time. A handshake then under way is reset.

use std::future::poll_fn;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::sync::oneshot;

use tracing::Level;

use super::accept_error::AcceptErrorKind;
#[cfg(unix)]
use super::bind::bind_unix;
use super::bind::{Bind, BindError, bind_tcp};
use super::close_time::{CloseTime, SETTLE};
#[cfg(target_os = "linux")]
use super::half_open::half_open;
use super::listening_socket::{ListeningSocket, tuned};
use super::socket::Accepted;
use crate::system::descriptors::{Headroom, PAUSE, exhausted};
use lameduck_core::internal::voice;

/// What a server listens on: usually one socket, more where an address stands for several.
pub(crate) struct LosslessListener {
    doors: Vec<ListeningSocket>,
    inherited: bool,
    /// Where to look first for the next connection, so that no door keeps those at another waiting.
    turn: AtomicUsize,
    /// Errors since the last connection.
    errors: AtomicU32,
    headroom: Headroom,
    /// Who hears of it when there will be no more connections.
    broken: Mutex<Option<oneshot::Sender<io::Error>>>,
}

/// How long no connection may have come where the system does not say what is under way.
#[cfg(target_os = "linux")]
const QUIET: Duration = Duration::from_millis(100);

/// How many errors that should pass may come in a row before there is a pause after each.
const ERRORS_IN_A_ROW: u32 = 32;

impl LosslessListener {
    /// Binds sockets of our own. `mode` is for the file of a Unix socket.
    pub(crate) fn bind(bind: &Bind, mode: Option<u32>) -> Result<LosslessListener, BindError> {
        let refused = |e: io::Error| BindError::Refused(e.to_string());
        let doors = match bind {
            Bind::Tcp(addr) => bind_tcp(addr)?
                .into_iter()
                .map(|it| TcpListener::from_std(it).map(ListeningSocket::Tcp))
                .collect::<io::Result<_>>()
                .map_err(refused)?,
            #[cfg(unix)]
            Bind::Unix(path) => {
                let (it, file) = bind_unix(path, mode)?;
                vec![ListeningSocket::Unix(
                    UnixListener::from_std(it).map_err(refused)?,
                    file,
                )]
            }
        };
        #[cfg(not(unix))]
        let _ = mode;
        Ok(LosslessListener::at(doors, false))
    }

    /// All of these as one. None of them has been used, and all are of one kind.
    pub(crate) fn all_of(listeners: Vec<LosslessListener>) -> LosslessListener {
        let inherited = listeners.iter().any(|it| it.inherited);
        let doors = listeners.into_iter().flat_map(|it| it.doors).collect();
        LosslessListener::at(doors, inherited)
    }

    /// Takes a socket of our own that is bound already.
    pub(crate) fn of(listener: TcpListener) -> LosslessListener {
        LosslessListener::at(vec![ListeningSocket::Tcp(listener)], false)
    }

    /// Takes sockets that somebody else has bound and may go on using.
    #[cfg(unix)]
    pub(crate) fn inherit(sockets: Vec<std::os::fd::OwnedFd>) -> io::Result<LosslessListener> {
        let door = |fd| {
            let socket = socket2::Socket::from(fd);
            socket.set_nonblocking(true)?;
            Ok(if socket.local_addr()?.is_unix() {
                ListeningSocket::Unix(UnixListener::from_std(socket.into())?, None)
            } else {
                ListeningSocket::Tcp(TcpListener::from_std(socket.into())?)
            })
        };
        let doors: io::Result<_> = sockets.into_iter().map(door).collect();
        Ok(LosslessListener::at(doors?, true))
    }

    fn at(doors: Vec<ListeningSocket>, inherited: bool) -> LosslessListener {
        LosslessListener {
            headroom: Headroom::from(doors.first().map_or(0, ListeningSocket::number)),
            doors,
            inherited,
            turn: AtomicUsize::new(0),
            errors: AtomicU32::new(0),
            broken: Mutex::default(),
        }
    }

    /// Completes when something is wrong with a socket for good, so that no connection will come any
    /// more; or with an error if the listener is gone before that. For one who asks.
    pub(crate) fn broken(&self) -> oneshot::Receiver<io::Error> {
        let (tell, broken) = oneshot::channel();
        *self.broken.lock().unwrap_or_else(|e| e.into_inner()) = Some(tell);
        broken
    }

    /// The addresses, with the port that the system chose if it was asked to.
    pub(crate) fn local_addrs(&self) -> impl Iterator<Item = String> {
        self.doors.iter().map(ListeningSocket::local_addr)
    }

    /// The next connection. What goes wrong for a while is logged and waited out. If there will be no
    /// more it does not complete, and [`broken`](LosslessListener::broken) does.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no connection is lost.
    pub(crate) async fn accept(&self) -> Accepted {
        loop {
            let error = match self.accept_one().await {
                Ok(accepted) => return accepted,
                Err(error) => error,
            };
            match self.trouble(&error) {
                AcceptErrorKind::OneConnection => {
                    voice::event(Level::DEBUG, move || {
                        tracing::debug!(target: "lameduck", %error, "accept");
                    });
                }
                AcceptErrorKind::ForNow => {
                    voice::event(Level::WARN, move || {
                        tracing::warn!(target: "lameduck", %error, "cannot accept, trying again");
                    });
                    tokio::time::sleep(PAUSE).await;
                }
                AcceptErrorKind::ForGood => {
                    let tell = self.broken.lock().unwrap_or_else(|e| e.into_inner()).take();
                    if let Some(tell) = tell {
                        let _ = tell.send(error);
                    }
                    std::future::pending().await
                }
            }
        }
    }

    /// The next connection, or what came instead.
    async fn accept_one(&self) -> io::Result<Accepted> {
        self.until_there_is_room().await;
        let accepted = match &self.doors[..] {
            [ListeningSocket::Tcp(only)] => {
                let accepted = only.accept().await;
                accepted.map(|(it, peer)| Accepted::tcp(tuned(it), peer))
            }
            _ => poll_fn(|cx| self.poll_accept(cx)).await,
        };
        if accepted.is_ok() {
            self.errors.store(0, Relaxed);
        }
        if let Ok(it) = &accepted
            && self.headroom.is_used(it.socket.number())
        {
            self.errors.store(CROWDED, Relaxed);
        }
        accepted
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        let first = self.turn.fetch_add(1, Relaxed);
        for nth in 0..self.doors.len() {
            let door = &self.doors[first.wrapping_add(nth) % self.doors.len()];
            if let Poll::Ready(accepted) = door.poll_accept(cx) {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }

    /// While nearly all descriptors of the process are in use, newcomers wait in the queue: the probes,
    /// pools and files of the process need some too.
    async fn until_there_is_room(&self) {
        if self.errors.load(Relaxed) != CROWDED {
            return;
        }
        voice::event(Level::WARN, || {
            let limit = crate::system::descriptors::limit();
            tracing::warn!(target: "lameduck", limit, "nearly all file descriptors are in use: new connections wait");
        });
        while self.is_crowded() {
            tokio::time::sleep(PAUSE).await;
        }
        self.errors.store(0, Relaxed);
    }

    fn is_crowded(&self) -> bool {
        let next = self.doors.first().map(ListeningSocket::next_number);
        next.is_some_and(|number| self.headroom.is_used(number))
    }

    fn trouble(&self, error: &io::Error) -> AcceptErrorKind {
        let listens = || self.doors.iter().all(ListeningSocket::listens);
        match AcceptErrorKind::of(error, listens) {
            // Something that comes without end, such as a sandbox that forbids it.
            AcceptErrorKind::OneConnection
                if self.errors.fetch_add(1, Relaxed) >= ERRORS_IN_A_ROW =>
            {
                AcceptErrorKind::ForNow
            }
            trouble => trouble,
        }
    }

    /// Stops listening. Every connection already made is passed to `serve` first. Ends within
    /// `bound`, and costs an idle listener a few milliseconds.
    pub(crate) async fn close(self, bound: Duration, mut serve: impl FnMut(Accepted)) {
        if self.inherited {
            return;
        }
        let mut time = CloseTime::of(bound);
        for door in &self.doors {
            door.turn_newcomers_away();
        }
        self.settle(&mut time, &mut serve).await;
        for door in self.doors {
            if let Err(error) = door.empty_the_queue(&mut time, &mut serve).await {
                voice::event(Level::WARN, move || {
                    tracing::warn!(target: "lameduck", %error, "connections in the accept queue were reset");
                });
            }
        }
    }

    /// Waits until no handshake is under way any more and no new one can begin.
    #[cfg(target_os = "linux")]
    async fn settle(&self, time: &mut CloseTime, serve: &mut impl FnMut(Accepted)) {
        let mut ports: Vec<u16> = self
            .doors
            .iter()
            .filter_map(ListeningSocket::port)
            .collect();
        ports.sort_unstable();
        ports.dedup();
        loop {
            self.accept_until_quiet(SETTLE, time, serve).await;
            if time.is_over() {
                return;
            }
            match half_open(ports.clone()).await {
                Some(0) => return,
                Some(_) => {}
                None => return self.accept_until_quiet(QUIET, time, serve).await,
            }
        }
    }

    /// Accepts until there is none. Handshakes under way are reset.
    #[cfg(not(target_os = "linux"))]
    async fn settle(&self, time: &mut CloseTime, serve: &mut impl FnMut(Accepted)) {
        self.accept_until_quiet(SETTLE, time, serve).await;
    }

    /// Accepts until none has come for `quiet`.
    async fn accept_until_quiet(
        &self,
        quiet: Duration,
        time: &mut CloseTime,
        serve: &mut impl FnMut(Accepted),
    ) {
        // Whoever has connected is served now or never, whatever is left for others.
        self.errors.store(0, Relaxed);
        loop {
            let wait = quiet.min(time.left());
            match tokio::time::timeout(wait, self.accept_at_once()).await {
                Ok(Ok(accepted)) => serve(accepted),
                Ok(Err(e)) if exhausted(&e) => time.wait_for_descriptors().await,
                Ok(Err(e)) if self.trouble(&e) == AcceptErrorKind::OneConnection => {}
                Ok(Err(_)) | Err(_) => return,
            }
            if time.is_over() {
                return;
            }
        }
    }

    async fn accept_at_once(&self) -> io::Result<Accepted> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }
}

/// In place of a number of errors: the last connection was one too many.
const CROWDED: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_os = "linux")]
    use crate::listen::turn_away::turn_away;

    fn first_addr(listener: &LosslessListener) -> String {
        listener.local_addrs().next().unwrap()
    }

    /// A connection whose last ACK was still on its way when the listener closed is served. The
    /// ACK is held up by a filter, and comes again with the first byte.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn accept_lossless_for_a_handshake_under_way() {
        use socket2::{SockFilter, SockRef};
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        let listener = LosslessListener::bind(&"127.0.0.1:0".into(), None).unwrap();
        let addr = first_addr(&listener);
        let [ListeningSocket::Tcp(tcp)] = &listener.doors[..] else {
            unreachable!()
        };
        let same = SockRef::from(tcp).try_clone().unwrap();
        let lose_acks = [
            SockFilter::new(0x30, 0, 0, 13),
            SockFilter::new(0x54, 0, 0, 0x10),
            SockFilter::new(0x15, 0, 1, 0x10),
            SockFilter::new(0x06, 0, 0, 0),
            SockFilter::new(0x06, 0, 0, u32::MAX),
        ];
        if let Err(e) = same.attach_filter(&lose_acks) {
            real_servers::skip(format_args!("no socket filters here: {e} (CAP_NET_ADMIN)"));
            return;
        }
        let mut client = tokio::net::TcpStream::connect(&addr).await.unwrap();
        let mut served = Vec::new();
        let close = listener.close(Duration::from_secs(5), |it| served.push(it.socket));
        let late = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let _ = same.detach_filter();
            drop(same);
            client.write_all(b"late").await
        };
        let ((), written) = tokio::join!(close, late);
        written.unwrap();
        let [socket] = &mut served[..] else {
            panic!("{} connections", served.len())
        };
        let mut bytes = [0; 4];
        socket.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"late");
        let error = tokio::net::TcpStream::connect(&addr).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn whoever_comes_late_is_refused_at_once_and_what_has_come_is_kept() {
        let listener = LosslessListener::bind(&"127.0.0.1:0".into(), None).unwrap();
        let addr = first_addr(&listener);
        let [ListeningSocket::Tcp(tcp)] = &listener.doors[..] else {
            unreachable!()
        };
        let _early = tokio::net::TcpStream::connect(&addr).await.unwrap();
        turn_away(tcp).unwrap();
        let late = tokio::time::timeout(
            Duration::from_millis(500),
            tokio::net::TcpStream::connect(&addr),
        );
        let error = late.await.expect("refused, not ignored").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let mut served = 0;
        listener
            .close(Duration::from_secs(1), |_| served += 1)
            .await;
        assert_eq!(served, 1);
    }

    /// Without the bound it is over 2 MiB, on loopback.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_peer_that_does_not_read_takes_little_memory_and_gets_all_when_it_does() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        const WHOLE: usize = 16 * 1024 * 1024;

        let listener = LosslessListener::bind(&"127.0.0.1:0".into(), None).unwrap();
        let addr = first_addr(&listener).parse().unwrap();
        let client = tokio::net::TcpSocket::new_v4().unwrap();
        client.set_recv_buffer_size(4096).unwrap();
        let (client, socket) = tokio::join!(client.connect(addr), listener.accept());
        let (mut client, mut socket) = (client.unwrap(), socket.socket);
        let mut held = 0;
        let fill = async {
            while held < WHOLE {
                held += socket.write(&[0; 16 * 1024]).await.unwrap();
            }
        };
        let full = tokio::time::timeout(Duration::from_millis(500), fill).await;
        assert!(full.is_err(), "{held} bytes for a peer that does not read");
        assert!(held <= 512 * 1024, "{held}");
        let rest = async move {
            let rest = vec![0; WHOLE - held];
            socket.write_all(&rest).await.unwrap();
        };
        let mut got = Vec::new();
        let ((), read) = tokio::join!(rest, client.read_to_end(&mut got));
        assert_eq!(read.unwrap(), WHOLE);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_socket_file_of_a_successor_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        let bind = Bind::Unix(path.clone());
        let old = LosslessListener::bind(&bind, None).unwrap();
        std::fs::remove_file(&path).unwrap();
        let new = LosslessListener::bind(&bind, None).unwrap();
        old.close(Duration::from_secs(1), |_| {}).await;
        assert!(tokio::net::UnixStream::connect(&path).await.is_ok());
        new.close(Duration::from_secs(1), |_| {}).await;
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_bad_address_is_refused_with_the_fix() {
        let error = LosslessListener::bind(&"localhost".into(), None)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("127.0.0.1:8080"), "{error}");
    }
}
