#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod connection;
mod queue;

pub use connection::{LapinConnection, connection};
pub use queue::RabbitMq;
