//! Clients that place orders: one after the other, with pauses, on a connection that is kept.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::RngExt;

use super::keep_alive::once;
use super::notebook::Client;
use super::stage::Stage;
use crate::request::RequestTemplate;

/// The longest pause. Each order is a job for the target: it must keep up, or its queue would only grow.
const LONGEST_THOUGHT: Duration = Duration::from_millis(200);

pub(crate) async fn run(stage: Stage, client: Client, requests: Vec<RequestTemplate>) {
    let mut random = stage.random(client);
    let made = stage.warm_counter();
    let mut connection = None;
    let mut number = 0;
    while !stage.is_over() {
        number += 1;
        let request = &requests[random.random_range(0..requests.len())];
        let request = stage.order(request, client, number);
        connection = once(&stage, client, number, &request, connection).await;
        made.fetch_add(1, Ordering::Relaxed);
        let thought = random.random_range(0..=LONGEST_THOUGHT.as_micros() as u64);
        stage.sleep(Duration::from_micros(thought)).await;
    }
}
