//! Clients that share a pool, as those of most libraries do.
//!
//! A pool holds as many connections as were ever needed at once, and so more than are needed now. Those that it
//! takes up last do nothing for as long as the others are there, and then, when a server that is shutting down
//! has answered on these with `Connection: close`, they are taken up one after the other within moments. How
//! long a connection has been quiet before the signal says nothing about that.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::RngExt;

use super::http1::Http1;
use super::keep_alive::once;
use super::notebook::Client;
use super::stage::Stage;
use crate::ledger::Lane;
use crate::request::RequestTemplate;

/// The longest pause of a client.
const LONGEST_THOUGHT: Duration = Duration::from_millis(200);
/// One request in so many places an order, if there is one to place: each is a job for the target.
const ORDERS: u32 = 8;

/// The connections that nobody is using. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pool {
    spare: Arc<Mutex<VecDeque<Http1>>>,
    takes: Takes,
}

/// Which connection a pool gives away first.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Takes {
    /// The one that came back last, as most do: the others stay spare.
    Newest,
    /// The one that has been spare for longest: each has its turn.
    Oldest,
}

impl Pool {
    pub(crate) fn new(takes: Takes) -> Self {
        Self {
            spare: Arc::default(),
            takes,
        }
    }

    fn spare(&self) -> MutexGuard<'_, VecDeque<Http1>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next that seems open. Those that are not are thrown away.
    fn take(&self) -> Option<Http1> {
        let mut spare = self.spare();
        loop {
            let mut next = match self.takes {
                Takes::Newest => spare.pop_back(),
                Takes::Oldest => spare.pop_front(),
            }?;
            if next.is_open() {
                return Some(next);
            }
        }
    }

    fn give_back(&self, connection: Http1) {
        self.spare().push_back(connection);
    }
}

/// What the clients ask.
#[derive(Clone)]
pub(crate) struct PoolScript {
    pub(crate) get: Vec<RequestTemplate>,
    pub(crate) post: Vec<RequestTemplate>,
}

pub(crate) async fn run(
    stage: Stage,
    client: Client,
    script: PoolScript,
    pool: Pool,
    think: Option<Duration>,
) {
    let longest = think.unwrap_or(LONGEST_THOUGHT);
    let mut random = stage.random(client);
    let made = stage.warm_counter();
    // Its orders are orders like others; their numbers are behind those of all that only place orders.
    let orders = Client {
        lane: Lane::Order,
        number: 1000 + client.number,
    };
    let mut number = 0;
    while !stage.is_over() {
        number += 1;
        let (client, requests) = match random.random_ratio(1, ORDERS) && !script.post.is_empty() {
            true => (orders, &script.post),
            false => (client, &script.get),
        };
        let request = &requests[random.random_range(0..requests.len())];
        let order;
        let request = match client.lane {
            Lane::Order => {
                order = stage.order(request, client, number);
                &order
            }
            _ => request,
        };
        // All begin at once, so that the pool has a connection for each of them.
        let kept = pool.take();
        let connection = once(&stage, client, number, request, kept).await;
        let goes_on = connection.is_some();
        if let Some(connection) = connection {
            pool.give_back(connection);
        }
        made.fetch_add(1, Ordering::Relaxed);
        stage.think(&mut random, longest, goes_on).await;
    }
}
