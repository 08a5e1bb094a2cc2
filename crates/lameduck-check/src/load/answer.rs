//! What comes of a request, whatever the protocol.

use std::time::Instant;

use bytes::Bytes;

/// A whole response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// It was the last one on its connection.
    pub(crate) close: bool,
    /// When it was whole.
    pub(crate) ended: Instant,
    /// Length of the body.
    pub(crate) bytes: u64,
    /// The end of the connection was the end of the body.
    pub(crate) to_eof: bool,
    /// The body, when it was to be kept.
    pub(crate) body: Option<Bytes>,
}

impl FaultKind {
    /// What a failed read or write says of the connection.
    pub(crate) fn of(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::Torn,
            std::io::ErrorKind::InvalidData => Self::Malformed,
            _ => Self::Reset,
        }
    }
}

/// What came instead of a whole response.
#[derive(Debug)]
pub(crate) struct AnswerFault {
    pub(crate) kind: FaultKind,
    /// A part of the response had arrived.
    pub(crate) began: bool,
    pub(crate) status: Option<u16>,
    pub(crate) what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    Reset,
    Eof,
    /// TLS: a FIN without the close_notify that goes before it.
    Torn,
    Malformed,
}
