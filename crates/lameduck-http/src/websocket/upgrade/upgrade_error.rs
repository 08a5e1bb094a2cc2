//! Why a request is not the beginning of a WebSocket, and what to answer it.

use http::header::{ALLOW, CONNECTION, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderName, HeaderValue, Response, StatusCode};

/// Why a request is not the beginning of a WebSocket (RFC 6455, 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// Not a `GET`. Answered 405.
    #[error("a WebSocket begins with a GET request")]
    NotGet,
    /// No `Upgrade: websocket` and `Connection: upgrade`. Answered 426.
    #[error("here is a WebSocket: expected `Connection: upgrade` and `Upgrade: websocket`")]
    NotAnUpgrade,
    /// A version other than 13. Answered 426.
    #[error("expected `Sec-WebSocket-Version: 13`")]
    WrongVersion,
    /// No `Sec-WebSocket-Key`. Answered 400.
    #[error("expected a header `Sec-WebSocket-Key`")]
    NoKey,
    /// The connection cannot be upgraded: it is not HTTP/1.1, or the server does not support it, or
    /// somebody else has the upgrade already. Answered 400.
    #[error(
        "this connection cannot become a WebSocket: that takes HTTP/1.1 and a server with upgrades"
    )]
    NotUpgradable,
    /// The request has passed neither a server of lameduck's nor a `TrackLayer`, which put the
    /// handle into it. Answered 500.
    #[error(
        "no lameduck::Handle in the request: serve with lameduck::Http, or put a TrackLayer round the service"
    )]
    NoHandle,
}

impl UpgradeError {
    fn status(self) -> StatusCode {
        match self {
            UpgradeError::NotGet => StatusCode::METHOD_NOT_ALLOWED,
            UpgradeError::NotAnUpgrade | UpgradeError::WrongVersion => StatusCode::UPGRADE_REQUIRED,
            UpgradeError::NoKey | UpgradeError::NotUpgradable => StatusCode::BAD_REQUEST,
            UpgradeError::NoHandle => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The answer to such a request; its body says what was expected.
    pub fn into_response<B: From<String>>(self) -> Response<B> {
        let mut response = Response::new(B::from(format!("{self}\n")));
        *response.status_mut() = self.status();
        let headers: &[(HeaderName, &'static str)] = match self {
            UpgradeError::NotGet => &[(ALLOW, "GET")],
            UpgradeError::NotAnUpgrade => &[(UPGRADE, "websocket"), (CONNECTION, "upgrade")],
            UpgradeError::WrongVersion => &[
                (UPGRADE, "websocket"),
                (CONNECTION, "upgrade"),
                (SEC_WEBSOCKET_VERSION, "13"),
            ],
            _ => &[],
        };
        for (name, value) in headers {
            let value = HeaderValue::from_static(value);
            response.headers_mut().insert(name, value);
        }
        response
    }
}
