//! What every kind of target can do, as far as its [`Capabilities`] go.
//!
//! # What must hold
//! - A target that the prover has started ends with it; one that it has not started is never killed by it.
//! - Dropping a target that the prover has started ends it.

use std::time::Instant;

use futures_util::future::BoxFuture;

use super::capability::Capabilities;
use super::error::TargetError;
use super::exit::ProcessExit;
use super::signal::StopSignal;
use super::tree::Process;
use crate::plan::Plan;

/// Something that serves, and can be asked to stop.
pub(crate) trait Target: Send + Sync {
    /// What of it can be seen and done.
    fn capabilities(&self) -> Capabilities;

    /// When it was started, or found.
    fn started(&self) -> Instant;

    /// Waits until it is ready, as the plan says.
    fn ready<'a>(&'a mut self, plan: &'a Plan) -> BoxFuture<'a, Result<Instant, TargetError>>;

    /// Sends the signal to its main process alone, as orchestrators do. Fails when it has ended.
    fn signal(&mut self, signal: StopSignal) -> BoxFuture<'_, Result<Instant, TargetError>>;

    /// Its exit, when it has ended.
    fn ended(&self) -> Option<ProcessExit>;

    /// Waits for its end until `deadline`.
    fn wait_until(&mut self, deadline: Instant) -> BoxFuture<'_, Option<ProcessExit>>;

    /// Its time is up: ends it if it is ours to end, and returns how it ended, or that it did not.
    fn give_up(&mut self) -> BoxFuture<'_, ProcessExit>;

    /// Reads what is left of its output.
    fn drain(&mut self) -> BoxFuture<'_, ()>;

    /// What it wrote since a moment.
    fn said_since(&self, since: Instant) -> String;

    /// Ends what its main process has left behind, once that has ended; `None` if nobody can tell.
    fn clear_away(&mut self) -> BoxFuture<'_, Option<TreeEnd>>;
}

/// What became of a tree of processes.
#[derive(Clone, Debug)]
pub struct TreeEnd {
    /// When it was looked at, once the main process had ended.
    pub looked: Instant,
    /// What still ran then. It was killed.
    pub left: Vec<Process>,
    /// The process that got the signal, where the command itself had gone into the background.
    pub followed: Option<Process>,
    /// Whether the main process kept the signal from the server, in words, with what to do.
    pub wrapper: Option<String>,
}
