//! The opening handshake (RFC 6455, 4.2), by which a request becomes a WebSocket.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::time::Duration;

use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::socket_task::{Failed, SocketTask};
use super::upgrade_error::UpgradeError;
use crate::request::extension::Accounted;
use crate::request::extension::handle_of;
use crate::websocket::closing::pacer::sockets_of;
use crate::websocket::keepalive::Keepalive;
use crate::websocket::{WEBSOCKET, WebSocket, WebSocketError};
use lameduck_core::Handle;

/// What a socket reads at once: 8 KiB. The protocol crate's own default, 128 KiB, is held by every
/// socket from its first message on.
const READ_BUFFER: usize = 8 * 1024;

/// A request that may become a WebSocket. An extractor for axum (feature `axum`); without axum made
/// [from any request](WebSocketUpgrade::from_request) that hyper has parsed.
///
/// ```
/// # use lameduck_http::websocket::{WebSocket, WebSocketUpgrade};
/// # use http_body_util::Full;
/// # use hyper::{Request, Response, body::{Bytes, Incoming}};
/// async fn serve(mut request: Request<Incoming>) -> Response<Full<Bytes>> {
///     match WebSocketUpgrade::from_request(&mut request) {
///         Ok(upgrade) => upgrade.on_upgrade(|mut socket: WebSocket| async move {
///             while let Some(Ok(message)) = socket.recv().await {
///                 println!("{message:?}");
///             }
///         }),
///         Err(refusal) => refusal.into_response(),
///     }
/// }
/// ```
///
/// `B` is the body of the answer, which is empty: any with a default. For axum it is axum's own, which need not be
/// said; elsewhere the handler's signature says it.
#[must_use = "a request only becomes a WebSocket by `on_upgrade`"]
pub struct WebSocketUpgrade<
    #[cfg(feature = "axum")] B = axum_core::body::Body,
    #[cfg(not(feature = "axum"))] B,
> {
    upgrade: OnUpgrade,
    key: HeaderValue,
    handle: Handle,
    path: String,
    offered: Vec<HeaderValue>,
    protocol: Option<HeaderValue>,
    config: WebSocketConfig,
    last: bool,
    keepalive: Option<Keepalive>,
    failed: Option<Failed>,
    body: PhantomData<fn() -> B>,
}

impl<B> WebSocketUpgrade<B> {
    /// Looks whether `request` asks for a WebSocket, and takes the upgrade out of it.
    ///
    /// # Errors
    ///
    /// It does not; [`UpgradeError`] says why, and makes the answer.
    pub fn from_request<T>(request: &mut Request<T>) -> Result<Self, UpgradeError> {
        let handle = handle_of(request.extensions()).cloned();
        WebSocketUpgrade::with_handle(request, &handle.ok_or(UpgradeError::NoHandle)?)
    }

    /// The same with a handle of one's own, for a server through which none gets into the request
    /// (neither lameduck's own, nor one behind [`TrackLayer`](crate::TrackLayer)) in a process that no
    /// [`Lifecycle`](lameduck_core::Lifecycle::new) owns.
    ///
    /// # Errors
    ///
    /// As of [`from_request`](WebSocketUpgrade::from_request).
    pub fn with_handle<T>(request: &mut Request<T>, handle: &Handle) -> Result<Self, UpgradeError> {
        let path = request.uri().path().to_owned();
        let key = check(request.method(), request.headers())?.clone();
        let offered = offered(request.headers());
        WebSocketUpgrade::new(request.extensions_mut(), key, offered, path, handle)
    }

    #[cfg(feature = "axum")]
    pub(in crate::websocket) fn from_parts(
        parts: &mut http::request::Parts,
    ) -> Result<Self, UpgradeError> {
        let key = check(&parts.method, &parts.headers)?.clone();
        let handle = handle_of(&parts.extensions).cloned();
        let handle = handle.ok_or(UpgradeError::NoHandle)?;
        let (offered, path) = (offered(&parts.headers), parts.uri.path().to_owned());
        WebSocketUpgrade::new(&mut parts.extensions, key, offered, path, &handle)
    }

    fn new(
        extensions: &mut Extensions,
        key: HeaderValue,
        offered: Vec<HeaderValue>,
        path: String,
        handle: &Handle,
    ) -> Result<Self, UpgradeError> {
        let upgrade = extensions.remove::<OnUpgrade>();
        Ok(WebSocketUpgrade {
            upgrade: upgrade.ok_or(UpgradeError::NotUpgradable)?,
            key,
            handle: handle.clone(),
            path,
            offered,
            protocol: None,
            config: WebSocketConfig::default().read_buffer_size(READ_BUFFER),
            last: false,
            keepalive: None,
            failed: None,
            body: PhantomData,
        })
    }

    /// Agrees on the first of these subprotocols that the peer has offered; on none if there is no
    /// such (RFC 6455, 1.9).
    pub fn protocols<P: AsRef<str>>(mut self, known: impl IntoIterator<Item = P>) -> Self {
        self.protocol = known.into_iter().find_map(|known| {
            let offered = self.offered.iter();
            let same = |it: &&HeaderValue| it.as_bytes() == known.as_ref().as_bytes();
            offered.clone().find(same).cloned()
        });
        self
    }

    /// The subprotocols that the peer has offered.
    pub fn requested_protocols(&self) -> impl Iterator<Item = &HeaderValue> {
        self.offered.iter()
    }

    /// Agrees on this subprotocol. Some clients refuse one that they have not offered.
    pub fn set_selected_protocol(&mut self, protocol: HeaderValue) {
        self.protocol = Some(protocol);
    }

    /// The subprotocol that was agreed on.
    pub fn selected_protocol(&self) -> Option<&HeaderValue> {
        self.protocol.as_ref()
    }

    /// The longest message that is accepted, in bytes. Default: 64 MiB. A longer one ends the
    /// socket with 1009.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.config = self.config.max_message_size(Some(bytes));
        self
    }

    /// The longest frame that is accepted, in bytes. Default: 16 MiB.
    pub fn max_frame_size(mut self, bytes: usize) -> Self {
        self.config = self.config.max_frame_size(Some(bytes));
        self
    }

    /// How much to read at once, in bytes. Default: 8 KiB. Each socket holds this much memory;
    /// more is faster for those that receive a lot.
    pub fn read_buffer_size(mut self, bytes: usize) -> Self {
        self.config = self.config.read_buffer_size(bytes);
        self
    }

    /// How much is gathered before it goes to the kernel without a flush, in bytes. Default: 128 KiB.
    pub fn write_buffer_size(mut self, bytes: usize) -> Self {
        self.config = self.config.write_buffer_size(bytes);
        self
    }

    /// How much may wait for a peer that does not take it, in bytes; a message beyond is an error, and the end of the
    /// socket. More than [`write_buffer_size`](WebSocketUpgrade::write_buffer_size) and one message. Default: any.
    pub fn max_write_buffer_size(mut self, bytes: usize) -> Self {
        self.config = self.config.max_write_buffer_size(bytes);
        self
    }

    /// Takes frames without a mask too, against RFC 6455, 5.1. Default: no.
    pub fn accept_unmasked_frames(mut self, accept: bool) -> Self {
        self.config = self.config.accept_unmasked_frames(accept);
        self
    }

    /// As [`WebSockets::ping_interval`](crate::websocket::WebSockets::ping_interval), which is the default, for this socket.
    pub fn ping_interval(mut self, interval: Duration) -> Self {
        self.keepalive().interval = interval;
        self
    }

    /// As [`WebSockets::ping_timeout`](crate::websocket::WebSockets::ping_timeout), which is the default, for this socket.
    pub fn ping_timeout(mut self, timeout: Duration) -> Self {
        self.keepalive().timeout = timeout;
        self
    }

    /// As [`WebSockets::idle_timeout`](crate::websocket::WebSockets::idle_timeout), which is the default, for this socket.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.keepalive().idle = timeout;
        self
    }

    fn keepalive(&mut self) -> &mut Keepalive {
        let settings = || sockets_of(&self.handle).settings().keepalive;
        self.keepalive.get_or_insert_with(settings)
    }

    /// What to do if the connection ends before it is a WebSocket. Default: a line in the log, at `DEBUG`.
    pub fn on_failed_upgrade(
        mut self,
        failed: impl FnOnce(WebSocketError) + Send + 'static,
    ) -> Self {
        self.failed = Some(Box::new(failed));
        self
    }

    /// Has the socket sent away after all others that did not ask for this: once they have gone, or
    /// have had their time to. For what the others need until their end.
    pub fn closes_last(mut self) -> Self {
        self.last = true;
        self
    }

    /// The answer that agrees to the upgrade (`101`), and `handler` to run on the socket, in a task
    /// of its own. To be called on a tokio runtime. As of axum's own extractor, the answer is an
    /// `axum::response::Response`; without axum it has whichever body the handler's signature says.
    ///
    /// The socket is in the ledger from now on, as `websocket` and by its path, until the handler has
    /// returned and the connection has ended. Whatever the handler returns for, the peer gets a
    /// Close: 1000, or what the shutdown says; 1011 after a panic, which is in the report. A handler
    /// that has not returned when the time for draining is over is dropped, and named in the report.
    pub fn on_upgrade<F, Fut>(self, handler: F) -> Response<B>
    where
        F: FnOnce(WebSocket) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
        B: Default,
    {
        let mut response = Response::new(B::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        let accept = derive_accept_key(self.key.as_bytes());
        if let Ok(accept) = HeaderValue::try_from(accept) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        if let Some(protocol) = &self.protocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol.clone());
        }
        response.extensions_mut().insert(Accounted);
        let life = Box::new(SocketTask {
            guard: self.handle.track(WEBSOCKET, self.path),
            handle: self.handle,
            config: self.config,
            protocol: self.protocol,
            last: self.last,
            keepalive: self.keepalive,
        });
        tokio::spawn(life.after(self.upgrade, self.failed, handler));
        response
    }
}

impl<B> fmt::Debug for WebSocketUpgrade<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketUpgrade")
            .field("path", &self.path)
            .field("offered", &self.offered)
            .finish_non_exhaustive()
    }
}

/// Whether this asks for a WebSocket; its key if it does.
fn check<'a>(method: &Method, headers: &'a HeaderMap) -> Result<&'a HeaderValue, UpgradeError> {
    if method != Method::GET {
        return Err(UpgradeError::NotGet);
    }
    if !lists(headers, CONNECTION, "upgrade") || !lists(headers, UPGRADE, "websocket") {
        return Err(UpgradeError::NotAnUpgrade);
    }
    let version = headers.get(SEC_WEBSOCKET_VERSION);
    if version.is_none_or(|it| it.as_bytes() != b"13") {
        return Err(UpgradeError::WrongVersion);
    }
    headers.get(SEC_WEBSOCKET_KEY).ok_or(UpgradeError::NoKey)
}

/// Whether `name`, a list, has `word` in it.
fn lists(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).into_iter();
    let mut words = values.flat_map(|it| it.as_bytes().split(|b| *b == b','));
    words.any(|it| it.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

fn offered(headers: &HeaderMap) -> Vec<HeaderValue> {
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter();
    let words = values.flat_map(|it| it.as_bytes().split(|b| *b == b','));
    words
        .filter_map(|it| HeaderValue::from_bytes(it.trim_ascii()).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lameduck_core::Lifecycle;

    const HEADERS: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn refused(method: Method, change: Option<(&str, &'static str)>) -> UpgradeError {
        let mut request = Request::new(());
        *request.method_mut() = method;
        request
            .extensions_mut()
            .insert(Lifecycle::embedded().handle());
        for (name, value) in HEADERS {
            let value = change.filter(|it| it.0 == name).map_or(value, |it| it.1);
            let name = HeaderName::try_from(name).unwrap();
            let value = HeaderValue::try_from(value).unwrap();
            if !value.is_empty() {
                request.headers_mut().insert(name, value);
            }
        }
        WebSocketUpgrade::<String>::from_request(&mut request).unwrap_err()
    }

    #[test]
    fn whatever_is_no_websocket_is_refused_with_what_was_expected() {
        let get = |name, value| refused(Method::GET, Some((name, value)));
        assert_eq!(refused(Method::POST, None), UpgradeError::NotGet);
        assert_eq!(get("connection", "close"), UpgradeError::NotAnUpgrade);
        assert_eq!(get("upgrade", "h2c"), UpgradeError::NotAnUpgrade);
        assert_eq!(
            get("sec-websocket-version", "8"),
            UpgradeError::WrongVersion
        );
        assert_eq!(get("sec-websocket-key", ""), UpgradeError::NoKey);
        // All is well, but it did not come through a server.
        assert_eq!(refused(Method::GET, None), UpgradeError::NotUpgradable);
        let answer = UpgradeError::WrongVersion.into_response::<String>();
        assert_eq!(answer.status(), 426);
        assert_eq!(answer.headers()["sec-websocket-version"], "13");
        assert!(answer.body().contains("13"));
    }

    #[test]
    fn without_a_handle_it_says_where_to_get_one() {
        let mut request = Request::new(());
        let error = WebSocketUpgrade::<String>::from_request(&mut request).unwrap_err();
        assert_eq!(error, UpgradeError::NoHandle);
        assert!(error.to_string().contains("TrackLayer"));
        assert_eq!(error.into_response::<String>().status(), 500);
    }
}
