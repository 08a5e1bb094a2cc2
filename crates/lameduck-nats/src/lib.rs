//! Jobs in NATS JetStream, and the end of an [`async-nats`](https://docs.rs/async-nats) client, for
//! [lameduck](https://docs.rs/lameduck).

mod client;
mod jetstream;

pub use client::{NatsClient, client};
pub use jetstream::JetStream;
