//! systemd, or whoever else listens on `NOTIFY_SOCKET` (sd_notify(3)): `READY=1`, `STOPPING=1`, and
//! `WATCHDOG=1` twice in each `WATCHDOG_USEC` from the application's own runtime, so that a service
//! whose runtime is blocked is restarted.
//!
//! Where nobody listens, nothing is done. On other systems than Linux nobody does.

use crate::handle::Handle;

/// Start-up is over. Keeps the watchdog content until the process ends.
#[cfg(target_os = "linux")]
pub(crate) fn ready(handle: &Handle) {
    send(&[sd_notify::NotifyState::Ready]);
    if let Some(within) = sd_notify::watchdog_enabled() {
        let phases = handle.phases().clone();
        tokio::spawn(async move {
            let mut often = tokio::time::interval(within / 2);
            let stopped = phases.reached(crate::Phase::Stopped);
            tokio::pin!(stopped);
            loop {
                tokio::select! {
                    _ = &mut stopped => return,
                    _ = often.tick() => send(&[sd_notify::NotifyState::Watchdog]),
                }
            }
        });
    }
}

/// The shutdown has begun.
#[cfg(target_os = "linux")]
pub(crate) fn stopping(handle: &Handle) {
    let reason = handle
        .reason()
        .map_or_else(String::new, ToString::to_string);
    let status = format!("shutting down after {reason}");
    send(&[
        sd_notify::NotifyState::Stopping,
        sd_notify::NotifyState::Status(&status),
    ]);
}

#[cfg(target_os = "linux")]
fn send(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(target: "lameduck", %error, "NOTIFY_SOCKET");
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn ready(_: &Handle) {}

#[cfg(not(target_os = "linux"))]
pub(crate) fn stopping(_: &Handle) {}
