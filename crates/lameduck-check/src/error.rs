//! Why a run came to no verdict.

use thiserror::Error;

use crate::books::BooksError;
use crate::database::DatabaseError;
use crate::target::TargetError;

/// Why a run came to no verdict. The command line shows these with exit 2.
#[derive(Debug, Error)]
pub enum CheckError {
    /// The target did not start, was never ready, or ended before its time.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The target turns down what the plan asks.
    #[error(
        "{request} was answered {status}: such a load tests nothing; name a request that the target serves"
    )]
    TurnedDown {
        /// Method and path.
        request: String,
        /// The status.
        status: u16,
    },
    /// The target has no such gRPC method.
    #[error(
        "{method} is UNIMPLEMENTED: name a gRPC method that the target serves, like shop.v1.Shop/GetOrder"
    )]
    Unimplemented {
        /// The path of the call.
        method: String,
    },
    /// Liveness failed before any signal.
    #[error(
        "--live {url} {seen} while the target was ready; name the probe that answers 200 as long as it lives"
    )]
    NotAlive {
        /// The probe.
        url: String,
        /// What it said.
        seen: String,
    },
    /// The target's books could not be read.
    #[error(transparent)]
    Books(#[from] BooksError),
    /// The target's database could not be watched.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The machine the prover runs on is short of something.
    #[error("{0}")]
    Local(String),
}
