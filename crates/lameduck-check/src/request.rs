//! What a client asks, again and again.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::{BufMut, Bytes, BytesMut};

use crate::endpoint::Endpoint;
use crate::headers::Headers;

/// The header with a request's own id (draft-ietf-httpapi-idempotency-key-header).
const ID: &str = "idempotency-key";
/// What the prover calls itself, where nothing else is set.
pub(crate) const USER_AGENT: (&str, &str) = (
    "user-agent",
    concat!("lameduck-check/", env!("CARGO_PKG_VERSION")),
);
/// Where a body wants it.
const PLACE: &str = "{id}";

/// A request that a load sends; cheap to clone. `Debug` shows neither the values of its headers nor its body, which may
/// be secrets.
///
/// ```
/// use lameduck_check::RequestTemplate;
///
/// let order = RequestTemplate::post("/orders", r#"{"item":"pen","quantity":1}"#)
///     .header("content-type", "application/json")
///     .keep_response(true);
/// assert_eq!(order.path(), "/orders");
/// ```
#[derive(Clone)]
pub struct RequestTemplate(Arc<Parts>);

#[derive(Clone)]
struct Parts {
    method: String,
    path: String,
    headers: Headers,
    body: Bytes,
    keep_response: bool,
    written: Written,
}

/// The request as HTTP/1.1 writes it, with the origin that it was first written for. Whoever asks thousands of times
/// writes the same thousands of times.
#[derive(Default)]
struct Written(OnceLock<(Endpoint, Bytes)>);

impl Clone for Written {
    /// A copy is about to be changed.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl RequestTemplate {
    /// A `GET` for a path that starts with `/`, with its query if it has one.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path, Bytes::new())
    }

    /// A `POST` with a body.
    pub fn post(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self::new("POST", path, body)
    }

    /// Any method, path and body. A body is sent with `Content-Length`; an empty one only says so for methods
    /// that expect a body.
    pub fn new(method: impl Into<String>, path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self(Arc::new(Parts {
            method: method.into(),
            path: path.into(),
            headers: Headers::default(),
            body: body.into(),
            keep_response: false,
            written: Written::default(),
        }))
    }

    /// A gRPC call with one message, as its bytes. `method` is written `package.Service/Method`.
    pub fn grpc(method: &str, message: &[u8]) -> Self {
        let mut body = BytesMut::with_capacity(message.len() + 5);
        body.put_u8(0);
        body.put_u32(message.len() as u32);
        body.put_slice(message);
        Self::post(format!("/{method}"), body.freeze())
            .header("content-type", "application/grpc")
            .header("te", "trailers")
    }

    /// Adds a header. `Host` and `Content-Length` are written by the client itself.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.changed().headers.push(name, value);
        self
    }

    /// Whether the ledger keeps the bodies of whole responses (default: no).
    #[must_use]
    pub fn keep_response(mut self, keep: bool) -> Self {
        self.changed().keep_response = keep;
        self
    }

    /// Its parts, to be changed: it will be written anew.
    fn changed(&mut self) -> &mut Parts {
        let parts = Arc::make_mut(&mut self.0);
        parts.written = Written::default();
        parts
    }

    /// The same request with an id of its own: in place of `{id}` in its body, and as its `Idempotency-Key`.
    pub(crate) fn with_id(&self, id: &str) -> Self {
        let mut request = self.clone().header(ID, id).keep_response(true);
        let parts = request.changed();
        if let Ok(text) = std::str::from_utf8(&parts.body)
            && text.contains(PLACE)
        {
            parts.body = text.replace(PLACE, id).into();
        }
        request
    }

    /// The id of [`with_id`](Self::with_id).
    pub(crate) fn id(&self) -> Option<&str> {
        let mut headers = self.headers().iter().rev();
        let (_, id) = headers.find(|(name, _)| name == ID)?;
        Some(id)
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.0.method
    }

    /// Path and query.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Headers added with [`header`](Self::header), in order.
    pub fn headers(&self) -> &[(String, String)] {
        self.0.headers.as_slice()
    }

    /// The body, empty when there is none.
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }

    /// Whether the ledger keeps the bodies of whole responses.
    pub fn keeps_response(&self) -> bool {
        self.0.keep_response
    }

    /// All its headers at an origin, but for `Host` and `Content-Length`: those that go with everything that is sent
    /// there and that it has not set itself, and its own.
    pub(crate) fn headers_at<'a>(
        &'a self,
        origin: &'a Endpoint,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let own = &self.0.headers;
        let (name, value) = USER_AGENT;
        let is_named = own.has(name) || origin.headers.has(name);
        let name = (!is_named).then_some((name, value));
        let shared = origin.headers.as_slice().iter();
        let shared = shared.filter(|(name, _)| !own.has(name));
        let set = shared.chain(own.as_slice());
        name.into_iter()
            .chain(set.map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// Head and body as HTTP/1.1 writes them.
    pub(crate) fn written(&self, origin: &Endpoint) -> Bytes {
        let write = || {
            let mut bytes = self.head(origin).to_vec();
            bytes.extend_from_slice(self.body());
            (origin.clone(), bytes.into())
        };
        let (of, bytes) = self.0.written.0.get_or_init(write);
        match of == origin {
            true => bytes.clone(),
            false => write().1,
        }
    }

    /// The head as HTTP/1.1 writes it.
    pub(crate) fn head(&self, origin: &Endpoint) -> Bytes {
        let parts = &*self.0;
        let mut head = BytesMut::with_capacity(256);
        for part in [&parts.method, " ", &parts.path, " HTTP/1.1\r\nhost: "] {
            head.put_slice(part.as_bytes());
        }
        head.put_slice(origin.authority.as_bytes());
        head.put_slice(b"\r\n");
        if !parts.body.is_empty() || !matches!(parts.method.as_str(), "GET" | "HEAD" | "DELETE") {
            head.put_slice(format!("content-length: {}\r\n", parts.body.len()).as_bytes());
        }
        for (name, value) in self.headers_at(origin) {
            for part in [name, ": ", value, "\r\n"] {
                head.put_slice(part.as_bytes());
            }
        }
        head.put_slice(b"\r\n");
        head.freeze()
    }
}

impl fmt::Debug for RequestTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestTemplate")
            .field("method", &self.0.method)
            .field("path", &self.0.path)
            .field("headers", &self.0.headers)
            .field("body_bytes", &self.0.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Endpoint {
        let mut origin = Endpoint::parse("http://127.0.0.1:1").unwrap();
        origin.headers.push("User-Agent", "test");
        origin
    }

    fn head(request: &RequestTemplate, origin: &Endpoint) -> String {
        String::from_utf8(request.head(origin).to_vec()).unwrap()
    }

    #[test]
    fn a_post_is_written_with_its_length_and_headers() {
        let request = RequestTemplate::post("/orders", "{}").header("x-id", "7");
        assert_eq!(
            head(&request, &origin()),
            "POST /orders HTTP/1.1\r\nhost: 127.0.0.1:1\r\ncontent-length: 2\r\nUser-Agent: test\r\nx-id: 7\r\n\r\n"
        );
    }

    #[test]
    fn what_is_written_is_that_of_the_request_as_it_is_now() {
        let order = RequestTemplate::post("/orders", "{id}");
        let written = |it: &RequestTemplate, authority: &str| {
            let mut origin = origin();
            origin.authority = authority.to_owned();
            String::from_utf8(it.written(&origin).to_vec()).unwrap()
        };
        assert!(
            written(&order, "a:1").ends_with("content-length: 4\r\nUser-Agent: test\r\n\r\n{id}")
        );
        assert!(written(&order, "b:1").contains("host: b:1"));
        assert!(written(&order.with_id("7"), "a:1").ends_with("idempotency-key: 7\r\n\r\n7"));
        assert!(written(&order.header("x-y", "z"), "a:1").contains("x-y: z"));
    }

    #[test]
    fn a_get_says_no_length_and_who_asks() {
        let head = head(
            &RequestTemplate::get("/"),
            &Endpoint::parse("http://127.0.0.1:1").unwrap(),
        );
        let (name, value) = USER_AGENT;
        assert_eq!(
            head,
            format!("GET / HTTP/1.1\r\nhost: 127.0.0.1:1\r\n{name}: {value}\r\n\r\n")
        );
    }

    #[test]
    fn what_a_request_sets_itself_wins_over_what_goes_with_everything() {
        let mut origin = origin();
        origin.headers.push("Accept", "text/html");
        origin.headers.push("Cookie", "a=b");
        let request = RequestTemplate::get("/events").header("accept", "text/event-stream");
        let head = head(&request, &origin);
        assert!(head.contains("Cookie: a=b") && !head.contains("text/html"));
    }

    #[test]
    fn debug_shows_no_value_and_no_body() {
        let request = RequestTemplate::post("/login", "s3cret").header("x-key", "s3cret");
        let shown = format!("{request:?}");
        assert!(
            shown.contains("x-key") && !shown.contains("s3cret"),
            "{shown}"
        );
    }
}
