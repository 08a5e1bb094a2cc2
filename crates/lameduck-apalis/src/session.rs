//! Connections to the database: those of the application's pool, and the worker's own.
//!
//! # What must hold
//!
//! 1. Whether a lease is renewed does not depend on whether the application has left a connection. So
//!    the worker has its own, made as the application's are, and closes them itself ([`Own::close`]).
//! 2. A connection that did not answer goes back to no pool: whoever had it next would wait for the same
//!    answer.

use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Connection, Database, Pool};
use tokio::runtime::Handle;
use tokio::time::timeout;

use lameduck_core::BoxError;

/// The worker's own connections.
pub(super) struct Own<DB: Database> {
    application: Pool<DB>,
    own: OnceLock<Pool<DB>>,
    /// Whether others than the application's can be had.
    possible: bool,
    most: u32,
}

impl<DB: Database> Own<DB> {
    /// At most so many, opened when they are needed, and like those of `application`: with its options, and
    /// what it does to each.
    pub(super) fn beside(application: &Pool<DB>, most: u32) -> Own<DB> {
        Own {
            application: application.clone(),
            own: OnceLock::new(),
            possible: true,
            most,
        }
    }

    /// For a database that exists in connections of `application` alone.
    #[cfg(feature = "sqlite")]
    pub(super) fn none_beside(application: &Pool<DB>) -> Own<DB> {
        Own {
            possible: false,
            ..Own::beside(application, 0)
        }
    }

    /// Where they come from; the application's where there can be none.
    pub(super) fn pool(&self) -> &Pool<DB> {
        if !self.possible {
            return &self.application;
        }
        self.own.get_or_init(|| {
            let like = self.application.options().clone();
            let like = like.max_connections(self.most).min_connections(0);
            let like = like.idle_timeout(None).max_lifetime(None);
            like.connect_lazy_with((*self.application.connect_options()).clone())
        })
    }

    /// A session of the application's, or one of our own if it does not have one within `limit`: it may have
    /// used up its pool, or have connections in it that do not answer.
    pub(super) async fn either(&self, limit: Duration) -> Result<StorageSession<DB>, BoxError> {
        match StorageSession::of(&self.application, limit).await {
            Err(_) if self.possible => StorageSession::of(self.pool(), limit).await,
            session => session,
        }
    }

    /// A session that nobody else has.
    pub(super) async fn session(&self, limit: Duration) -> Result<StorageSession<DB>, BoxError> {
        StorageSession::of(self.pool(), limit).await
    }

    /// Says goodbye on each of them. Nothing can be asked afterwards.
    pub(super) async fn close(&self) {
        if let Some(own) = self.own.get() {
            own.close().await;
        }
    }
}

/// The longest that a goodbye on a connection that has not answered may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// A connection that is asked something. It goes back to its pool only when the answer has come.
pub(super) struct StorageSession<DB: Database> {
    connection: Option<PoolConnection<DB>>,
    answered: bool,
}

impl<DB: Database> StorageSession<DB> {
    /// One of `pool`, if there is one within `limit`.
    pub(super) async fn of(
        pool: &Pool<DB>,
        limit: Duration,
    ) -> Result<StorageSession<DB>, BoxError> {
        let connection = match timeout(limit, pool.acquire()).await {
            Ok(connection) => connection?,
            Err(_) => return Err(format!("the pool had no connection within {limit:?}").into()),
        };
        Ok(StorageSession {
            connection: Some(connection),
            answered: false,
        })
    }

    /// The answer has come, whatever it was: the connection may go back.
    pub(super) fn answered<T>(mut self, answer: T) -> T {
        self.answered = true;
        answer
    }
}

impl<DB: Database> Deref for StorageSession<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        self.connection.as_ref().expect("it is taken on drop alone")
    }
}

impl<DB: Database> DerefMut for StorageSession<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        self.connection.as_mut().expect("it is taken on drop alone")
    }
}

impl<DB: Database> Drop for StorageSession<DB> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !self.answered
        {
            let connection = connection.detach();
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(async move { timeout(GOODBYE, connection.close()).await });
            }
        }
    }
}

/// What it answers within `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, BoxError> {
    match timeout(limit, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("the database has not answered within {limit:?}").into()),
    }
}
