//! How a request's handler finds the shutdown that it is part of: in the request's extensions, or,
//! without any there, the one of the process.
//!
//! An extension costs each request more than its place in the ledger does. So our server leaves it
//! out where it would say nothing new: when it serves for the lifecycle that owns the process.

use std::sync::Arc;

use http::Extensions;

use crate::connection::conn::Conn;
use crate::connection::connection_info::ConnectionInfo;
use lameduck_core::Handle;

/// The handle, by way of the request's connection. A handle of its own for each request would be
/// counted on a cache line that all threads write.
#[derive(Clone)]
pub(crate) struct OfConnection(pub(crate) Arc<Conn>);

/// The handle that our server or our layer has left in a request, or the one of the process.
pub(crate) fn handle_of(extensions: &Extensions) -> Option<&Handle> {
    let info = || extensions.get::<ConnectionInfo>().map(|it| it.0.handle());
    let ours = extensions.get::<OfConnection>();
    ours.map(|it| it.0.handle())
        .or_else(info)
        .or_else(|| extensions.get::<Handle>())
        .or(Handle::of_the_process())
}

/// Marks an upgrade that has an entry of its own in the ledger already.
#[derive(Clone, Copy)]
pub(crate) struct Accounted;
