//! systemd, or whoever else listens on `NOTIFY_SOCKET` (sd_notify(3)): `READY=1`, `STOPPING=1`, and
//! `WATCHDOG=1` twice in each `WATCHDOG_USEC` from the application's own runtime, so that a service
//! whose runtime is blocked is restarted.
//!
//! Where nobody listens, nothing is done. On other systems than Linux nobody does.
//!
//! # What must hold
//! - A manager that does not read, so that its socket is full, blocks nobody here: what is sent is sent by a
//!   thread of its own, which the end of the process does not wait for.
//! - Messages arrive in order, and one that a manager is there for is sent before the caller goes on.
//! - Not more than one `WATCHDOG=1` waits to be sent.

use crate::handle::Handle;

#[cfg(target_os = "linux")]
pub(crate) use linux::{ready, stopping};

#[cfg(target_os = "linux")]
mod linux {
    use std::sync::OnceLock;
    use std::sync::mpsc::{SyncSender, sync_channel};
    use std::thread;
    use std::time::Duration;

    use sd_notify::NotifyState;
    use tokio::sync::oneshot;
    use tokio::time::MissedTickBehavior;
    use tracing::Level;

    use super::Handle;
    use crate::shutdown::phase::Phase;
    use crate::voice;

    /// How long a manager that does not read is waited for.
    const PATIENCE: Duration = Duration::from_millis(100);

    /// More than there ever are: of each kind one.
    const QUEUE: usize = 4;

    /// What is to be sent, and who waits for that.
    struct NotifyMessage {
        state: String,
        sent: oneshot::Sender<()>,
    }

    /// Start-up is over. Keeps the watchdog content until the process ends.
    pub(crate) async fn ready(handle: &Handle) {
        if !handle.reads_environment() {
            return;
        }
        send(&NotifyState::Ready.to_string()).await;
        // Zero is off (sd_watchdog_enabled(3)).
        if let Some(within) = sd_notify::watchdog_enabled().filter(|it| !it.is_zero()) {
            let phases = handle.phases().clone();
            tokio::spawn(async move {
                tokio::select! {
                    _ = phases.reached(Phase::Stopped) => {}
                    () = keep_content(within) => {}
                }
            });
        }
    }

    async fn keep_content(within: Duration) {
        let mut often = tokio::time::interval(within / 2);
        // Whoever was held up has nothing to make up for.
        often.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            often.tick().await;
            if let Some(sent) = hand_over(&NotifyState::Watchdog.to_string()) {
                // However long that takes: an error says that the thread is gone, and then nobody is told.
                let _ = sent.await;
            }
        }
    }

    /// The shutdown has begun.
    pub(crate) async fn stopping(handle: &Handle) {
        if !handle.reads_environment() {
            return;
        }
        let reason = handle
            .reason()
            .map_or_else(String::new, ToString::to_string);
        let status = format!("shutting down after {reason}");
        let status = NotifyState::Status(&status);
        send(&format!("{}\n{status}", NotifyState::Stopping)).await;
    }

    async fn send(state: &str) {
        if let Some(sent) = hand_over(state) {
            // Sent, or the manager does not read.
            let _ = tokio::time::timeout(PATIENCE, sent).await;
        }
    }

    /// Gives it to the thread that sends; completes when it is sent. `None` if nobody is to be told.
    fn hand_over(state: &str) -> Option<oneshot::Receiver<()>> {
        static SENDER: OnceLock<Option<SyncSender<NotifyMessage>>> = OnceLock::new();
        let (sent, is_sent) = oneshot::channel();
        let state = state.to_owned();
        let sender = SENDER.get_or_init(start_sender).as_ref()?;
        sender.try_send(NotifyMessage { state, sent }).ok()?;
        Some(is_sent)
    }

    fn start_sender() -> Option<SyncSender<NotifyMessage>> {
        std::env::var_os("NOTIFY_SOCKET")?;
        let (sender, messages) = sync_channel::<NotifyMessage>(QUEUE);
        let started = thread::Builder::new()
            .name("lameduck-notify".into())
            .spawn(move || {
                for NotifyMessage { state, sent } in messages {
                    let told = sd_notify::notify(&[NotifyState::Custom(&state)]);
                    // Nobody may wait any more.
                    let _ = sent.send(());
                    if let Err(error) = told {
                        voice::event(Level::WARN, move || {
                            tracing::warn!(target: "lameduck", %error, "NOTIFY_SOCKET");
                        });
                    }
                }
            });
        if let Err(error) = started {
            voice::event(Level::WARN, move || {
                tracing::warn!(target: "lameduck", %error, "NOTIFY_SOCKET: no thread to tell it");
            });
            return None;
        }
        Some(sender)
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) async fn ready(_: &Handle) {}

#[cfg(not(target_os = "linux"))]
pub(crate) async fn stopping(_: &Handle) {}
