#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

use std::time::Duration;

#[cfg(feature = "postgres")]
mod own_ports;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod statement;

use lameduck_core::{BoxError, Close};
use sqlx::pool::PoolConnection;
use sqlx::{ConnectOptions, Connection, Database, Pool};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long a server may take to answer before it counts as gone.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// How long connections that are on their way back are waited for before the pool is closed.
///
/// sqlx tests a connection by a round trip before it is idle again. One that is tested while the pool is
/// closed is put with the idle ones all the same, and stays there without a goodbye for as long as
/// another one is checked out: the pool ends idle ones when it has all permits.
const COME_BACK_WITHIN: Duration = Duration::from_millis(250);
/// How often the pool is looked at for them: it does not tell.
const LOOKS_EVERY: Duration = Duration::from_millis(5);

/// A pool that is closed when nothing uses it any more. Give it to
/// [`Lifecycle::close`](lameduck_core::Lifecycle::close), and keep clones of the pool for yourself.
///
/// ```no_run
/// # use lameduck_core::Lifecycle;
/// # fn with<DB: sqlx::Database>(life: Lifecycle, db: sqlx::Pool<DB>) -> Lifecycle {
/// life.close("database", lameduck_sqlx::pool(db))
/// # }
/// ```
pub fn pool<DB: Database>(pool: Pool<DB>) -> SqlxPool<DB> {
    SqlxPool(pool)
}

/// What [`pool`] makes.
#[derive(Debug)]
pub struct SqlxPool<DB: Database>(Pool<DB>);

impl<DB: Database> Close for SqlxPool<DB> {
    async fn close(&mut self) -> Result<(), BoxError> {
        end_idle(&self.0).await?;
        let until = Instant::now() + COME_BACK_WITHIN;
        while self.0.size() > 0 && !self.0.is_closed() && Instant::now() < until {
            tokio::time::sleep(LOOKS_EVERY).await;
            end_idle(&self.0).await?;
        }
        // From now on nobody gets a connection, and what comes back is ended instead of kept.
        self.0.close().await;
        Ok(())
    }

    async fn waits_for(&self, within: Duration) -> Option<String> {
        let size = self.0.size() as usize;
        let in_use = size - self.0.num_idle().min(size);
        if in_use == 0 {
            return None;
        }
        let most = self.0.options().get_max_connections();
        let count = format!("{in_use} of at most {most} connections still checked out");
        #[cfg(feature = "postgres")]
        {
            // The count is known without the server, and must be told in time.
            let asked = postgres::sessions(&self.0, in_use);
            if let Ok(Some(sessions)) = tokio::time::timeout(within * 3 / 4, asked).await {
                return Some(format!("{count}: {sessions}"));
            }
        }
        #[cfg(not(feature = "postgres"))]
        let _ = within;
        Some(count)
    }
}

/// Says goodbye with all connections that nobody uses. An error if the server is not there to hear it.
async fn end_idle<DB: Database>(pool: &Pool<DB>) -> Result<(), BoxError> {
    let mut idle = Vec::new();
    while let Some(connection) = pool.try_acquire() {
        idle.push(connection);
    }
    let all = idle.len();
    // SQLite writes its log back with the last of them, unless that finds another one still closing.
    let last = idle.pop();
    let goodbyes: JoinSet<_> = idle.into_iter().map(say_goodbye).collect();
    let goodbyes = goodbyes.join_all().await;
    let mut dead: Vec<_> = goodbyes.into_iter().filter_map(Result::err).collect();
    match last {
        // Nobody is there, and that has cost time enough.
        Some(last) if !dead.is_empty() => {
            drop(last);
            dead.push(dead[0].clone());
        }
        Some(last) => dead.extend(say_goodbye(last).await.err()),
        None => {}
    }
    if let Some(last) = dead.last()
        && let Err(error) = server_answers(pool).await
    {
        let dead = dead.len();
        return Err(
            format!("{dead} of {all} sessions had no goodbye: {last}; and now: {error}").into(),
        );
    }
    Ok(())
}

/// Ends one session. An error if its server did not answer: a goodbye that is written to a dead
/// connection looks like any other.
async fn say_goodbye<DB: Database>(mut connection: PoolConnection<DB>) -> Result<(), String> {
    let answer = tokio::time::timeout(ANSWERS_WITHIN, connection.ping()).await;
    let ended = tokio::time::timeout(ANSWERS_WITHIN, connection.close()).await;
    match (answer, ended) {
        (Ok(Ok(())), Ok(Ok(()))) => Ok(()),
        (Ok(Err(error)), _) | (_, Ok(Err(error))) => Err(error.to_string()),
        _ => Err(format!("no answer within {ANSWERS_WITHIN:?}")),
    }
}

/// Whether the server is there. If it is, then a dead connection had only been idle for too long:
/// its session had ended before, and there was nobody left to say goodbye to.
async fn server_answers<DB: Database>(pool: &Pool<DB>) -> Result<(), String> {
    let connect = async {
        let connection = pool.connect_options().connect().await?;
        connection.close().await
    };
    match tokio::time::timeout(ANSWERS_WITHIN, connect).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {ANSWERS_WITHIN:?}")),
    }
}
