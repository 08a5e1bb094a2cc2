//! A whole `apalis` `Monitor` as a task of the lifecycle, for services that have one already.

use apalis_core::monitor::{Monitor, MonitorError};

use crate::component::BoxFuture;
use crate::handle::Handle;

/// Runs `monitor` as a [task](crate::Lifecycle::task): its workers stop taking tasks when the
/// shutdown begins, and the drain waits for those that run.
///
/// ```
/// # use lameduck::Lifecycle;
/// # fn with(monitor: apalis_core::monitor::Monitor) -> Lifecycle {
/// Lifecycle::new().task("emails", lameduck::queue::apalis_monitor(monitor))
/// # }
/// ```
///
/// What still runs when the time for draining is over is dropped. Unlike with a worker of our own
/// ([`Lifecycle::jobs`](crate::Lifecycle::jobs)) it is not given back: `apalis` hands it out again
/// once the heartbeat of its worker is too old. The report names the monitor, and not its tasks,
/// unless they call [`Handle::track`]. A terminator or `shutdown_timeout` of the monitor's own is
/// replaced, since the lifecycle has the deadline.
pub fn apalis_monitor(
    monitor: Monitor,
) -> impl FnOnce(Handle) -> BoxFuture<Result<(), MonitorError>> + Send + 'static {
    move |handle| {
        let deadline = handle.clone();
        let monitor = monitor.with_terminator(async move { deadline.let_go().await });
        Box::pin(async move {
            let begun = async {
                handle.begun().await;
                Ok(())
            };
            monitor.run_with_signal(begun).await
        })
    }
}
