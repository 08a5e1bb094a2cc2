//! Clients that hold an event stream open, over HTTP/1.1 or HTTP/2. One that ends before the signal is opened anew, as
//! an EventSource does; after the signal nobody comes back, unless it is that of an episode.

use std::time::{Duration, Instant};

use rand::RngExt;
use tokio::task::JoinSet;

use super::attempt::Attempt;
use super::h2;
use super::http1::Http1;
use super::notebook::Client;
use super::stage::Stage;
use crate::ledger::Lane;
use crate::request::RequestTemplate;

pub(crate) async fn run(stage: Stage, client: Client, request: RequestTemplate) {
    let mut random = stage.random(client);
    let mut number = 0;
    while stage.may_open() {
        stage
            .sleep(Duration::from_millis(random.random_range(5..50)))
            .await;
        number += 1;
        let mut attempt = Attempt::begin(stage.notebook(), client, number, &request);
        attempt.events = Some(Box::default());
        attempt.goes_on = stage.is_episode();
        match client.lane {
            Lane::EventsH2 => over_h2(&stage, client, attempt, &request).await,
            _ => over_http1(&stage, client, attempt, &request).await,
        }
    }
}

async fn over_http1(
    stage: &Stage,
    client: Client,
    mut attempt: Attempt,
    request: &RequestTemplate,
) {
    let mut connection = match stage.connect(client).await {
        Ok(link) => Http1::new(link),
        Err(why) => return attempt.unconnected(why),
    };
    // Established, it was to be served: a failed write is followed up like any other loss.
    drop(connection.write(&request.head(stage.origin())).await);
    attempt.written = Some(Instant::now());
    let answer = connection.answer(&mut attempt, false, request.method());
    // Dropped when the prover stops waiting, it is entered as one that did not end.
    if let Some(result) = stage.unless_over(answer).await {
        attempt.finish(result);
    }
}

async fn over_h2(stage: &Stage, client: Client, attempt: Attempt, request: &RequestTemplate) {
    let link = match stage.connect_h2(client).await {
        Ok(link) => link,
        Err(why) => return attempt.unconnected(why),
    };
    let mut connection = JoinSet::new();
    let Some(mut sender) = h2::shake_hands(link, &mut connection).await else {
        return attempt.forget();
    };
    stage
        .unless_over(h2::exchange(&mut sender, attempt, request, stage))
        .await;
    drop(sender);
    // Without a stream the client closes it.
    h2::over(connection).await;
}
