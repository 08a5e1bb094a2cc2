//! The kinds of entries that the report treats in a way of their own.

/// A request, from its head until its response is gone.
pub const REQUEST: &str = "request";

/// What a request is counted as at its end whose client went away before it had its whole response.
pub const CLIENT_GONE: &str = "request (client gone)";

/// What a WebSocket is counted as at its end whose peer was given up because it answered no ping.
pub const WEBSOCKET_GONE: &str = "websocket (client gone)";

/// The same as [`CLIENT_GONE`] for a request whose response broke by a fault of the application's.
pub const BROKEN: &str = "request (broken)";

/// A job from its start until it is settled.
pub const JOB: &str = "job";

/// What is left to do about jobs that have not started: waiting for those that are being taken, giving
/// back, unsubscribing. Its end is nobody's work.
pub const INTAKE: &str = "job intake";

/// A closer while it runs.
pub const CLOSER: &str = "closer";

/// A background task of the application's.
pub const TASK: &str = "task";

/// A component that is in the ledger with nothing, and has not ended.
pub const COMPONENT: &str = "component";

/// The kinds that say that somebody went away, and what each of them was before.
pub(crate) const GONE: [(&str, &str); 2] = [(CLIENT_GONE, REQUEST), (WEBSOCKET_GONE, "websocket")];

/// What is only counted, where each figure needs a kind.
pub const UNNAMED: &str = "unnamed";

/// What it was while it was in flight that is counted under `kind` at its end.
pub(crate) fn before_its_end(kind: &'static str) -> &'static str {
    let ends = GONE.iter().chain(&[(BROKEN, REQUEST)]);
    let mut before = ends.filter(|(end, _)| *end == kind);
    before.next().map_or(kind, |(_, before)| *before)
}

/// Whether nothing is ever in flight under it: it only says how something ended that did not end as it should.
pub fn is_an_end(kind: &str) -> bool {
    [CLIENT_GONE, WEBSOCKET_GONE, BROKEN].contains(&kind)
}

/// Whether its owner writes down what becomes of it when the time for draining is over.
pub(crate) fn is_written_down_by_its_owner(kind: &str) -> bool {
    [REQUEST, JOB, INTAKE].contains(&kind)
}
