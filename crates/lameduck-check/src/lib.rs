#![doc = include_str!("../README.md")]
//!
//! Rooms, from the ground up: [`wire`] (a connection with distance in it), `target` (the process), `load` (the
//! clients, one file per kind), [`books`] (the target's own account of its orders), [`database`] (its sessions, as
//! the database sees them), [`ledger`] (what was seen in a round), `promise` (one file per promise), [`Verdict`], [`Rules`] (which
//! verdicts count), [`trace`] (what is kept of the rounds), [`report`].
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod books;
pub mod database;
pub mod discover;
mod endpoint;
mod error;
mod explain;
mod headers;
pub mod ledger;
mod load;
mod observer;
mod plan;
mod promise;
pub mod report;
mod request;
mod round;
mod rules;
mod run;
mod schedule;
mod settings;
mod target;
pub mod trace;
mod verdict;
pub mod wire;

pub use books::{Books, BooksError};
pub use database::DatabaseError;
pub use endpoint::{Endpoint, EndpointError};
pub use error::CheckError;
pub use explain::{Explanation, KnownFact, explain, promises};
pub use headers::Headers;
pub use ledger::Terms;
pub use observer::{Event, Observer, Silent};
pub use plan::{Arrivals, Clients, Pattern, Plan, ReadyWhen, Trigger};
pub use request::RequestTemplate;
pub use rules::{Rules, Ruling};
pub use run::{RunOutcome, run};
pub use settings::{
    CountOptions, Hidden, JobOptions, LoadOptions, ProbeOptions, RequestKind, RequestOptions,
    RequestTable, Settings, SettingsError, ShutdownOptions, TargetOptions, VerdictOptions,
};
pub use target::{
    Capabilities, Capability, Process, ProcessExit, StopSignal, TargetError, TreeEnd,
};
pub use verdict::{
    Class, ConnectionUse, Evidence, Judgement, Moment, Shutdowns, Verdict, upper_bound_95,
};
pub use wire::Trust;
