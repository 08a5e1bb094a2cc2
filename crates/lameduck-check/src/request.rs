//! What a client asks, again and again.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

/// The header with a request's own id (draft-ietf-httpapi-idempotency-key-header).
const ID: &str = "idempotency-key";
/// Where a body wants it.
const PLACE: &str = "{id}";

/// A request that a load sends; cheap to clone.
///
/// ```
/// use lameduck_check::RequestTemplate;
///
/// let order = RequestTemplate::post("/orders", r#"{"item":"pen","quantity":1}"#)
///     .header("content-type", "application/json")
///     .keep_response(true);
/// assert_eq!(order.path(), "/orders");
/// ```
#[derive(Clone, Debug)]
pub struct RequestTemplate(Arc<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    keep_response: bool,
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
            headers: Vec::new(),
            body: body.into(),
            keep_response: false,
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
        Arc::make_mut(&mut self.0)
            .headers
            .push((name.into(), value.into()));
        self
    }

    /// Whether the ledger keeps the bodies of whole responses (default: no).
    #[must_use]
    pub fn keep_response(mut self, keep: bool) -> Self {
        Arc::make_mut(&mut self.0).keep_response = keep;
        self
    }

    /// The same request with an id of its own: in place of `{id}` in its body, and as its `Idempotency-Key`.
    pub(crate) fn with_id(&self, id: &str) -> Self {
        let mut request = self.clone().header(ID, id).keep_response(true);
        let parts = Arc::make_mut(&mut request.0);
        if let Ok(text) = std::str::from_utf8(&parts.body)
            && text.contains(PLACE)
        {
            parts.body = text.replace(PLACE, id).into();
        }
        request
    }

    /// The id of [`with_id`](Self::with_id).
    pub(crate) fn id(&self) -> Option<&str> {
        let mut headers = self.0.headers.iter().rev();
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
        &self.0.headers
    }

    /// The body, empty when there is none.
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }

    /// Whether the ledger keeps the bodies of whole responses.
    pub fn keeps_response(&self) -> bool {
        self.0.keep_response
    }

    /// The head as HTTP/1.1 writes it.
    pub(crate) fn head(&self, authority: &str) -> Bytes {
        let parts = &*self.0;
        let mut head = BytesMut::with_capacity(128);
        head.put_slice(
            format!(
                "{} {} HTTP/1.1\r\nhost: {authority}\r\n",
                parts.method, parts.path
            )
            .as_bytes(),
        );
        if !parts.body.is_empty() || !matches!(parts.method.as_str(), "GET" | "HEAD" | "DELETE") {
            head.put_slice(format!("content-length: {}\r\n", parts.body.len()).as_bytes());
        }
        for (name, value) in &parts.headers {
            head.put_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        head.put_slice(b"\r\n");
        head.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_is_written_with_its_length_and_headers() {
        let head = RequestTemplate::post("/orders", "{}")
            .header("x-id", "7")
            .head("host:1");
        assert_eq!(
            &head[..],
            b"POST /orders HTTP/1.1\r\nhost: host:1\r\ncontent-length: 2\r\nx-id: 7\r\n\r\n"
        );
    }

    #[test]
    fn a_get_says_no_length() {
        assert_eq!(
            &RequestTemplate::get("/").head("h")[..],
            b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"
        );
    }
}
