//! The promises, kept by real processes: `examples/misbehaving` is started, put into the situation
//! that a promise is about, and stopped. Each test is named after the promise that it guards.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

mod certificates;
mod client;
mod in_process;
mod service;
mod socket;

mod accept;
mod addresses;
mod bodies;
mod bounds;
mod client_certificates;
mod connection_info;
mod connection_lifetime;
mod descriptors;
mod environment;
mod events;
mod failures;
mod gone;
mod grpc;
mod half_closed;
mod harness;
mod http1;
mod http2;
mod http_settings;
mod idle;
mod inherited;
mod lame_duck;
mod names;
mod other_servers;
mod own_port;
mod proxy_protocol;
mod report_file;
mod signals;
mod signals_hooked;
mod signals_inherited;
mod startup;
mod status_page;
mod streams;
mod stuck;
mod systemd;
mod terminal;
mod tls;
mod tls_handshake;
mod unix_paths;
mod unread;
mod upgrade;
mod websockets;
mod websockets_misbehaving;
mod websockets_paced;
