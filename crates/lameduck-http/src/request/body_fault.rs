//! A response's body that panics or ends with an error.
//!
//! # What must hold
//!
//! 1. Its client can see that it is not whole, and the report names it.
//! 2. One that ends with an error because its client went away is none of these. Many a body does, whose
//!    source is what the client sends. So before it is written down hyper is given another turn, in which
//!    it drops the body if the client is gone. In that turn it also sends what it has.

use std::panic::{AssertUnwindSafe, catch_unwind};

use lameduck_core::BoxError;
use lameduck_core::Handle;
use lameduck_core::inflight::Name;
use lameduck_core::inflight::kind::REQUEST;
use lameduck_core::internal::panic_text;
use lameduck_core::internal::with_causes;

/// Why a body is not whole. As an error it is without a source: what is in there may be the reset of
/// somebody else's stream, which hyper would take for the reason of ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyFault {
    #[error("the body panicked: {0}")]
    Panic(String),
    #[error("the body ended with an error: {0}")]
    Error(String),
}

impl BodyFault {
    /// With what it says of its causes.
    pub(crate) fn of(error: &BoxError) -> BodyFault {
        BodyFault::Error(with_causes(&**error))
    }

    /// Writes down a panic, which is a fault of the application's whatever the client does.
    pub(crate) fn tell_panic(&self, handle: &Handle, name: impl FnOnce() -> Option<Name>) {
        if let (BodyFault::Panic(message), Some(name)) = (self, name()) {
            handle.journal().panicked(REQUEST, name, message);
        }
    }

    /// Writes down an error, once it is known that the client is there.
    pub(crate) fn tell_error(&self, handle: &Handle, name: Name) {
        if let BodyFault::Error(error) = self {
            handle.journal().broke(REQUEST, name, error);
        }
    }
}

/// Runs what belongs to the application, and catches its panic. What it comes to is written in place by
/// the closure: a frame is large.
#[inline]
pub(crate) fn guarded(run: impl FnOnce()) -> Result<(), BodyFault> {
    let caught = catch_unwind(AssertUnwindSafe(run));
    caught.map_err(|panic| BodyFault::Panic(panic_text(&*panic).to_owned()))
}
