//! `/status` and `/`: the state of the process as JSON, and the same as a page for people.
//!
//! However much is in flight, an answer shows a bounded part of it, oldest first, and says how much
//! there is and where the rest is: `/status?offset=100&limit=500`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use lameduck_core::Handle;
use lameduck_core::Readiness;

/// The page, with a place for the status it begins with. It has no part on any other host.
const PAGE: &str = include_str!("page.html");
const PLACE: &str = "{{status}}";

#[derive(Serialize)]
pub(super) struct StatusPage<'a> {
    phase: &'static str,
    grace_ms: f64,
    time_left_ms: f64,
    reason: Option<String>,
    uptime_ms: f64,
    /// Part of what has a name, oldest first.
    in_flight: Vec<Item>,
    /// Where the next part is, if there is more.
    next: Option<String>,
    /// How many have a name.
    named: usize,
    /// How many are in flight beside those, without a name.
    unnamed: usize,
    in_flight_by_kind: BTreeMap<&'static str, u64>,
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

/// Which part of what is in flight is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StatusPart {
    offset: usize,
    limit: usize,
}

impl StatusPart {
    /// The oldest.
    pub const FIRST: StatusPart = StatusPart {
        offset: 0,
        limit: 100,
    };

    /// The most that one answer shows.
    const MOST: usize = 1000;

    /// As a query says it. What it says beside that is nothing to us.
    ///
    /// # Errors
    ///
    /// What is expected instead.
    pub fn of(query: Option<&str>) -> Result<StatusPart, String> {
        let mut part = StatusPart::FIRST;
        for pair in query.unwrap_or_default().split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let number = || {
                let parsed = value.parse();
                parsed.map_err(|_| format!("{pair}: expected a number, for example {key}=100"))
            };
            match key {
                "offset" => part.offset = number()?,
                "limit" => part.limit = number()?,
                _ => {}
            }
        }
        match part.limit {
            0 => Err("limit=0: expected at least 1".to_owned()),
            1..=StatusPart::MOST => Ok(part),
            more => Err(format!(
                "limit={more}: at most {} in one answer",
                StatusPart::MOST
            )),
        }
    }
}

/// The longest text of somebody else's in an answer, in characters.
const LONGEST: usize = 250;

fn capped(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl StatusPage<'_> {
    /// The state as of now.
    pub fn now<'a>(
        handle: &Handle,
        readiness: Option<&'a Readiness>,
        part: StatusPart,
    ) -> StatusPage<'a> {
        let page = handle.ledger().page(part.offset, part.limit);
        let unnamed = handle.ledger().len().saturating_sub(page.named);
        let in_flight = page.entries.iter().map(|entry| Item {
            kind: entry.kind,
            name: capped(&entry.name.to_string()),
            age_ms: milliseconds(entry.age),
        });
        let end = part.offset.saturating_add(part.limit);
        let next = (end < page.named).then(|| format!("/status?offset={end}&limit={}", part.limit));
        let ended = handle.ledger().ended();
        let checks = readiness.map(Readiness::latest).unwrap_or_default();
        let checks = checks.into_iter().map(|(name, outcome)| {
            let outcome = outcome.as_ref();
            CheckStatus {
                name,
                ok: outcome.map(|o| o.error.is_none()),
                ms: outcome.map(|o| milliseconds(o.took)),
                error: outcome.and_then(|o| o.error.as_deref()).map(capped),
            }
        });
        StatusPage {
            phase: handle.phase().name(),
            grace_ms: milliseconds(handle.budget().grace()),
            time_left_ms: milliseconds(handle.time_left()),
            reason: handle.reason().map(|reason| reason.to_string()),
            uptime_ms: milliseconds(handle.uptime()),
            in_flight: in_flight.collect(),
            next,
            named: page.named,
            unnamed,
            in_flight_by_kind: page.by_kind.into_iter().collect(),
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
