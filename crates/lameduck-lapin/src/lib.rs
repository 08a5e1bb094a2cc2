//! Jobs in RabbitMQ, and the end of a [`lapin`](https://docs.rs/lapin) connection, for
//! [lameduck](https://docs.rs/lameduck).

mod connection;
mod queue;

pub use connection::{LapinConnection, connection};
pub use queue::RabbitMq;
