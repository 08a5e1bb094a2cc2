//! The primitives under [`phase`](crate::phase) and [`inflight`](crate::inflight), named once so
//! that the model checker can put its own in their place (`tests/model.rs`).

pub(crate) use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
pub(crate) use std::sync::{Arc, Mutex, MutexGuard};
