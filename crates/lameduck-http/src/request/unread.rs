//! What hyper holds of a response over HTTP/2 whose end nobody knows beforehand.
//!
//! # What must hold
//!
//! A request is over when its last byte is with the kernel. Over HTTP/2 hyper takes data long before there
//! is room for it in the stream's window, and the end of the body before that of the data. So the request
//! waits here for the last piece that has not been read; and if one is dropped unread, which hyper does
//! when the stream is reset, the response is not whole.

use std::sync::{Arc, Mutex, MutexGuard};

use super::in_flight::InFlight;
use crate::connection::conn::ResponseEnd;

/// The pieces of one response that hyper holds.
#[derive(Clone, Default)]
pub(crate) struct Unread(Arc<Mutex<UnreadState>>);

#[derive(Default)]
struct UnreadState {
    pieces: usize,
    /// Whether one was dropped before it was read.
    lost: bool,
    /// The request, when hyper has all of its response.
    request: Option<InFlight>,
}

impl Unread {
    fn held(&self) -> MutexGuard<'_, UnreadState> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// One more is given to hyper.
    pub(crate) fn piece(&self) -> UnreadPiece {
        self.held().pieces += 1;
        UnreadPiece {
            of: self.clone(),
            read: false,
        }
    }

    /// hyper has all of the response of `request`, which ends when all pieces have been read.
    pub(crate) fn until_read(&self, mut request: InFlight) {
        let mut held = self.held();
        if held.lost {
            request.end = ResponseEnd::Early;
        } else if held.pieces > 0 {
            held.request = Some(request);
            return;
        }
        drop(held);
        drop(request);
    }
}

/// One of them.
pub(crate) struct UnreadPiece {
    of: Unread,
    read: bool,
}

impl UnreadPiece {
    /// It has been read to its end.
    pub(crate) fn is_read(&mut self) {
        self.read = true;
    }
}

impl Drop for UnreadPiece {
    fn drop(&mut self) {
        let mut held = self.of.held();
        held.pieces -= 1;
        held.lost |= !self.read;
        if held.pieces > 0 && !held.lost {
            return;
        }
        let lost = held.lost;
        let request = held.request.take();
        drop(held);
        if let Some(mut request) = request {
            request.end = match lost {
                true => ResponseEnd::Early,
                false => ResponseEnd::Read,
            };
        }
    }
}
