//! Our own server: the component, its settings, and a task for each connection.

pub(crate) mod component;
mod connection_server;
mod connection_task;
pub(crate) mod protocol;
pub(crate) mod service_source;
mod setting_problem;
