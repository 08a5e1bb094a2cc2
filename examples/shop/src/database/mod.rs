//! The database: SQLite in a folder, or PostgreSQL.

#[cfg(feature = "postgres")]
mod postgres;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use lameduck::BadConfiguration;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

/// Where the orders are.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    Sqlite(SqlitePool),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool),
}

/// Runs the same on the pool of either database. Both understand `$1`.
macro_rules! on {
    ($database:expr, $pool:ident => $run:expr) => {
        match $database {
            $crate::database::Database::Sqlite($pool) => $run,
            #[cfg(feature = "postgres")]
            $crate::database::Database::Postgres($pool) => $run,
        }
    };
}
pub(crate) use on;

/// The file in the data folder.
const FILE: &str = "shop.sqlite";

impl Database {
    /// Opens the file in `folder`; makes it if it is to be made.
    pub(crate) async fn in_folder(folder: &Path, make: bool) -> anyhow::Result<Database> {
        let file = folder.join(FILE);
        if make {
            std::fs::create_dir_all(folder).map_err(|e| {
                let folder = folder.display();
                BadConfiguration::new(format!("--data {folder}: cannot make the folder: {e}"))
            })?;
        } else if !file.is_file() {
            bail!(
                "--data {}: there is no {FILE} in it, so no shop has kept orders there",
                folder.display()
            );
        }
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(make)
            // An answer of 201 promises that the order survives a crash of the process, which the
            // write-ahead log does without a disk flush for each order.
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(10));
        // SQLite writes one transaction at a time. With one connection whoever wants to write waits
        // in the queue of the pool, which is fair, and not for a lock, which is not.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await
            .with_context(|| format!("--data {}: cannot open {FILE}", folder.display()))?;
        Ok(Database::Sqlite(pool))
    }

    /// Connects to PostgreSQL.
    pub(crate) async fn at(url: &str) -> anyhow::Result<Database> {
        if !is_postgres(url) {
            return Err(BadConfiguration::new(format!(
                "--database {url}: not the address of a PostgreSQL database; \
                 give postgres://USER@HOST/NAME, or --data DIR for SQLite"
            ))
            .into());
        }
        #[cfg(feature = "postgres")]
        return Ok(Database::Postgres(postgres::connect(url).await?));
        #[cfg(not(feature = "postgres"))]
        return Err(crate::built_without("postgres")).context(format!("--database {url}"));
    }

    /// What it is called in reports.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Database::Sqlite(_) => "sqlite",
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => "postgres",
        }
    }

    /// Whether it answers.
    pub(crate) async fn ping(&self) -> sqlx::Result<()> {
        on!(self, pool => sqlx::query("SELECT 1").execute(pool).await.map(drop))
    }

    pub(crate) async fn close(&self) {
        on!(self, pool => pool.close().await);
    }
}

pub(crate) fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}
