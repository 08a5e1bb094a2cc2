//! What the server says to a gRPC client in its own name, in the client's protocol.
//!
//! # What must hold
//!
//! 1. A gRPC call ends with a status of gRPC whatever happens to it: a client that is told `503` or
//!    has its stream reset guesses one, and the guess (`UNKNOWN`, `INTERNAL`) says nothing of a
//!    shutdown.
//! 2. Calls of the web dialect (`application/grpc-web`) are HTTP requests like any other: their
//!    trailers are in the body, where only who makes the body can put them.
//!
//! After the protocol's own description, "gRPC over HTTP2": an answer without a message is
//! `200` and nothing but headers ("Trailers-Only").

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};

/// How a request is to be spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Http10,
    Http1,
    Http2,
    Grpc,
}

impl Dialect {
    #[inline]
    pub(crate) fn of<B>(request: &Request<B>) -> Dialect {
        match request.version() {
            Version::HTTP_11 => Dialect::Http1,
            version if version < Version::HTTP_11 => Dialect::Http10,
            _ if is_grpc(request.headers()) => Dialect::Grpc,
            _ => Dialect::Http2,
        }
    }
}

impl Dialect {
    /// Whether a request is alone on its connection, and lives in its task.
    #[inline]
    pub(crate) fn is_http1(self) -> bool {
        matches!(self, Dialect::Http10 | Dialect::Http1)
    }
}

/// `application/grpc`, alone or with a codec (`+proto`) or a parameter (`;charset=…`) after it.
fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let rest = kind.and_then(|kind| kind.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// A status that the server itself may give to a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ServerStatus {
    /// 13: the handler panicked or failed.
    Internal,
    /// 14: not done in time. Says when to come back, as `Retry-After` does.
    Unavailable,
}

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

impl ServerStatus {
    /// The whole answer to a call that has none yet.
    pub(crate) fn answer(self) -> Response<&'static str> {
        let mut response = Response::new("");
        *response.headers_mut() = self.trailers();
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        response
    }

    /// The end of an answer that has begun.
    pub(crate) fn trailers(self) -> HeaderMap {
        let (code, message) = match self {
            ServerStatus::Internal => ("13", "internal server error"),
            ServerStatus::Unavailable => ("14", "the server is shutting down"),
        };
        let mut trailers = HeaderMap::with_capacity(4);
        trailers.insert(GRPC_STATUS, HeaderValue::from_static(code));
        trailers.insert(GRPC_MESSAGE, HeaderValue::from_static(message));
        if matches!(self, ServerStatus::Unavailable) {
            trailers.insert(PUSHBACK, HeaderValue::from_static("1000"));
        }
        trailers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(version: Version, content_type: &str) -> Dialect {
        let request = Request::post("/")
            .version(version)
            .header(CONTENT_TYPE, content_type);
        Dialect::of(&request.body(()).unwrap())
    }

    #[test]
    fn calls_are_known_by_their_content_type_and_web_calls_are_not_among_them() {
        for call in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc;charset=utf-8",
        ] {
            assert_eq!(dialect(Version::HTTP_2, call), Dialect::Grpc, "{call}");
            assert_eq!(dialect(Version::HTTP_11, call), Dialect::Http1, "{call}");
        }
        for other in [
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/json",
            "",
        ] {
            assert_eq!(dialect(Version::HTTP_2, other), Dialect::Http2, "{other}");
        }
    }
}
