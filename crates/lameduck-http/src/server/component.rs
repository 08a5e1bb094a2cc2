//! The HTTP server as a component of a lifecycle, and its settings.

use std::convert::Infallible;
#[cfg(feature = "rustls")]
use std::future::pending;
use std::marker::PhantomData;
use std::time::Duration;

#[cfg(feature = "rustls")]
use tokio_rustls::TlsAcceptor;

use super::connection_server::{ConnectionServer, ServerSettings};
use super::protocol::{self, Http1Settings, Http2Settings};
use super::service_source::{ServiceSource, SharedService};
use super::setting_problem::SettingProblem;
use crate::connection::request_settings::RequestSettings;
use crate::connection::sweep::Limits;
use crate::event_stream::events::EventStreams;
use crate::listen::bind::{Bind, who_has};
use crate::listen::lossless_listener::LosslessListener;
use crate::opening::preamble::Preamble;
use crate::probe::Probes;
#[cfg(feature = "proxy-header")]
use crate::proxy_protocol::settings::ProxyProtocol;
#[cfg(feature = "rustls")]
use crate::tls::Tls;
use lameduck_core::Handle;
#[cfg(feature = "rustls")]
use lameduck_core::internal::BoxFuture;
use lameduck_core::{AdminPort, BadConfiguration, Component, Running, Start, StartError};

/// An HTTP/1.1 and HTTP/2 server, a component of a lifecycle: give it to
/// [`Lifecycle::component`](lameduck_core::Lifecycle::component). Cleartext, unless it is given TLS.
///
/// A setting that cannot be, such as a time-out of zero, ends the process before anything listens (exit 2).
///
/// ```
/// # use lameduck_http::Http;
/// # let app = axum_stand_in();
/// # fn axum_stand_in() -> lameduck_http::doc::Hello { lameduck_http::doc::Hello }
/// let api = Http::new("api", "127.0.0.1:0", app).head_timeout(std::time::Duration::from_secs(10));
/// ```
#[must_use = "a server that is not given to `Lifecycle::component` serves nobody"]
#[derive(Debug)]
pub struct Http<S, Kind = SharedService> {
    name: String,
    binds: Vec<Bind>,
    socket_mode: Option<u32>,
    service: S,
    first_byte_timeout: Duration,
    head_timeout: Duration,
    idle_timeout: Duration,
    max_connections: Option<usize>,
    tcp_keepalive: Option<Duration>,
    event_streams: EventStreams,
    http1: Http1Settings,
    http2: Http2Settings,
    connection_info: bool,
    #[cfg(feature = "proxy-header")]
    proxy: Option<ProxyProtocol>,
    #[cfg(feature = "rustls")]
    tls: Option<Tls>,
    kind: PhantomData<fn() -> Kind>,
}

impl<S, Kind> Http<S, Kind>
where
    S: ServiceSource<Kind>,
{
    /// A server called `name` (in reports, and among inherited sockets) that listens on `bind` and
    /// passes every request to a clone of `service`; or of the service that it makes for each connection, as
    /// axum's `app.into_make_service_with_connect_info::<SocketAddr>()` does ([`ServiceSource`]).
    pub fn new(name: impl Into<String>, bind: impl Into<Bind>, service: S) -> Http<S, Kind> {
        Http {
            name: name.into(),
            binds: vec![bind.into()],
            socket_mode: None,
            service,
            first_byte_timeout: Duration::from_secs(30),
            head_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            max_connections: None,
            tcp_keepalive: Some(Duration::from_secs(60)),
            event_streams: EventStreams::new(),
            http1: Http1Settings::new(),
            http2: Http2Settings::new(),
            connection_info: false,
            #[cfg(feature = "proxy-header")]
            proxy: None,
            #[cfg(feature = "rustls")]
            tls: None,
            kind: PhantomData,
        }
    }
}

impl<S, Kind> Http<S, Kind> {
    /// Puts a [`ConnectionInfo`](crate::ConnectionInfo) into the extensions of every request: the client's
    /// address, what TLS says of it. With feature `axum` also what the extractor `ConnectInfo<SocketAddr>`
    /// looks for, except from Unix sockets, so that it works without `into_make_service_with_connect_info`. And
    /// with it a [`ConnectionLifetime`](crate::ConnectionLifetime), by which a handler ends its connection.
    ///
    /// Off by default, because it costs each request about 1,000 instructions, 5 % of a small one over
    /// HTTP/1.1; as much as axum's way of doing it. gRPC calls have what `tonic::Request::remote_addr` looks
    /// for without it (feature `tonic`).
    pub fn with_connection_info(mut self) -> Self {
        self.connection_info = true;
        self
    }

    /// Listens here too: `Http::new("api", "0.0.0.0:8080", app).also("unix:/run/api.sock")`. All are one server,
    /// with the same settings, reported under one name. A process that was started with sockets of this name
    /// listens on those instead of all of its own.
    pub fn also(mut self, bind: impl Into<Bind>) -> Self {
        self.binds.push(bind.into());
        self
    }

    /// How HTTP/1.x is spoken: limits of its heads, how headers are written.
    pub fn http1(mut self, settings: Http1Settings) -> Self {
        self.http1 = settings;
        self
    }

    /// How HTTP/2 is spoken: its windows, limits, pings.
    pub fn http2(mut self, settings: Http2Settings) -> Self {
        self.http2 = settings;
        self
    }

    /// How long a peer may take from the connection to its first byte; more than zero. Default: 30 s. One that
    /// takes longer is sent away with a FIN.
    pub fn first_byte_timeout(mut self, timeout: Duration) -> Self {
        self.first_byte_timeout = timeout;
        self
    }

    /// How long the head of a request may take to arrive, from its first byte; more than zero. Default: 30 s.
    /// A peer that takes longer is cut off; once nothing else is in flight during a shutdown, after
    /// at most one second.
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.head_timeout = timeout;
        self
    }

    /// How long a connection may be kept between a response and the next request; more than zero. Default:
    /// 75 s. Then it is closed, over HTTP/2 with GOAWAY.
    ///
    /// A request that crosses the FIN is lost, so whoever keeps connections to this server should give
    /// them up first. Behind a proxy this must be longer than the proxy's own bound: 60 s for an AWS
    /// load balancer and for nginx, but 600 s for Google's, which then needs 620 s here.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// How many connections there may be at a time; at least 1. Default: nine tenths of the files that the process
    /// may have open (`RLIMIT_NOFILE`), so that the rest is left for everything else. Whoever comes
    /// when there are as many waits in the kernel's queue until one has gone; nobody is reset.
    /// Those that wait when the drain begins are all served.
    pub fn max_connections(mut self, most: usize) -> Self {
        self.max_connections = Some(most);
        self
    }

    /// After how long without a byte the system begins to see whether the peer is still there
    /// (`SO_KEEPALIVE`, `TCP_KEEPIDLE`); a minute later without an answer the connection fails.
    /// In whole seconds, 1 s to 32,767 s (tcp(7)). Default: 60 s. `None` turns it off.
    ///
    /// A peer that has sent its FIN behind its request may still read, and gets its answer. While that
    /// is made the system asks each 5 s. One that is gone is so noticed, and its handler dropped, some
    /// 65 s after its FIN, or 35 s if its machine is gone as well.
    pub fn tcp_keepalive(mut self, idle: Option<Duration>) -> Self {
        self.tcp_keepalive = idle;
        self
    }

    /// Who may connect to a Unix socket: the permissions of its file, for example `0o660` for the
    /// user and the group of the process. The file is at no moment open to more. Default: what the
    /// umask leaves. For a TCP address, and for a socket that the process was started with, this
    /// changes nothing.
    pub fn socket_mode(mut self, mode: u32) -> Self {
        self.socket_mode = Some(mode);
        self
    }

    fn settings(&self, handshake: Duration) -> ServerSettings {
        ServerSettings {
            limits: Limits {
                first_byte: self.first_byte_timeout,
                head: self.head_timeout,
                handshake,
                idle: self.idle_timeout,
            },
            most_connections: self
                .max_connections
                .unwrap_or_else(nine_tenths_of_the_files),
            keep_alive: self.tcp_keepalive,
            of_requests: RequestSettings {
                event_streams: self.event_streams,
                connection_info: self.connection_info,
            },
        }
    }

    /// How event streams end when the shutdown drains. Default: on an event boundary, with a `retry:` of 1 s to
    /// 3 s.
    pub fn event_streams(mut self, settings: EventStreams) -> Self {
        self.event_streams = settings;
        self
    }

    /// Expects the header of a proxy at the beginning of each connection from a source that is trusted, before
    /// TLS too, and takes the addresses of the client from it. Default: none is read.
    #[cfg(feature = "proxy-header")]
    pub fn proxy_protocol(mut self, protocol: ProxyProtocol) -> Self {
        self.proxy = Some(protocol);
        self
    }

    /// Speaks TLS, and nothing else, on this address.
    #[cfg(feature = "rustls")]
    pub fn tls(mut self, tls: impl Into<Tls>) -> Self {
        self.tls = Some(tls.into());
        self
    }
}

impl<S, Kind> Component for Http<S, Kind>
where
    S: ServiceSource<Kind>,
    Kind: 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn listens(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), BadConfiguration> {
        let mut problem = SettingProblem::default();
        for (name, value) in [
            ("first_byte_timeout", self.first_byte_timeout),
            ("head_timeout", self.head_timeout),
            ("idle_timeout", self.idle_timeout),
        ] {
            problem.more_than_zero(name, Some(value));
        }
        problem.at_least("max_connections", self.max_connections, 1);
        problem.in_seconds("tcp_keepalive", self.tcp_keepalive, 32_767);
        self.http1.check(&mut problem);
        self.http2.check(&mut problem);
        #[cfg(feature = "proxy-header")]
        problem.more_than_zero(
            "ProxyProtocol::header_timeout",
            self.proxy.as_ref().map(ProxyProtocol::timeout),
        );
        #[cfg(feature = "rustls")]
        problem.more_than_zero(
            "Tls::handshake_timeout",
            self.tls.as_ref().map(|it| it.handshake_timeout),
        );
        problem.told()
    }

    fn admin_port(&self) -> Option<Box<dyn AdminPort>> {
        Some(Box::new(Probes::from_env()))
    }

    fn start(self: Box<Self>, mut start: Start<'_>) -> Result<Running, StartError> {
        // Without either there is nothing to wait for.
        #[cfg_attr(
            not(any(feature = "rustls", feature = "proxy-header")),
            expect(unused_mut)
        )]
        let (mut preamble, mut before_http) = (Preamble::default(), None::<Duration>);
        #[cfg(feature = "proxy-header")]
        if let Some(proxy) = &self.proxy {
            before_http = Some(proxy.timeout());
            preamble.proxy = Some(proxy.clone());
        }
        #[cfg(feature = "rustls")]
        let watch = match self.tls.clone() {
            None => Box::pin(pending()),
            Some(tls) => {
                let handshake = before_http.unwrap_or_default();
                let handshake = handshake.saturating_add(tls.handshake_timeout);
                before_http = Some(handshake);
                let (acceptor, watch) = started(tls)?;
                preamble.tls = Some(acceptor);
                watch
            }
        };
        #[cfg(unix)]
        let listener = self.listener(&mut start)?;
        #[cfg(not(unix))]
        let listener = self.bind(start.handle())?;
        let handle = start.handle().clone();
        for addr in listener.local_addrs() {
            start.listens_on(&self.name, addr);
        }
        let broken = listener.broken();
        let settings = self.settings(before_http.unwrap_or(Duration::MAX));
        let server = ConnectionServer::new(handle.clone(), settings, start.lame_duck_min());
        Ok(Box::pin(async move {
            let hyper = protocol::hyper(&self.http1, &self.http2);
            let serving = server.run(listener, preamble, hyper, self.service);
            // It goes on serving whom it has: what is shut down then is the process.
            let failing = async {
                if let Ok(error) = broken.await {
                    let error = format!("cannot accept connections any more: {error}");
                    handle.fail(&self.name, error);
                }
                std::future::pending::<Infallible>().await
            };
            #[cfg(feature = "rustls")]
            tokio::select! {
                () = serving => {}
                never = failing => match never {},
                never = watch => match never {},
            }
            #[cfg(not(feature = "rustls"))]
            tokio::select! {
                () = serving => {}
                never = failing => match never {},
            }
            Ok(())
        }))
    }
}

/// How many connections leave enough open files for the rest of the process.
fn nine_tenths_of_the_files() -> usize {
    #[cfg(unix)]
    if let Some(most) = rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
        return usize::try_from(most / 10 * 9).unwrap_or(usize::MAX).max(1);
    }
    usize::MAX
}

/// What shakes hands, and what keeps the certificate up to date, which does not end.
#[cfg(feature = "rustls")]
fn started(tls: Tls) -> Result<(TlsAcceptor, BoxFuture<Infallible>), StartError> {
    match tls.start() {
        Ok((acceptor, watch)) => Ok((acceptor, Box::pin(watch))),
        Err(e) => Err(StartError::BadConfiguration(format!("TLS: {e}"))),
    }
}

impl<S, Kind> Http<S, Kind> {
    /// The sockets that the process was started with, or some of our own.
    #[cfg(unix)]
    fn listener(&self, start: &mut Start<'_>) -> Result<LosslessListener, StartError> {
        let bad = |e| StartError::bad_configuration(format!("LISTEN_FDS: {e}"));
        let inherited = start.take_sockets(&self.name)?;
        match inherited[..] {
            [] => self.bind(start.handle()),
            _ => LosslessListener::inherit(inherited).map_err(bad),
        }
    }

    /// Where parts of this process listen already, this server among them.
    fn others(&self, own: &[LosslessListener], handle: &Handle) -> Vec<(String, String)> {
        let own = own.iter().flat_map(LosslessListener::local_addrs);
        let own = own.map(|at| (self.name.clone(), at));
        handle
            .journal()
            .addresses()
            .into_iter()
            .chain(own)
            .collect()
    }

    fn bind(&self, handle: &Handle) -> Result<LosslessListener, StartError> {
        let mut all = Vec::new();
        for bind in &self.binds {
            let listener = LosslessListener::bind(bind, self.socket_mode)
                .map_err(|e| who_has(&bind.to_string(), e, &self.others(&all, handle)))?;
            all.push(listener);
        }
        Ok(LosslessListener::all_of(all))
    }
}

#[cfg(test)]
mod tests;
