//! Connection-per-request clients: connect, ask, read, close, at a constant rate.
//!
//! # What must hold
//! - Arrivals do not wait for answers: a target that slows down has as much to do as before, and none of its waiting
//!   stays out of the account. When each should have begun is noted.
//! - The rate is one that the target had answered before: as fast as it answers these clients one by one.

use std::time::{Duration, Instant};

use rand::RngExt;
use tokio::task::JoinSet;

use super::attempt::Attempt;
use super::keep_alive::{once, send};
use super::notebook::Client;
use super::stage::Stage;
use crate::plan::Arrivals;
use crate::request::RequestTemplate;

/// How long the clients ask one by one, to learn how fast the target answers.
const TRIAL: Duration = Duration::from_millis(300);
/// Each client begins no more often than this.
const SHORTEST: Duration = Duration::from_millis(20);
/// Requests of one client at once, at most: with more the prover would run out of descriptors.
const AT_ONCE: usize = 48;

pub(crate) async fn run(
    stage: Stage,
    client: Client,
    requests: Vec<RequestTemplate>,
    arrivals: Arrivals,
) {
    let mut random = stage.random(client);
    let mut number = 0;
    let mut next = |random: &mut rand::rngs::StdRng| {
        number += 1;
        let request = requests[random.random_range(0..requests.len())].clone();
        (number, request)
    };
    let mut took = Vec::new();
    let began = Instant::now();
    let one_by_one = arrivals == Arrivals::OneByOne;
    while !stage.is_over() && (one_by_one || began.elapsed() < TRIAL || took.is_empty()) {
        let (number, request) = next(&mut random);
        let asked = Instant::now();
        let goes_on = once(&stage, client, number, &request, None).await.is_some();
        match one_by_one {
            false => took.push(asked.elapsed()),
            // A refusal comes at once: without a pause the loop would only heat the machine.
            true if !goes_on => {
                let pause = Duration::from_millis(random.random_range(1..10));
                stage.sleep(pause).await;
            }
            true => {}
        }
    }
    took.sort_unstable();
    let median = took.get(took.len() / 2).copied().unwrap_or_default();
    let interval = median.max(SHORTEST);
    let mut due = Instant::now() + interval.mul_f64(random.random::<f64>());
    let mut under_way = JoinSet::new();
    while !stage.is_over() {
        stage.sleep_until(due).await;
        while under_way.try_join_next().is_some() {}
        if stage.is_over() {
            break;
        }
        let (number, request) = next(&mut random);
        if under_way.len() < AT_ONCE {
            let mut attempt = Attempt::begin(stage.notebook(), client, number, &request);
            attempt.intended = Some(due);
            let stage = stage.clone();
            under_way.spawn(async move { _ = send(&stage, client, attempt, &request, None).await });
        } else {
            stage
                .notebook()
                .shortage("too many connections at once, so some were not begun");
        }
        due += interval;
    }
    while under_way.join_next().await.is_some() {}
}
