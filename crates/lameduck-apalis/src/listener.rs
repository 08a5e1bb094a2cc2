//! Hearing of new jobs in PostgreSQL: the trigger of `apalis-postgres` on its table notifies of each.
//!
//! # What must hold
//!
//! Nothing depends on it but how soon a job is seen: notifications may be lost, and behind a pooler that
//! hands its sessions around (PgBouncer by transaction) there are none. So it says nothing of failures.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tracing::Level;

use lameduck_core::internal::voice;

/// What the trigger notifies.
const CHANNEL: &str = "apalis::job::insert";

/// How long after a failure it listens again.
const AGAIN: Duration = Duration::from_secs(10);

/// How long those that come one by one are gathered, so that each does not cost every worker a question.
const GATHER: Duration = Duration::from_millis(10);

/// Listens as long as it lives and `pool` is open.
pub(super) struct NotificationListener {
    heard: Arc<Notify>,
    running: JoinHandle<()>,
}

impl NotificationListener {
    pub(super) fn start(pool: &PgPool, queue: &str) -> NotificationListener {
        let heard = Arc::new(Notify::new());
        let listening = listen(pool.clone(), queue.to_owned(), heard.clone());
        NotificationListener {
            heard,
            running: tokio::spawn(listening),
        }
    }

    /// Completes when there may be new jobs. Cancel safe, but for how soon.
    pub(super) async fn heard(&self) {
        self.heard.notified().await;
        tokio::time::sleep(GATHER).await;
    }
}

impl Drop for NotificationListener {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn listen(pool: PgPool, queue: String, heard: Arc<Notify>) {
    while !pool.is_closed() {
        if let Err(error) = listen_once(&pool, &queue, &heard).await {
            voice::event(Level::DEBUG, move || {
                tracing::debug!(target: "lameduck", %error, "not listening for jobs");
            });
        }
        tokio::select! {
            () = pool.close_event() => {}
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

async fn listen_once(pool: &PgPool, queue: &str, heard: &Notify) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        let about_ours = match listener.try_recv().await? {
            Some(notification) => is_about(notification.payload(), queue),
            // The connection was lost, and with it whatever came meanwhile.
            None => true,
        };
        if about_ours {
            heard.notify_one();
        }
    }
}

#[derive(Deserialize)]
struct Inserted<'a> {
    job_type: std::borrow::Cow<'a, str>,
}

fn is_about(payload: &str, queue: &str) -> bool {
    serde_json::from_str::<Inserted<'_>>(payload).is_ok_and(|it| it.job_type == queue)
}
