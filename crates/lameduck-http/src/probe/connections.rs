//! The connections of the admin port, and their bounds.
//!
//! # What must hold
//!
//! 1. There is always room for one more: when as many are open as there may be, the one that has been
//!    waiting for its client the longest has to go. So whoever sends a request as soon as it is
//!    connected, as probes do, is answered however many others connect and say nothing, or never read
//!    their answer. There is always one to go, because only three of four may wait for an answer of
//!    ours that takes time (`routes`).
//! 2. Answers that nobody has read yet take at most [`MOST_HELD`] bytes, beside short ones.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http_body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{AbortHandle, Id, JoinSet};

use super::routes::{Routes, too_many_unread};
use super::stream::ProbeStream;
use crate::system::descriptors::limit;

/// The most connections open at once: 256, or a quarter of the descriptors that the process may have.
pub(super) fn most() -> usize {
    let quarter = limit().map_or(u64::MAX, |limit| limit / 4);
    quarter.clamp(8, 256) as usize
}

/// The most bytes of answers that may wait for their clients.
const MOST_HELD: usize = 4 * 1024 * 1024;

/// An answer so short is given however many others wait to be read: those of the probes are.
const SHORT: usize = 2 * 1024;

/// How long a client may take to send the head of a request; also how long it may be idle.
const PATIENCE_FOR_HEAD: Duration = Duration::from_secs(5);

/// How long a client may take to read an answer.
const PATIENCE_FOR_READING: Duration = Duration::from_secs(30);

/// The most a connection buffers of what it reads, and so the longest head of a request: 64 KiB,
/// for browsers that send this port every cookie of its host.
const READ_BUFFER: usize = 64 * 1024;

pub(super) struct Connections {
    routes: Arc<Routes>,
    most: usize,
    held: Arc<AtomicUsize>,
    stop: watch::Receiver<bool>,
    tasks: JoinSet<()>,
    open: HashMap<Id, Open>,
    epoch: Instant,
}

struct Open {
    activity: Arc<Activity>,
    task: AbortHandle,
}

/// Whose turn it is on a connection.
struct Activity {
    epoch: Instant,
    /// When the turn became the client's, to send a request or to read an answer, in nanoseconds
    /// since `epoch`: fine enough to tell which of many came first. [`OURS`] while a request is
    /// being answered.
    clients_since: AtomicU64,
    /// Whether there has been a request.
    used: AtomicBool,
    /// How long the answer is that the client has not been seen to have read.
    held: AtomicUsize,
    /// The same of all connections.
    held_in_all: Arc<AtomicUsize>,
}

const OURS: u64 = u64::MAX;

impl Activity {
    fn new(epoch: Instant, held_in_all: Arc<AtomicUsize>) -> Activity {
        let activity = Activity {
            epoch,
            clients_since: AtomicU64::new(OURS),
            used: AtomicBool::new(false),
            held: AtomicUsize::new(0),
            held_in_all,
        };
        activity.clients();
        activity
    }

    fn ours(&self) {
        // A client that asks again has read.
        self.let_go();
        self.used.store(true, Ordering::Relaxed);
        self.clients_since.store(OURS, Ordering::Relaxed);
    }

    fn clients(&self) {
        let now = u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(OURS - 1);
        self.clients_since.store(now, Ordering::Relaxed);
    }

    /// Since when after the epoch it has been the client's turn; `None` if it is ours.
    fn clients_since(&self) -> Option<Duration> {
        match self.clients_since.load(Ordering::Relaxed) {
            OURS => None,
            since => Some(Duration::from_nanos(since)),
        }
    }

    /// Whether an answer of so many bytes may wait for the client.
    fn may_hold(&self, bytes: usize) -> bool {
        if bytes > SHORT && self.held_in_all.load(Ordering::Relaxed) + bytes > MOST_HELD {
            return false;
        }
        self.held.store(bytes, Ordering::Relaxed);
        self.held_in_all.fetch_add(bytes, Ordering::Relaxed);
        true
    }

    fn let_go(&self) {
        let bytes = self.held.swap(0, Ordering::Relaxed);
        self.held_in_all.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl Connections {
    /// None yet, and at most `most`. They end once `stop` says so.
    pub fn new(routes: Arc<Routes>, most: usize, stop: watch::Receiver<bool>) -> Connections {
        Connections {
            routes,
            most,
            held: Arc::default(),
            stop,
            tasks: JoinSet::new(),
            open: HashMap::new(),
            epoch: Instant::now(),
        }
    }

    /// Serves a new connection, at the cost of an old one if need be. Closes it if all others are
    /// waiting for an answer of ours.
    pub fn serve(&mut self, stream: TcpStream, peer: SocketAddr) {
        if self.open.len() >= self.most && !self.make_room() {
            return;
        }
        let activity = Arc::new(Activity::new(self.epoch, self.held.clone()));
        let (routes, stop) = (self.routes.clone(), self.stop.clone());
        let task = self
            .tasks
            .spawn(converse(stream, peer, routes, activity.clone(), stop));
        self.open.insert(task.id(), Open { activity, task });
    }

    /// Closes the connection that has been waiting for its client the longest; `false` if none is.
    pub fn make_room(&mut self) -> bool {
        let waiting = self
            .open
            .iter()
            .filter_map(|(id, open)| Some((open.activity.clients_since()?, *id)));
        match waiting.min_by_key(|(since, _)| *since) {
            Some((_, id)) => {
                self.close(id);
                true
            }
            None => false,
        }
    }

    fn close(&mut self, id: Id) {
        if let Some(open) = self.open.remove(&id) {
            open.task.abort();
        }
    }

    /// Closes the connections whose client does not read.
    pub fn close_stalled(&mut self) {
        let now = self.epoch.elapsed();
        let stalled = |open: &Open| {
            let since = open.activity.clients_since();
            since.is_some_and(|since| now.saturating_sub(since) > PATIENCE_FOR_READING)
        };
        for open in self.open.values().filter(|open| stalled(open)) {
            open.task.abort();
        }
    }

    /// Completes when a connection has ended; never if there is none. Cancel safe.
    pub async fn ended(&mut self) {
        let id = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(e)) => e.id(),
            None => return std::future::pending().await,
        };
        self.open.remove(&id);
    }

    /// Completes when all have ended. Cancel safe.
    pub async fn all_ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    routes: Arc<Routes>,
    activity: Arc<Activity>,
    mut stop: watch::Receiver<bool>,
) {
    // Only a matter of speed.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        activity.ours();
        let (routes, activity) = (&routes, &activity);
        async move {
            let mut answer = routes.answer(&request, peer).await;
            let bytes = answer.body().size_hint().exact().unwrap_or(0);
            if !activity.may_hold(bytes as usize) {
                answer = too_many_unread();
            }
            activity.clients();
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE_FOR_HEAD)
        .max_buf_size(READ_BUFFER)
        .serve_connection(TokioIo::new(ProbeStream::new(stream)), service);
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        _ = asked(&mut stop) => {}
    }
    // hyper closes a connection unread if it has had no request yet, and one may be on its way.
    if activity.is_used() {
        connection.as_mut().graceful_shutdown();
    }
    let _ = connection.await;
}

/// Completes when the server is to stop, or nobody is left to say so. Cancel safe.
pub(super) async fn asked(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
