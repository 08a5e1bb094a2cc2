//! What all clients of a round share: the wire, the clock of the round, and the book they write in.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::{AnswerFault, FaultKind};
use super::barrier::Barrier;
use super::connection::{Link, is_reset, parting};
use super::http1::Http1;
use super::notebook::{Client, Notebook};
use crate::endpoint::Endpoint;
use crate::ledger::{Connection, NO_DESCRIPTOR, Parting};
use crate::request::RequestTemplate;
use crate::wire::{
    Channel, Destination, FailedAttempt, Protocol, Reading, TlsStream, Wire, WireStream,
};

/// A connection attempt without any answer for this long, and a round trip, has failed: that is neither a refusal, which
/// is an answer, nor a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Why there is no connection to send a request on.
#[derive(Debug)]
pub(crate) enum Unconnected {
    /// The target said that nobody listens (ECONNREFUSED), in words.
    Refused { what: String, at: Instant },
    /// The target said nothing, in words: the attempt timed out.
    Unanswered(String),
    /// The prover stopped trying.
    GivenUp,
    /// It was established, and ended in the TLS handshake.
    Cut {
        established: Instant,
        fault: AnswerFault,
    },
    /// It was established, and the TLS handshake had not ended when the prover stopped waiting.
    Waiting { established: Instant },
}

/// Everything a client needs; cheap to clone.
#[derive(Clone)]
pub(crate) struct Stage(Arc<Shared>);

struct Shared {
    wire: Wire,
    is_episode: bool,
    origin: Endpoint,
    /// Where connections go, in turn, once that is known.
    served: OnceLock<Vec<Destination>>,
    turn: AtomicUsize,
    seed: u64,
    notebook: Notebook,
    barrier: Barrier,
    signal: watch::Sender<Option<Instant>>,
    stop: CancellationToken,
    /// Whether `stop` is cancelled: asked before each request, and the token itself has a lock.
    is_over: AtomicBool,
    seeing_off: TaskTracker,
    warm: Mutex<Vec<Arc<AtomicU32>>>,
}

impl Stage {
    pub(crate) fn new(wire: Wire, origin: Endpoint, seed: u64) -> Self {
        Self(Arc::new(Shared {
            wire,
            is_episode: false,
            origin,
            served: OnceLock::new(),
            turn: AtomicUsize::new(0),
            seed,
            notebook: Notebook::default(),
            barrier: Barrier::default(),
            signal: watch::Sender::new(None),
            stop: CancellationToken::new(),
            is_over: AtomicBool::new(false),
            seeing_off: TaskTracker::new(),
            warm: Mutex::default(),
        }))
    }

    /// The same for an episode, in which the signal is no end: what is held open is opened anew when it has ended, and the
    /// target's name is looked up for each connection, because what it stands for may change.
    ///
    /// To be called before any client has it.
    pub(crate) fn of_an_episode(mut self) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.0) {
            shared.is_episode = true;
        }
        self
    }

    /// Where a connection may go, one after the other: in an episode to each address that the name stands for now, in the
    /// order of the system.
    async fn destinations(&self) -> std::io::Result<Vec<Destination>> {
        let first = self.destination();
        let name = match (&self.0.origin.name, &first) {
            (Some(name), Destination::Tcp(_)) if self.0.is_episode => name,
            _ => return Ok(vec![first]),
        };
        let found = tokio::net::lookup_host(name).await?;
        let found: Vec<Destination> = found.map(Destination::Tcp).collect();
        match found.is_empty() {
            true => Err(std::io::ErrorKind::NotFound.into()),
            false => Ok(found),
        }
    }

    /// Where clients write.
    pub(crate) fn notebook(&self) -> &Notebook {
        &self.0.notebook
    }

    /// Where the target serves, and what goes with everything that is sent there.
    pub(crate) fn origin(&self) -> &Endpoint {
        &self.0.origin
    }

    pub(crate) fn authority(&self) -> &str {
        &self.0.origin.authority
    }

    /// From here on connections go to these, in turn. Until then they go where the URL says first.
    pub(crate) fn served_at(&self, served: Vec<Destination>) {
        if !served.is_empty() {
            self.0.served.get_or_init(|| served);
        }
    }

    fn destination(&self) -> Destination {
        let first = || self.0.origin.destinations().remove(0);
        let Some(served) = self.0.served.get() else {
            return first();
        };
        let turn = self.0.turn.fetch_add(1, Ordering::Relaxed);
        served
            .get(turn % served.len())
            .cloned()
            .unwrap_or_else(first)
    }

    /// The round trip that lies between clients and target.
    pub(crate) fn rtt(&self) -> Duration {
        self.0.wire.rtt()
    }

    /// Random numbers of a client's own, the same again for the same seed.
    pub(crate) fn random(&self, client: Client) -> StdRng {
        let lane = client.lane as u64;
        StdRng::seed_from_u64(self.0.seed ^ (lane << 56) ^ (u64::from(client.number) << 24))
    }

    /// An order, with an id that no other has.
    pub(crate) fn order(
        &self,
        request: &RequestTemplate,
        client: Client,
        n: u32,
    ) -> RequestTemplate {
        let (seed, number) = (self.0.seed as u32, client.number);
        request.with_id(&format!("lameduck-{seed:08x}-{number}-{n}"))
    }

    /// Connects, to speak HTTP/1.1.
    pub(crate) async fn connect(&self, client: Client) -> Result<Link, Unconnected> {
        self.connect_reading(client, Reading::AtOnce).await
    }

    /// The same, and says when what comes is taken.
    pub(super) async fn connect_reading(
        &self,
        client: Client,
        reading: Reading,
    ) -> Result<Link, Unconnected> {
        let stream = self.reach(reading).await?;
        let link = self.establish(client, stream, Protocol::Http1).await?;
        if reading == Reading::WhenTold {
            link.leave_what_comes();
        }
        Ok(link)
    }

    /// Connects, to speak HTTP/2.
    pub(crate) async fn connect_h2(&self, client: Client) -> Result<Link, Unconnected> {
        let stream = self.reach(Reading::AtOnce).await?;
        self.establish(client, stream, Protocol::H2).await
    }

    async fn establish(
        &self,
        client: Client,
        stream: WireStream,
        protocol: Protocol,
    ) -> Result<Link, Unconnected> {
        let established = Instant::now();
        let Some(trust) = &self.0.origin.tls else {
            let channel = Channel::Clear(stream);
            return Ok(Link::new(channel, client, self.notebook().clone()));
        };
        match self
            .unless_over(trust.secure(stream, self.authority(), protocol))
            .await
        {
            Some(Ok(stream)) => {
                if protocol == Protocol::H2 && !stream.speaks_h2() {
                    self.notebook().trouble(
                        "the target does not offer h2 over TLS (ALPN): leave out --h2 and --grpc, or turn HTTP/2 on there"
                            .to_owned(),
                    );
                }
                Ok(self.secured(client, stream))
            }
            Some(Err(error)) => {
                self.note_cut(client, established, &error);
                let fault = AnswerFault {
                    kind: FaultKind::of(&error),
                    began: false,
                    status: None,
                    what: format!("cut in the TLS handshake: {error}"),
                };
                Err(Unconnected::Cut { established, fault })
            }
            None => Err(Unconnected::Waiting { established }),
        }
    }

    /// A connection whose handshake is over.
    pub(super) fn secured(&self, client: Client, stream: TlsStream) -> Link {
        let channel = Channel::Tls(Box::new(stream));
        Link::new(channel, client, self.notebook().clone())
    }

    /// Enters a connection that ended in its handshake.
    pub(super) fn note_cut(&self, client: Client, established: Instant, error: &std::io::Error) {
        self.notebook().record_connection(Connection {
            lane: client.lane,
            client: client.number,
            opened: established,
            ended: Instant::now(),
            parting: parting(error).unwrap_or(Parting::Client),
        });
    }

    /// Connects, and says nothing yet.
    pub(super) async fn reach(&self, reading: Reading) -> Result<WireStream, Unconnected> {
        let destinations = match self.unless_over(self.destinations()).await {
            Some(Ok(destinations)) => destinations,
            Some(Err(error)) => {
                return Err(Unconnected::Unanswered(format!(
                    "the name is not known: {error}"
                )));
            }
            None => return Err(Unconnected::GivenUp),
        };
        self.reach_one_of(&destinations, reading).await
    }

    /// The first of these that can be reached.
    async fn reach_one_of(
        &self,
        destinations: &[Destination],
        reading: Reading,
    ) -> Result<WireStream, Unconnected> {
        let mut why = Unconnected::GivenUp;
        for destination in destinations {
            match self.reach_one(destination, reading).await {
                // Others may serve where this one does not.
                Err(failed @ (Unconnected::Refused { .. } | Unconnected::Unanswered(_))) => {
                    why = failed;
                }
                other => return other,
            }
        }
        Err(why)
    }

    async fn reach_one(
        &self,
        destination: &Destination,
        reading: Reading,
    ) -> Result<WireStream, Unconnected> {
        loop {
            let wire = self.0.wire;
            let limit = CONNECT_TIMEOUT + wire.rtt();
            let attempt = tokio::time::timeout(limit, wire.attempt(destination, reading));
            let FailedAttempt { error, at } = match self.unless_over(attempt).await {
                Some(Ok(Ok(stream))) => {
                    return Ok(stream);
                }
                Some(Ok(Err(failed))) => failed,
                Some(Err(_)) => {
                    let what = format!("no answer to the connection attempt in {limit:?}");
                    return Err(Unconnected::Unanswered(what));
                }
                None => return Err(Unconnected::GivenUp),
            };
            match error
                .raw_os_error()
                .map(rustix::io::Errno::from_raw_os_error)
            {
                // This machine's shortage, not the target's answer.
                Some(rustix::io::Errno::ADDRNOTAVAIL) => {
                    self.notebook().shortage("no free port for a connection");
                    self.sleep(Duration::from_millis(50)).await
                }
                Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => {
                    self.notebook().shortage(NO_DESCRIPTOR);
                    self.sleep(Duration::from_millis(50)).await
                }
                _ => return Err(unconnected(&error, at)),
            }
            if self.is_over() {
                return Err(Unconnected::GivenUp);
            }
        }
    }

    /// After the signal a connection that carries no more is held until the server has ended it, to see how. One that
    /// is not ended is closed by its client, as real clients do, a little later.
    pub(crate) fn see_off(&self, mut connection: Http1) {
        const HELD: Duration = Duration::from_secs(1);
        if !self.is_signalled() || self.is_over() {
            return;
        }
        let stage = self.clone();
        self.0.seeing_off.spawn(async move {
            let watched = tokio::time::timeout(HELD, connection.watch());
            stage.unless_over(watched).await;
        });
    }

    /// Waits until all connections that are being seen off have ended, once the loads are over.
    pub(crate) async fn seen_off(&self) {
        self.0.seeing_off.close();
        self.0.seeing_off.wait().await;
    }

    /// Ends the loads: no client begins anything new.
    pub(crate) fn stop(&self) {
        self.0.is_over.store(true, Ordering::Release);
        self.0.stop.cancel();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::Acquire)
    }

    /// Waits for the end of the loads.
    pub(crate) async fn over(&self) {
        self.0.stop.cancelled().await;
    }

    /// Runs a future unless the loads are ended first.
    pub(crate) async fn unless_over<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.0.stop.run_until_cancelled(future).await
    }

    /// Sleeps, or less when the loads are ended.
    pub(crate) async fn sleep(&self, duration: Duration) {
        self.unless_over(tokio::time::sleep(duration)).await;
    }

    /// The pause between two requests of a client: up to `longest`. Who is to think of nothing goes on at once, but
    /// for one whose connection has ended: a refusal comes at once too, and would only heat the machine.
    pub(crate) async fn think(&self, random: &mut StdRng, longest: Duration, goes_on: bool) {
        if !longest.is_zero() {
            let thought = random.random_range(0..=longest.as_micros() as u64);
            self.sleep(Duration::from_micros(thought)).await;
        } else if !goes_on {
            let pause = Duration::from_millis(random.random_range(1..10));
            self.sleep(pause).await;
        }
    }

    /// As [`sleep`](Self::sleep), to a moment.
    pub(crate) async fn sleep_until(&self, moment: Instant) {
        self.unless_over(tokio::time::sleep_until(moment.into()))
            .await;
    }

    /// Who the signal waits for.
    pub(crate) fn barrier(&self) -> &Barrier {
        &self.0.barrier
    }

    /// Tells every client that the signal was sent.
    pub(crate) fn signalled(&self, at: Instant) {
        self.0
            .signal
            .send_if_modified(|signal| signal.is_none() && signal.replace(at).is_none());
    }

    /// Whether what is held open may be opened, or opened anew.
    pub(crate) fn may_open(&self) -> bool {
        !self.is_over() && (self.0.is_episode || !self.is_signalled())
    }

    /// Whether the signal is no end to what is held open.
    pub(super) fn is_episode(&self) -> bool {
        self.0.is_episode
    }

    /// Whether the signal was sent.
    pub(crate) fn is_signalled(&self) -> bool {
        self.0.signal.borrow().is_some()
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
}

/// What a failed connection attempt says. A reset is the end of a connection: it was established, put into the queue of
/// those to be accepted, and thrown away with it before the client had so much as noticed.
fn unconnected(error: &std::io::Error, at: Instant) -> Unconnected {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => Unconnected::Refused {
            what: error.to_string(),
            at,
        },
        _ if is_reset(error) => Unconnected::Cut {
            established: at,
            fault: AnswerFault {
                kind: FaultKind::Reset,
                began: false,
                status: None,
                what: format!("established, and reset before it was accepted: {error}"),
            },
        },
        _ => Unconnected::Unanswered(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[tokio::test]
    async fn of_several_addresses_each_is_tried_and_a_refusal_is_one_of_all() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = listener.local_addr().unwrap();
        let origin = Endpoint::parse(&format!("http://{there}")).unwrap();
        let stage = Stage::new(Wire::default(), origin, 1).of_an_episode();
        let nobody = Destination::Tcp("127.0.0.1:1".parse().unwrap());
        let somebody = Destination::Tcp(there);
        for order in [
            [nobody.clone(), somebody.clone()],
            [somebody, nobody.clone()],
        ] {
            let reached = stage.reach_one_of(&order, Reading::AtOnce).await;
            assert!(reached.is_ok(), "{order:?}");
        }
        let twice = [nobody.clone(), nobody];
        let refused = stage.reach_one_of(&twice, Reading::AtOnce).await;
        assert!(matches!(refused, Err(Unconnected::Refused { .. })));
    }

    #[test]
    fn only_econnrefused_is_a_refusal_and_a_reset_is_a_connection_that_was_thrown_away() {
        let why = |errno: Errno| unconnected(&errno.into(), Instant::now());
        assert!(matches!(
            why(Errno::CONNREFUSED),
            Unconnected::Refused { .. }
        ));
        assert!(matches!(why(Errno::CONNRESET), Unconnected::Cut { .. }));
        assert!(matches!(why(Errno::TIMEDOUT), Unconnected::Unanswered(_)));
        assert!(matches!(
            why(Errno::HOSTUNREACH),
            Unconnected::Unanswered(_)
        ));
    }
}
