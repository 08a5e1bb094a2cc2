#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod client;
mod jetstream;

pub use client::{NatsClient, client};
pub use jetstream::JetStream;
