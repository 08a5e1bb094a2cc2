//! What all clients of a round share: the wire, the clock of the round, and the book they write in.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::connection::Link;
use super::http1::{Answer, Fault, FaultKind};
use crate::endpoint::Endpoint;
use crate::ledger::{Connection, Ending, Exchange, Lane};
use crate::request::RequestTemplate;
use crate::wire::Wire;

/// A connection attempt without any answer for this long, and a round trip, counts as refused: a listener that
/// silently drops handshakes is closed.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Everything a client needs; cheap to clone.
#[derive(Clone)]
pub(crate) struct Stage(Arc<Shared>);

struct Shared {
    wire: Wire,
    origin: Endpoint,
    seed: u64,
    book: Mutex<Book>,
    signal: watch::Sender<Option<Instant>>,
    stop: CancellationToken,
    warm: Mutex<Vec<Arc<AtomicU32>>>,
}

#[derive(Default)]
struct Book {
    exchanges: Vec<Exchange>,
    connections: Vec<Connection>,
    trouble: Option<String>,
}

/// Who a client is, for the ledger and for its random numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) lane: Lane,
    pub(crate) number: u32,
}

impl Stage {
    pub(crate) fn new(wire: Wire, origin: Endpoint, seed: u64) -> Self {
        Self(Arc::new(Shared {
            wire,
            origin,
            seed,
            book: Mutex::default(),
            signal: watch::Sender::new(None),
            stop: CancellationToken::new(),
            warm: Mutex::default(),
        }))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn authority(&self) -> &str {
        &self.0.origin.authority
    }

    /// Random numbers of a client's own, the same again for the same seed.
    pub(crate) fn random(&self, client: Client) -> StdRng {
        let lane = client.lane as u64;
        StdRng::seed_from_u64(self.0.seed ^ (lane << 56) ^ (u64::from(client.number) << 24))
    }

    /// Connects. `Err` is the refusal in words.
    pub(crate) async fn connect(&self, client: Client) -> Result<Link, String> {
        loop {
            let wire = self.0.wire;
            let limit = CONNECT_TIMEOUT + wire.rtt();
            let attempt = tokio::time::timeout(limit, wire.connect(self.0.origin.address));
            let error = match self.unless_over(attempt).await {
                Some(Ok(Ok(stream))) => return Ok(Link::new(stream, client, self.clone())),
                Some(Ok(Err(error))) => error,
                Some(Err(_)) => {
                    return Err(format!("no answer to the connection attempt in {limit:?}"));
                }
                None => return Err("no answer to the connection attempt".to_owned()),
            };
            match error
                .raw_os_error()
                .map(rustix::io::Errno::from_raw_os_error)
            {
                // This machine's shortage, not the target's answer.
                Some(rustix::io::Errno::ADDRNOTAVAIL) => {
                    self.sleep(Duration::from_millis(50)).await
                }
                Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => {
                    self.book().trouble = Some(format!(
                        "the prover ran out of file descriptors ({error}); raise the limit (`ulimit -n 4096`) or use fewer clients"
                    ));
                    return Err(error.to_string());
                }
                _ => return Err(error.to_string()),
            }
            if self.is_over() {
                return Err(error.to_string());
            }
        }
    }

    /// Ends the loads: no client begins anything new.
    pub(crate) fn stop(&self) {
        self.0.stop.cancel();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.stop.is_cancelled()
    }

    /// Runs a future unless the loads are ended first.
    pub(crate) async fn unless_over<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.0.stop.run_until_cancelled(future).await
    }

    /// Sleeps, or less when the loads are ended.
    pub(crate) async fn sleep(&self, duration: Duration) {
        self.unless_over(tokio::time::sleep(duration)).await;
    }

    /// As [`sleep`](Self::sleep), to a moment.
    pub(crate) async fn sleep_until(&self, moment: Instant) {
        self.unless_over(tokio::time::sleep_until(moment.into()))
            .await;
    }

    /// Tells every client that the signal was sent.
    pub(crate) fn signalled(&self, at: Instant) {
        self.0
            .signal
            .send_if_modified(|signal| signal.is_none() && signal.replace(at).is_none());
    }

    /// Waits for the signal.
    pub(crate) async fn signal(&self) {
        let mut signal = self.0.signal.subscribe();
        // Fails only without a sender, which this stage holds.
        drop(self.unless_over(signal.wait_for(Option::is_some)).await);
    }

    /// A counter that must reach a few requests before the warm-up is over.
    pub(crate) fn warm_counter(&self) -> Arc<AtomicU32> {
        let counter = Arc::new(AtomicU32::new(0));
        self.0
            .warm
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(counter.clone());
        counter
    }

    /// Whether every client that keeps connections has made so many requests.
    pub(crate) fn is_warm(&self, requests: u32) -> bool {
        let warm = self.0.warm.lock().unwrap_or_else(PoisonError::into_inner);
        warm.iter()
            .all(|counter| counter.load(Ordering::Relaxed) >= requests)
    }

    pub(crate) fn record(&self, exchange: Exchange) {
        self.book().exchanges.push(exchange);
    }

    pub(crate) fn record_connection(&self, connection: Connection) {
        self.book().connections.push(connection);
    }

    /// Takes what the clients wrote; `Err` when the prover itself was in trouble.
    pub(crate) fn take(&self) -> Result<(Vec<Exchange>, Vec<Connection>), String> {
        let book = std::mem::take(&mut *self.book());
        match book.trouble {
            Some(trouble) => Err(trouble),
            None => Ok((book.exchanges, book.connections)),
        }
    }
}

/// A request under way. Whatever becomes of it, it is recorded once: one that is dropped, because the prover
/// stopped waiting, is recorded as timed out if it had been wholly written.
pub(crate) struct Attempt {
    stage: Stage,
    client: Client,
    number: u32,
    request: RequestTemplate,
    began: Instant,
    pub(crate) reused: bool,
    pub(crate) written: Option<Instant>,
    pub(crate) answered: Option<Instant>,
    recorded: bool,
}

impl Attempt {
    pub(crate) fn begin(
        stage: &Stage,
        client: Client,
        number: u32,
        request: &RequestTemplate,
    ) -> Self {
        Self {
            stage: stage.clone(),
            client,
            number,
            request: request.clone(),
            began: Instant::now(),
            reused: false,
            written: None,
            answered: None,
            recorded: false,
        }
    }

    /// No connection could be made.
    pub(crate) fn refused(self, what: String) {
        self.end(Ending::Refused, None, what, None);
    }

    /// The server said that it had not processed it.
    pub(crate) fn unprocessed(self, what: String) {
        self.end(Ending::Unprocessed, None, what, None);
    }

    /// Over with a response, or with what came instead of one.
    pub(crate) fn finish(self, result: Result<Answer, Fault>) {
        match result {
            Ok(answer) => {
                let ending = match answer.status {
                    500.. => Ending::Status5xx,
                    _ if answer.close => Ending::OkClose,
                    _ => Ending::Ok,
                };
                let close = if answer.close {
                    ", Connection: close"
                } else {
                    ""
                };
                let what = format!("status {}, {} bytes{close}", answer.status, answer.bytes);
                self.end(ending, Some(answer), what, None);
            }
            Err(fault) => self.fault(fault),
        }
    }

    fn fault(self, fault: Fault) {
        let ending = match (fault.began, fault.kind) {
            (true, _) | (_, FaultKind::Malformed) => Ending::Truncated,
            (false, FaultKind::Reset) => Ending::ResetBeforeResponse,
            (false, FaultKind::Eof) => Ending::EofBeforeResponse,
        };
        self.end(ending, None, fault.what, fault.status);
    }

    /// Not wholly written, so neither lost nor answered: the client tries again elsewhere.
    pub(crate) fn forget(mut self) {
        self.recorded = true;
    }

    fn end(mut self, ending: Ending, answer: Option<Answer>, what: String, status: Option<u16>) {
        self.recorded = true;
        let body = answer.as_ref().and_then(|answer| answer.body.clone());
        let status = answer.map(|answer| answer.status).or(status);
        self.write(ending, status, what, body);
    }

    fn write(&self, ending: Ending, status: Option<u16>, what: String, body: Option<Bytes>) {
        self.stage.record(Exchange {
            lane: self.client.lane,
            client: self.client.number,
            number: self.number,
            request: self.request.clone(),
            reused: self.reused,
            began: self.began,
            written: self.written,
            answered: self.answered,
            ended: Instant::now(),
            ending,
            status,
            what,
            body,
        });
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.recorded && self.written.is_some() {
            let what = match self.answered {
                Some(_) => "the response began and had not ended when the prover stopped waiting",
                None => "no response when the prover stopped waiting",
            };
            self.write(Ending::Timeout, None, what.to_owned(), None);
        }
    }
}
