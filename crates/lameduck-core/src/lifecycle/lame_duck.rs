//! The lame-duck phase: how long a process goes on serving after it has said that it will stop.

use std::time::Duration;

use crate::environment::Window;
use crate::handle::Handle;

/// No request for this long is quiet: 1 s. Those of health checks do not count (`traffic.rs`).
const QUIET: Duration = Duration::from_secs(1);

/// Completes when traffic has moved away: after the minimum, once it has been quiet for a second,
/// and not after the maximum. Both count from the signal. A second signal ends it at once.
pub(super) async fn over(handle: &Handle, window: Window) {
    let waited = async {
        tokio::time::sleep(handle.left_until(window.min)).await;
        loop {
            let left = handle.left_until(window.max);
            let more_quiet = QUIET.saturating_sub(handle.traffic().quiet_for());
            if left.is_zero() || more_quiet.is_zero() {
                return;
            }
            tokio::time::sleep(more_quiet.min(left)).await;
        }
    };
    tokio::select! {
        () = waited => {}
        () = handle.until_hurried() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Millis;
    use crate::shutdown::phase::Driver;
    use crate::shutdown::reason::Reason;
    use tokio::time::Instant;

    const fn s(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// How long the phase lasts when nothing arrives during it.
    async fn lasts(handle: &Handle, min: Duration, max: Duration) -> Duration {
        let began = Instant::now();
        over(handle, Window { min, max }).await;
        began.elapsed()
    }

    fn begun() -> Handle {
        let handle = Handle::new(Driver::new().phases());
        handle.begin(Reason::Signal(15));
        handle
    }

    #[tokio::test(start_paused = true)]
    async fn a_fixed_time_is_kept_to() {
        let handle = begun();
        assert_eq!(lasts(&handle, s(5), s(5)).await.as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn it_never_outlasts_its_maximum() {
        let handle = begun();
        // The paused clock leaves the clock of arrivals behind, so it never looks quiet.
        handle.traffic().foreign_connection(Millis(u64::MAX));
        assert_eq!(lasts(&handle, s(2), s(10)).await.as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_signal_ends_it() {
        let handle = begun();
        let hurry = {
            let handle = handle.clone();
            async move {
                tokio::time::sleep(s(1)).await;
                handle.signalled(15);
                handle.signalled(15);
            }
        };
        let (lasted, ()) = tokio::join!(lasts(&handle, s(5), s(5)), hurry);
        assert_eq!(lasted.as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn off_takes_no_time() {
        assert!(lasts(&begun(), s(0), s(0)).await < Duration::from_millis(2));
    }
}
