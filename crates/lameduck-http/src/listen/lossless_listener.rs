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
//! [`turn_away`] has the kernel begin no more handshakes. Those under way go on, and
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

#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::Instant;

use tracing::Level;

use super::accept_error::AcceptErrorKind;
use super::bind::{Bind, BindError, bind_tcp};
#[cfg(unix)]
use super::bind::{OwnFile, bind_unix};
use super::socket::Accepted;
use crate::system::descriptors::{Headroom, PAUSE, exhausted};
use lameduck_core::internal::voice;

/// What a server listens on: usually one socket, more where an address stands for several.
pub(crate) struct LosslessListener {
    doors: Vec<Door>,
    inherited: bool,
    /// Where to look first for the next connection, so that no door keeps those at another waiting.
    turn: AtomicUsize,
    /// Errors since the last connection.
    errors: AtomicU32,
    headroom: Headroom,
    /// Who hears of it when there will be no more connections.
    broken: Mutex<Option<oneshot::Sender<io::Error>>>,
}

/// A listening socket.
enum Door {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener, Option<OwnFile>),
}

/// How many errors that should pass may come in a row before there is a pause after each.
const ERRORS_IN_A_ROW: u32 = 32;

impl LosslessListener {
    /// Binds sockets of our own. `mode` is for the file of a Unix socket.
    pub(crate) fn bind(bind: &Bind, mode: Option<u32>) -> Result<LosslessListener, BindError> {
        let refused = |e: io::Error| BindError::Refused(e.to_string());
        let doors = match bind {
            Bind::Tcp(addr) => bind_tcp(addr)?
                .into_iter()
                .map(|it| TcpListener::from_std(it).map(Door::Tcp))
                .collect::<io::Result<_>>()
                .map_err(refused)?,
            #[cfg(unix)]
            Bind::Unix(path) => {
                let (it, file) = bind_unix(path, mode)?;
                vec![Door::Unix(
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
        LosslessListener::at(vec![Door::Tcp(listener)], false)
    }

    /// Takes sockets that somebody else has bound and may go on using.
    #[cfg(unix)]
    pub(crate) fn inherit(sockets: Vec<std::os::fd::OwnedFd>) -> io::Result<LosslessListener> {
        let door = |fd| {
            let socket = socket2::Socket::from(fd);
            socket.set_nonblocking(true)?;
            Ok(if socket.local_addr()?.is_unix() {
                Door::Unix(UnixListener::from_std(socket.into())?, None)
            } else {
                Door::Tcp(TcpListener::from_std(socket.into())?)
            })
        };
        let doors: io::Result<_> = sockets.into_iter().map(door).collect();
        Ok(LosslessListener::at(doors?, true))
    }

    fn at(doors: Vec<Door>, inherited: bool) -> LosslessListener {
        LosslessListener {
            headroom: Headroom::from(doors.first().map_or(0, Door::number)),
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
        self.doors.iter().map(Door::local_addr)
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
            [Door::Tcp(only)] => {
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
        let next = self.doors.first().map(Door::next_number);
        next.is_some_and(|number| self.headroom.is_used(number))
    }

    fn trouble(&self, error: &io::Error) -> AcceptErrorKind {
        let listens = || self.doors.iter().all(Door::listens);
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
        let mut ports: Vec<u16> = self.doors.iter().filter_map(Door::port).collect();
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

impl Door {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        match self {
            Door::Tcp(it) => it
                .poll_accept(cx)
                .map_ok(|(stream, peer)| Accepted::tcp(tuned(stream), peer)),
            #[cfg(unix)]
            Door::Unix(it, _) => it
                .poll_accept(cx)
                .map_ok(|(stream, _)| Accepted::unix(stream)),
        }
    }

    fn local_addr(&self) -> String {
        match self {
            Door::Tcp(it) => it
                .local_addr()
                .map_or_else(|e| e.to_string(), |addr| addr.to_string()),
            #[cfg(unix)]
            Door::Unix(it, _) => match it.local_addr() {
                Ok(addr) => match addr.as_pathname() {
                    Some(path) => format!("unix:{}", path.display()),
                    None => match addr.as_abstract_name() {
                        Some(name) => format!("unix:@{}", name.escape_ascii()),
                        None => "unix:(unnamed)".to_owned(),
                    },
                },
                Err(e) => e.to_string(),
            },
        }
    }

    #[cfg(target_os = "linux")]
    fn port(&self) -> Option<u16> {
        match self {
            Door::Tcp(it) => it.local_addr().ok().map(|addr| addr.port()),
            Door::Unix(..) => None,
        }
    }

    /// Whether the kernel still takes connections for it.
    fn listens(&self) -> bool {
        #[cfg(unix)]
        return lameduck_core::internal::look_at(self.number())
            .is_ok_and(|it| it.socket.is_some_and(|it| it.listens));
        #[cfg(not(unix))]
        true
    }

    /// The number of its descriptor.
    fn number(&self) -> i32 {
        #[cfg(unix)]
        return {
            use std::os::fd::AsRawFd;
            match self {
                Door::Tcp(it) => it.as_raw_fd(),
                Door::Unix(it, _) => it.as_raw_fd(),
            }
        };
        #[cfg(not(unix))]
        0
    }

    /// The number that the next descriptor will get.
    fn next_number(&self) -> i32 {
        #[cfg(unix)]
        return {
            use std::os::fd::{AsFd, AsRawFd};
            let it = match self {
                Door::Tcp(it) => it.as_fd(),
                Door::Unix(it, _) => it.as_fd(),
            };
            rustix::io::fcntl_dupfd_cloexec(it, 0).map_or(i32::MAX, |copy| copy.as_raw_fd())
        };
        #[cfg(not(unix))]
        0
    }

    fn turn_newcomers_away(&self) {
        match self {
            #[cfg(target_os = "linux")]
            Door::Tcp(it) => {
                if let Err(error) = turn_away(it) {
                    voice::event(Level::WARN, move || {
                        tracing::warn!(target: "lameduck", %error, "new connections cannot be turned away: accepting until quiet");
                    });
                }
            }
            #[cfg(not(target_os = "linux"))]
            Door::Tcp(_) => {}
            // Without its name nobody finds it. A peer that had looked the name up just before may
            // still be on its way in.
            #[cfg(unix)]
            Door::Unix(_, file) => {
                if let Some(file) = file {
                    file.remove();
                }
            }
        }
    }

    /// Takes what is in the accept queue at this instant. Asks the kernel, not the runtime, which
    /// may not have been told yet.
    async fn empty_the_queue(
        self,
        time: &mut CloseTime,
        serve: &mut impl FnMut(Accepted),
    ) -> io::Result<()> {
        match self {
            Door::Tcp(listener) => {
                let listener = listener.into_std()?;
                while let Some((stream, peer)) = next(|| listener.accept(), time).await? {
                    stream.set_nonblocking(true)?;
                    serve(Accepted::tcp(tuned(TcpStream::from_std(stream)?), peer));
                }
            }
            #[cfg(unix)]
            Door::Unix(listener, _) => {
                let listener = listener.into_std()?;
                while let Some((stream, _)) = next(|| listener.accept(), time).await? {
                    stream.set_nonblocking(true)?;
                    serve(Accepted::unix(tokio::net::UnixStream::from_std(stream)?));
                }
            }
        }
        Ok(())
    }
}

/// The most that a connection may hold in bytes that its peer has no room for. The system would hold
/// up to 4 MiB (`net.ipv4.tcp_wmem`), so that a thousand peers that do not read would use up the
/// memory that all of TCP has, and connections of others would be reset.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;

/// Sets what every connection should have. Where the system has no such thing it works without.
fn tuned(stream: TcpStream) -> TcpStream {
    // Nagle's algorithm and delayed ACKs together cost 40 ms on small responses.
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = crate::system::sys::bound_unsent(&stream, UNSENT);
    stream
}

/// The least time between the last handshake that may begin and the close, for what is being
/// processed on another processor at that instant.
const SETTLE: Duration = Duration::from_millis(5);
/// How long no connection may have come where the system does not say what is under way.
#[cfg(target_os = "linux")]
const QUIET: Duration = Duration::from_millis(100);
/// The most a close takes. A handshake that takes longer is that of a peer that is gone.
const LONGEST: Duration = Duration::from_millis(900);

/// The time that a close has.
struct CloseTime {
    until: Instant,
    /// Not even for want of descriptors is it longer.
    latest: Instant,
}

impl CloseTime {
    fn of(bound: Duration) -> CloseTime {
        let now = Instant::now();
        CloseTime {
            until: now + bound.min(LONGEST),
            latest: now + bound,
        }
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// There is no descriptor for somebody who has connected. One may be free soon, for requests end and
    /// connections are closed; what this takes is given in addition.
    async fn wait_for_descriptors(&mut self) {
        let began = Instant::now();
        tokio::time::sleep(SETTLE).await;
        self.until = (self.until + began.elapsed()).min(self.latest);
    }
}

/// One more from the queue; `None` if it is empty.
async fn next<T>(
    accept: impl Fn() -> io::Result<T>,
    time: &mut CloseTime,
) -> io::Result<Option<T>> {
    loop {
        return match accept() {
            Ok(_) if time.is_over() => Err(io::ErrorKind::TimedOut.into()),
            Ok(it) => Ok(Some(it)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) if exhausted(&e) && !time.is_over() => {
                time.wait_for_descriptors().await;
                continue;
            }
            Err(e) => Err(e),
        };
    }
}

/// Has the kernel begin no more handshakes with this socket.
///
/// A socket that is bound to a network interface hears of connections through that interface only.
/// No interface has the highest index there is, so nobody finds the socket any more, and whoever
/// tries is refused at once (`SO_BINDTOIFINDEX`, socket(7): Linux 5.0, without privilege since 5.7).
/// A handshake under way has its own entry in the kernel's tables and goes on. What is accepted is
/// not bound.
///
/// Where that is not possible: a filter that drops the SYNs. That takes a privilege on newer
/// kernels, and whoever tries waits for a second before it tries again and is refused.
#[cfg(target_os = "linux")]
fn turn_away(listener: &TcpListener) -> io::Result<()> {
    use socket2::SockRef;
    const NO_INTERFACE: Option<std::num::NonZeroU32> = std::num::NonZeroU32::new(i32::MAX as u32);
    SockRef::from(listener)
        .bind_device_by_index_v4(NO_INTERFACE)
        .or_else(|_| drop_bare_syns(listener))
}

/// Has the kernel drop every SYN that opens a connection.
///
/// A socket filter on a TCP socket sees the segment from its TCP header on; the flags are byte 13.
/// Dropped is what has SYN (0x02) and not ACK (0x10).
#[cfg(target_os = "linux")]
fn drop_bare_syns(listener: &TcpListener) -> io::Result<()> {
    use socket2::{SockFilter, SockRef};
    const LOAD_BYTE: u16 = 0x30; // BPF_LD | BPF_B | BPF_ABS
    const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
    const JUMP_IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, 13),
        SockFilter::new(AND, 0, 0, 0x12),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, 0x02),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

/// How many handshakes with our ports are half done; `None` if the system does not say. On a thread
/// of its own, because the answer may take milliseconds.
#[cfg(target_os = "linux")]
async fn half_open(ports: Vec<u16>) -> Option<usize> {
    if ports.is_empty() {
        return Some(0);
    }
    let (answer, answered) = oneshot::channel();
    std::thread::Builder::new()
        .name("lameduck-half-open".into())
        .spawn(move || {
            let all = ports.into_iter().map(super::half_open::count);
            let _ = answer.send(all.sum::<io::Result<usize>>().ok());
        })
        .ok()?;
    answered.await.ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let [Door::Tcp(tcp)] = &listener.doors[..] else {
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
        let [Door::Tcp(tcp)] = &listener.doors[..] else {
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
