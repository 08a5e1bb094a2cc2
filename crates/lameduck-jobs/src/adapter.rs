//! What adapters for queues are made of, beside [`Queue`](crate::Queue).

pub use crate::held::lease_clock::LeaseInstant;
pub use crate::queue::contract::answers;
pub use crate::queue::polling::{self, PollInterval};
