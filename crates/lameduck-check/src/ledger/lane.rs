//! The loads by name, and what kind of load each is.

use std::fmt;

/// Which load a client belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Many requests on one connection, with pauses.
    KeepAlive,
    /// Many requests on connections that several clients share.
    Pool,
    /// A new connection for each request.
    PerRequest,
    /// A request that takes long.
    Slow,
    /// A connection on which nothing is said for long.
    Silent,
    /// A request whose head takes long, on a new connection.
    HalfHead,
    /// A request on a connection that was quiet for long after the one before.
    BetweenRequests,
    /// A request whose answer nobody reads for long.
    Unread,
    /// A request whose body takes long to begin.
    HeadSent,
    /// A request whose body takes long.
    Upload,
    /// A response whose body takes long.
    Download,
    /// HTTP/2, several streams at once on each connection.
    H2,
    /// A connection whose TLS handshake takes long.
    TlsHandshake,
    /// An HTTP/2 connection whose preface takes long, or is followed by nothing for long.
    H2Preface,
    /// An HTTP/2 stream whose body takes long.
    H2HalfBody,
    /// A connection without a request: never used, or left open after one.
    Idle,
    /// A header that never ends. Not a well-behaved client: a reset is its due.
    Loris,
    /// Orders, one after the other on a kept connection.
    Order,
    /// A WebSocket with a message every now and then.
    WebSocket,
    /// An event stream that is held open.
    Events,
    /// The same over HTTP/2.
    EventsH2,
    /// gRPC calls with one answer, several at once on each connection.
    Grpc,
    /// gRPC calls whose answer is a stream.
    GrpcStream,
}

impl Lane {
    /// Loads that have a promise of their own, which says more of them than those about plain requests.
    pub(crate) fn has_its_own(self) -> bool {
        matches!(
            self,
            Self::Silent
                | Self::HalfHead
                | Self::Unread
                | Self::HeadSent
                | Self::Upload
                | Self::Download
                | Self::TlsHandshake
                | Self::H2Preface
                | Self::H2HalfBody
                | Self::H2
                | Self::Events
                | Self::EventsH2
                | Self::Grpc
                | Self::GrpcStream
        )
    }

    /// Loads that send a body bit by bit.
    pub(crate) fn is_upload(self) -> bool {
        matches!(self, Self::HeadSent | Self::Upload)
    }

    /// Plain requests that take no longer than they need.
    pub(crate) fn is_quick(self) -> bool {
        matches!(self, Self::KeepAlive | Self::Pool | Self::PerRequest)
    }

    /// Loads over HTTP/1.1, where a response can say that it is the last on its connection.
    pub(crate) fn is_http1(self) -> bool {
        !matches!(
            self,
            Self::H2
                | Self::H2Preface
                | Self::H2HalfBody
                | Self::EventsH2
                | Self::Grpc
                | Self::GrpcStream
                | Self::WebSocket
        )
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeepAlive => "keep-alive",
            Self::Pool => "pool",
            Self::PerRequest => "connection-per-request",
            Self::Slow => "slow",
            Self::Silent => "connected and silent",
            Self::HalfHead => "half a head",
            Self::BetweenRequests => "between requests",
            Self::Unread => "unread answer",
            Self::HeadSent => "head sent",
            Self::Upload => "upload",
            Self::Download => "download",
            Self::H2 => "h2",
            Self::TlsHandshake => "TLS handshake",
            Self::H2Preface => "h2 preface",
            Self::H2HalfBody => "h2 half a body",
            Self::Idle => "idle",
            Self::Loris => "slow-loris",
            Self::Order => "order",
            Self::WebSocket => "websocket",
            Self::Events => "events",
            Self::EventsH2 => "h2 events",
            Self::Grpc => "grpc",
            Self::GrpcStream => "grpc stream",
        })
    }
}
