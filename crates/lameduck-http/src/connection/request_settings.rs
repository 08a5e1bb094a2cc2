//! What a server says of its requests.

use crate::event_stream::events::EventStreams;

/// How requests are treated.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RequestSettings {
    pub(crate) event_streams: EventStreams,
    /// Whether each has a [`ConnectionInfo`](super::connection_info::ConnectionInfo) in its extensions.
    pub(crate) connection_info: bool,
}
