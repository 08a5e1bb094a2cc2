//! How long the close of a listener may take.

use std::time::Duration;

use tokio::time::Instant;

/// The least time between the last handshake that may begin and the close, for what is being
/// processed on another processor at that instant.
pub(super) const SETTLE: Duration = Duration::from_millis(5);
/// The most a close takes. A handshake that takes longer is that of a peer that is gone.
const LONGEST: Duration = Duration::from_millis(900);

/// The time that a close has.
pub(super) struct CloseTime {
    until: Instant,
    /// Not even for want of descriptors is it longer.
    latest: Instant,
}

impl CloseTime {
    pub(super) fn of(bound: Duration) -> CloseTime {
        let now = Instant::now();
        CloseTime {
            until: now + bound.min(LONGEST),
            latest: now + bound,
        }
    }

    pub(super) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    pub(super) fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// There is no descriptor for somebody who has connected. One may be free soon, for requests end and
    /// connections are closed; what this takes is given in addition.
    pub(super) async fn wait_for_descriptors(&mut self) {
        let began = Instant::now();
        tokio::time::sleep(SETTLE).await;
        self.until = (self.until + began.elapsed()).min(self.latest);
    }
}
