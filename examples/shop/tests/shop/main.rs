//! The shop as a process: what it was trusted with is there when it is gone.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

mod clients;
mod service;
mod sockets;

mod faults;
mod grpc;
mod grpc_python;
mod orders;
mod receipts;
mod streams_and_flags;
