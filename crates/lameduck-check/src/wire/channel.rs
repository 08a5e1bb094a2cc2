//! What is spoken over: a connection as it is, or with TLS on it.

use super::forward::forward_io;
use super::{LineState, TlsStream, WireStream};

/// A connection that requests can be sent on.
#[derive(Debug)]
pub enum Channel {
    /// As it is.
    Clear(WireStream),
    /// With TLS.
    Tls(Box<TlsStream>),
}

impl Channel {
    /// Looks, without waiting and without taking a byte, whether anything has arrived.
    pub fn look(&mut self) -> LineState {
        match self {
            Self::Clear(stream) => stream.look(),
            Self::Tls(stream) => stream.look(),
        }
    }

    /// The connection below.
    pub(crate) fn wire(&self) -> &WireStream {
        match self {
            Self::Clear(stream) => stream,
            Self::Tls(stream) => stream.wire(),
        }
    }

    /// Whether a connection that had ended properly was reset after that.
    pub(crate) fn was_reset_after_its_end(&mut self) -> bool {
        match self {
            // There the end is the FIN, and what follows it is the client's own doing.
            Self::Clear(_) => false,
            Self::Tls(stream) => stream.is_reset(),
        }
    }
}

forward_io!(Channel: it => it, stream in Self::Clear(stream), Self::Tls(stream));
