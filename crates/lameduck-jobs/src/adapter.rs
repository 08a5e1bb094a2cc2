//! What adapters for queues are made of, beside [`Queue`](crate::Queue).

pub use crate::lease_clock::Moment;
pub use crate::pace::{self, Pace};
pub use crate::queue::answers;
