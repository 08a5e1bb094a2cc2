//! What the crates of lameduck share beside what everybody may use. It changes with any version: nobody else is to
//! rely on it.

pub use crate::base::bounded::catch_panic;
pub use crate::base::clock::{self, Millis};
pub use crate::base::text::{panic_text, with_causes};
pub use crate::base::{BoxFuture, jitter, latch::Latch};
pub use crate::component::close::off_runtime::off_runtime;
pub use crate::environment::address;
pub use crate::readiness::{Check, CheckOutcome};
pub use crate::report::{details, redact};
pub use crate::shutdown::reason::Reason;
pub use crate::shutdown::traffic;
pub use crate::system::sys::look_at;
pub use crate::voice;
