//! What the target writes: always drained, the latest part kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::plan::Pattern;

/// Bytes kept, at most; older ones are dropped.
const KEPT: usize = 256 * 1024;

#[derive(Debug, Default)]
struct Ring {
    pieces: VecDeque<(Instant, Vec<u8>)>,
    held: usize,
}

/// The latest output of the target, both streams as they came. Cheap to clone; all clones are the same buffer.
#[derive(Clone, Debug, Default)]
pub(super) struct Output(Arc<Mutex<Ring>>);

impl Output {
    /// Reads a pipe to its end. A target that writes much is never held up by a full pipe.
    pub(super) async fn drain(self, mut pipe: impl AsyncRead + Unpin) {
        let mut buffer = vec![0u8; 8 * 1024];
        while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
            self.keep(&buffer[..read]);
        }
    }

    fn keep(&self, bytes: &[u8]) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.held += bytes.len();
        ring.pieces.push_back((Instant::now(), bytes.to_vec()));
        while ring.held > KEPT
            && let Some((_, dropped)) = ring.pieces.pop_front()
        {
            ring.held -= dropped.len();
        }
    }

    /// Whether something that was kept of it matches.
    pub(super) fn says(&self, line: &Pattern) -> bool {
        self.text(None).lines().any(|said| line.matches(said))
    }

    /// What was read at or after `since`; all that is kept without it.
    pub(super) fn text(&self, since: Option<Instant>) -> String {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = Vec::new();
        for (_, piece) in ring
            .pieces
            .iter()
            .filter(|(at, _)| since.is_none_or(|since| *at >= since))
        {
            bytes.extend_from_slice(piece);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_output_is_kept() {
        let output = Output::default();
        output.keep(&vec![b'a'; KEPT]);
        output.keep(b"the end");
        assert_eq!(output.text(None), "the end");
    }

    #[test]
    fn output_is_told_apart_by_its_moment() {
        let output = Output::default();
        output.keep(b"before");
        let since = Instant::now();
        output.keep(b"after");
        assert_eq!(output.text(Some(since)), "after");
    }
}
