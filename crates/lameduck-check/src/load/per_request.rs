//! Connection-per-request clients: a closed loop of connect, ask, read, close.

use std::time::Duration;

use rand::RngExt;

use super::keep_alive::once;
use super::notebook::Client;
use super::stage::Stage;
use crate::request::RequestTemplate;

pub(crate) async fn run(stage: Stage, client: Client, requests: Vec<RequestTemplate>) {
    let mut random = stage.random(client);
    let mut number = 0;
    while !stage.is_over() {
        number += 1;
        let request = &requests[random.random_range(0..requests.len())];
        let was_refused = once(&stage, client, number, request, None).await.is_none();
        if was_refused {
            // A refusal comes at once: without a pause the loop would only heat the machine.
            stage
                .sleep(Duration::from_micros(random.random_range(1_000..10_000)))
                .await;
        }
    }
}
