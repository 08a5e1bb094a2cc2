//! What axum's own extractors want of us, and one for axum of ours.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::extract::connect_info::Connected;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Extensions, StatusCode};

use super::connection_info::ConnectionInfo;

/// For axum's `ConnectInfo<SocketAddr>`. Of a client on a Unix socket, which has no such address, it is
/// `0.0.0.0:0`.
impl Connected<ConnectionInfo> for SocketAddr {
    fn connect_info(connection: ConnectionInfo) -> SocketAddr {
        let nobody = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        connection.peer_addr().unwrap_or(nobody)
    }
}

/// For axum's `ConnectInfo<ConnectionInfo>`.
impl Connected<ConnectionInfo> for ConnectionInfo {
    fn connect_info(connection: ConnectionInfo) -> ConnectionInfo {
        connection
    }
}

/// What the extractor `ConnectInfo<SocketAddr>` looks for.
pub(crate) fn insert_into(extensions: &mut Extensions, info: &ConnectionInfo) {
    if let Some(peer) = info.peer_addr() {
        extensions.insert(ConnectInfo(peer));
    }
}

/// Ours, or what axum has made of it.
pub(crate) fn find(extensions: &Extensions) -> Option<&ConnectionInfo> {
    let made = || extensions.get().map(|ConnectInfo(it)| it);
    ConnectionInfo::from_extensions(extensions).or_else(made)
}

/// There is no [`ConnectionInfo`] in the request.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "no connection info in the request: serve it by `Http::new(…).with_connection_info()`, or give `Http::new` an `app.into_make_service_with_connect_info::<ConnectionInfo>()`"
)]
pub struct NoConnectionInfo;

impl IntoResponse for NoConnectionInfo {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for ConnectionInfo {
    type Rejection = NoConnectionInfo;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NoConnectionInfo> {
        find(&parts.extensions).cloned().ok_or(NoConnectionInfo)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for ConnectionInfo {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(find(&parts.extensions).cloned())
    }
}
