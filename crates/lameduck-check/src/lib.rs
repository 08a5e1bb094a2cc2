//! Puts any server, in any language, under strict load, stops it, and accounts for every request.
//!
//! This is the prover behind `lameduck check`. A [`Plan`] names a command, what to ask it, and how to stop it;
//! [`run`] starts the command round after round, sends the signal in the middle of the load, follows every wholly
//! written request to its end, and gives a verdict on each promise of a graceful shutdown, with evidence.
//!
//! ```no_run
//! use lameduck_check::{Endpoint, Plan, RequestTemplate, Silent, report, run};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut plan = Plan::new(Endpoint::parse("http://127.0.0.1:8080")?, ["./server", "--port", "8080"]);
//! plan.get.push(RequestTemplate::get("/work?ms=20"));
//! let outcome = run(&plan, &Silent).await?;
//! println!("{}", report::table(&outcome, report::Look::PLAIN));
//! # Ok(())
//! # }
//! ```
//!
//! What counts as lost: a request that was wholly written on an open connection and got no whole response. A
//! connection refused is honest and no loss. Before a client reuses a connection it looks for a FIN that has
//! already arrived, as real pools do.
//!
//! Rooms, from the ground up: [`wire`] (a connection with distance in it), `target` (the process), `load` (the
//! clients, one file per kind), [`books`] (the target's own account of its orders), [`database`] (its sessions, as
//! the database sees them), [`ledger`] (what was seen), `promise` (one file per promise), [`Verdict`], [`report`].

pub mod books;
pub mod database;
mod endpoint;
mod error;
pub mod ledger;
mod load;
mod observer;
mod plan;
mod promise;
pub mod report;
mod request;
mod round;
mod run;
mod settings;
mod target;
mod verdict;
pub mod wire;

pub use books::{Books, BooksError};
pub use database::DatabaseError;
pub use endpoint::{Endpoint, EndpointError};
pub use error::CheckError;
pub use ledger::Ledger;
pub use observer::{Event, Observer, Silent};
pub use plan::{Clients, Plan};
pub use request::RequestTemplate;
pub use run::{Outcome, run};
pub use settings::{Settings, SettingsError};
pub use target::{Exit, StopSignal, TargetError};
pub use verdict::{Evidence, Judgement, Verdict, upper_bound_95};
pub use wire::Trust;
