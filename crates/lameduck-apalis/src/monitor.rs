//! A whole `apalis` `Monitor` as a task of the lifecycle, for services that have one already.

use apalis_core::monitor::{Monitor, MonitorError};

use lameduck_core::Handle;
use lameduck_core::internal::BoxFuture;

/// Runs `monitor` as a [task](lameduck_core::Lifecycle::task): its workers stop taking tasks when the
/// shutdown begins, and the drain waits for those that run.
///
/// ```
/// # use lameduck_core::Lifecycle;
/// # fn with(monitor: apalis_core::monitor::Monitor) -> Lifecycle {
/// Lifecycle::new().task("emails", lameduck_apalis::monitor(monitor))
/// # }
/// ```
///
/// What still runs when the time for draining is over is dropped. Unlike with a worker of our own
/// ([`Jobs`](lameduck_jobs::Jobs)) it is not given back: `apalis` hands it out again
/// once the heartbeat of its worker is too old. The report names the monitor, and not its tasks,
/// unless they call [`Handle::track`]. A terminator or `shutdown_timeout` of the monitor's own is
/// replaced, since the lifecycle has the deadline.
pub fn monitor(
    monitor: Monitor,
) -> impl FnOnce(Handle) -> BoxFuture<Result<(), MonitorError>> + Send + 'static {
    move |handle| {
        let deadline = handle.clone();
        let monitor = monitor.with_terminator(async move { deadline.until_drain_deadline().await });
        Box::pin(async move {
            let begun = async {
                handle.until_shutdown().await;
                Ok(())
            };
            monitor.run_with_signal(begun).await
        })
    }
}
