//! The extractor for axum.

use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

use super::upgrade_error::UpgradeError;
use super::websocket_upgrade::WebSocketUpgrade;

/// Takes the upgrade out of the request; whoever reads the body as well must do so after it.
impl<S: Sync, B> FromRequestParts<S> for WebSocketUpgrade<B> {
    type Rejection = UpgradeError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, UpgradeError> {
        WebSocketUpgrade::from_parts(parts)
    }
}

impl IntoResponse for UpgradeError {
    fn into_response(self) -> Response {
        UpgradeError::into_response(self)
    }
}
