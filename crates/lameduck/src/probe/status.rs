//! `/status` and `/`: the state of the process as JSON, and the same as a page for people.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::handle::Handle;
use crate::readiness::Readiness;

/// The kind of what is only counted, where each figure needs one.
pub(super) const UNNAMED: &str = "unnamed";

/// The page, with a place for the status it begins with. It has no part on any other host.
const PAGE: &str = include_str!("page.html");
const PLACE: &str = "{{status}}";

#[derive(Serialize)]
pub(super) struct Status<'a> {
    phase: &'static str,
    grace_ms: f64,
    time_left_ms: f64,
    reason: Option<String>,
    uptime_ms: f64,
    in_flight: Vec<Item>,
    /// In flight beside those, without a name.
    unnamed: usize,
    ended: BTreeMap<&'static str, u64>,
    checks: Vec<CheckStatus<'a>>,
}

#[derive(Serialize)]
struct Item {
    kind: &'static str,
    name: String,
    age_ms: f64,
}

/// How a check ended when it ran last; all `None` if it has not run yet.
#[derive(Serialize)]
struct CheckStatus<'a> {
    name: &'a str,
    ok: Option<bool>,
    ms: Option<f64>,
    error: Option<String>,
}

impl Status<'_> {
    /// The state as of now, of a process that started at `started`.
    pub fn now<'a>(handle: &Handle, readiness: &'a Readiness, started: Instant) -> Status<'a> {
        let named = handle.ledger().snapshot();
        let unnamed = handle.ledger().len().saturating_sub(named.len());
        let in_flight = named.iter().map(|entry| Item {
            kind: entry.kind,
            name: entry.name.to_string(),
            age_ms: milliseconds(entry.age),
        });
        let ended = handle.ledger().ended();
        let checks = readiness.latest().into_iter().map(|(name, outcome)| {
            let outcome = outcome.as_ref();
            CheckStatus {
                name,
                ok: outcome.map(|o| o.error.is_none()),
                ms: outcome.map(|o| milliseconds(o.took)),
                error: outcome.and_then(|o| o.error.clone()),
            }
        });
        Status {
            phase: handle.phase().name(),
            grace_ms: milliseconds(handle.budget().grace()),
            time_left_ms: milliseconds(handle.time_left()),
            reason: handle.reason().map(|reason| reason.to_string()),
            uptime_ms: milliseconds(started.elapsed()),
            in_flight: in_flight.collect(),
            unnamed,
            ended: ended.iter().map(|e| (e.kind, e.count)).collect(),
            checks: checks.collect(),
        }
    }

    /// One JSON object with a final newline.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let mut json = serde_json::to_string(self)?;
        json.push('\n');
        Ok(json)
    }

    /// The page that shows this status and keeps up with it.
    pub fn to_page(&self) -> Result<String, serde_json::Error> {
        Ok(PAGE.replacen(PLACE, &inside_script(&serde_json::to_string(self)?), 1))
    }
}

/// JSON that means the same but cannot end the `<script>` it stands in: names come from clients.
fn inside_script(json: &str) -> String {
    // In JSON these three only occur within strings, where an escape may stand for them.
    json.replace('&', "\\u0026")
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
}

fn milliseconds(d: Duration) -> f64 {
    (d.as_secs_f64() * 1e6).round() / 1e3
}
