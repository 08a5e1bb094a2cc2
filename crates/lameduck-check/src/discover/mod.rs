//! What a running server says of itself: the usual probes, an OpenAPI document, gRPC reflection, HTTP/2.
//!
//! # What must hold
//! Nothing is asked that could change anything: `GET` on usual paths and on those that a document lists without
//! parameters, and gRPC's own reflection service.

mod openapi;
mod protobuf;
mod reflection;

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::endpoint::Endpoint;
use crate::ledger::{Ending, Exchange, Lane};
use crate::load::attempt::Attempt;
use crate::load::notebook::Client;
use crate::load::stage::Stage;
use crate::load::{h2, keep_alive};
use crate::request::RequestTemplate;
use crate::wire::Wire;

pub use reflection::GrpcMethod;

/// Where probes usually are; the first of each kind that answers 200.
const HEALTH: [&str; 3] = ["/health", "/healthz", "/"];
const LIVE: [&str; 2] = ["/livez", "/live"];
const READY: [&str; 2] = ["/readyz", "/ready"];
/// Where OpenAPI documents usually are.
const DOCUMENTS: [&str; 3] = ["/openapi.json", "/swagger.json", "/v3/api-docs"];
/// An answer takes no longer.
const PATIENCE: Duration = Duration::from_secs(3);
/// What takes this long is slow: it will be in flight at the signal.
const SLOW: Duration = Duration::from_millis(400);
/// ListedRoutes of a document that are asked, at most.
const ROUTES: usize = 40;

/// What was found at a server.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// Paths that answered with success, and quickly.
    pub quick: Vec<String>,
    /// Paths that answered with success after 400 ms or more.
    pub slow: Vec<String>,
    /// Paths of event streams, as the document has them. They were not asked.
    pub events: Vec<String>,
    /// ListedRoutes of the document that were not asked, or gave no success, each with the reason.
    pub others: Vec<(String, String)>,
    /// The readiness probe's path.
    pub ready: Option<String>,
    /// The liveness probe's path.
    pub live: Option<String>,
    /// Where the OpenAPI document was.
    pub document: Option<String>,
    /// It speaks HTTP/2: in cleartext with prior knowledge, or over TLS.
    pub speaks_h2: bool,
    /// What gRPC reflection lists, without gRPC's own services.
    pub grpc: Vec<GrpcMethod>,
}

/// Asks a running server what there is to ask.
///
/// # Errors
/// When nobody answers there; with what was seen.
pub async fn discover(origin: &Endpoint) -> Result<Discovery, String> {
    let stage = Stage::new(Wire::default(), origin.clone(), 1);
    let mut found = Discovery::default();
    let seen = get(&stage, "/").await;
    found.speaks_h2 = speaks_h2(&stage).await;
    let speaks_http1 = seen.ending.is_answered();
    if !speaks_http1 && !found.speaks_h2 {
        return Err(format!("{} gave no answer: {}", origin.url(), seen.what()));
    }
    if found.speaks_h2 {
        found.grpc = reflection::methods(&stage).await;
    }
    if !speaks_http1 {
        return Ok(found);
    }
    found.live = first(&stage, &LIVE).await;
    found.ready = first(&stage, &READY).await;
    found.quick.extend(first(&stage, &HEALTH).await);
    for path in DOCUMENTS {
        let document = get(&stage, path).await;
        let body = document.body.as_deref().unwrap_or_default();
        if let Some(routes) = openapi::routes(body) {
            found.document = Some(path.to_owned());
            ask_each(&stage, routes, &mut found).await;
            break;
        }
    }
    Ok(found)
}

/// Asks what the document lists as free of parameters.
async fn ask_each(stage: &Stage, routes: openapi::ListedRoutes, found: &mut Discovery) {
    found.others = routes.others;
    // Paths of the file go behind the path of the URL, which the document may have too.
    let base = stage.origin().base();
    let behind = |path: String| match path.strip_prefix(base) {
        Some(rest) if rest.starts_with('/') => rest.to_owned(),
        _ => path,
    };
    found.events = routes.events.into_iter().map(behind).collect();
    for (number, path) in routes.gets.into_iter().map(behind).enumerate() {
        let is_known = [&found.live, &found.ready]
            .iter()
            .any(|probe| probe.as_ref() == Some(&path))
            || found.quick.contains(&path);
        if is_known {
            continue;
        }
        let other = |path: &str, why: String| (format!("GET {path}"), why);
        if number >= ROUTES {
            found.others.push(other(
                &path,
                format!("not asked: one of more than {ROUTES}"),
            ));
            continue;
        }
        let asked = Instant::now();
        let seen = get(stage, &path).await;
        match asked.elapsed() {
            _ if !is_success(&seen) => found.others.push(other(&path, seen.what().into_owned())),
            took if took >= SLOW => found.slow.push(path),
            _ => found.quick.push(path),
        }
    }
}

async fn first(stage: &Stage, paths: &[&str]) -> Option<String> {
    for path in paths {
        if is_success(&get(stage, path).await) {
            return Some((*path).to_owned());
        }
    }
    None
}

fn is_success(seen: &Exchange) -> bool {
    matches!(seen.status, Some(200..=299)) && matches!(seen.ending, Ending::Ok | Ending::OkClose)
}

/// One request over HTTP/1.1, on a connection of its own.
async fn get(stage: &Stage, path: &str) -> Exchange {
    let request =
        RequestTemplate::get(format!("{}{path}", stage.origin().base())).keep_response(true);
    let asked = keep_alive::once(stage, client(Lane::PerRequest), 1, &request, None);
    // Dropped, it is entered as one that was not answered.
    drop(tokio::time::timeout(PATIENCE, asked).await);
    only(stage, &request)
}

async fn speaks_h2(stage: &Stage) -> bool {
    let request = RequestTemplate::get(format!("{}/", stage.origin().base()));
    let ask = async {
        let Ok(link) = stage.connect_h2(client(Lane::H2)).await else {
            return;
        };
        let mut connection = JoinSet::new();
        if let Some(mut sender) = h2::shake_hands(link, &mut connection).await {
            let attempt = Attempt::begin(stage.notebook(), client(Lane::H2), 1, &request);
            h2::exchange(&mut sender, attempt, &request, stage).await;
        }
    };
    drop(tokio::time::timeout(PATIENCE, ask).await);
    only(stage, &request).ending.is_answered()
}

/// What came of the only request since the last look.
fn only(stage: &Stage, request: &RequestTemplate) -> Exchange {
    let seen = stage.notebook().take().ok();
    let last = seen.and_then(|(mut exchanges, _)| exchanges.pop());
    last.unwrap_or_else(|| {
        Attempt::begin(stage.notebook(), client(Lane::PerRequest), 1, request).unconnected(
            crate::load::stage::Unconnected::Unanswered("no connection".to_owned()),
        );
        match stage
            .notebook()
            .take()
            .ok()
            .and_then(|(mut all, _)| all.pop())
        {
            Some(exchange) => exchange,
            None => unreachable!("what was entered is there"),
        }
    })
}

fn client(lane: Lane) -> Client {
    Client { lane, number: 1 }
}
