#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod instruments;
mod provider;

pub use instruments::observe;
pub use provider::{OpenTelemetryProvider, Provider, provider};
