//! The orders' database in PostgreSQL.

use anyhow::Context;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool};

/// Connects.
pub(super) async fn connect(url: &str) -> anyhow::Result<PgPool> {
    let options: PgConnectOptions = url
        .parse()
        .with_context(|| format!("--database {url}: not an address"))?;
    PgPoolOptions::new()
        .max_connections(10)
        .after_release(|session, _| {
            Box::pin(async move { out_of_transaction(session).await.map(|()| true) })
        })
        .connect_with(options.application_name("shop"))
        .await
        .with_context(|| format!("--database {url}: cannot connect"))
}

/// Sees to it that nothing is written to a transaction which nobody commits: sqlx 0.9.0 leaves a session in
/// one if its `begin` is cancelled, as by a client that hangs up (sqlx#4385).
async fn out_of_transaction(session: &mut PgConnection) -> sqlx::Result<()> {
    // Both in one round trip. If there is no transaction, ROLLBACK alone would be a warning in the log.
    sqlx::raw_sql("BEGIN; ROLLBACK").execute(session).await?;
    Ok(())
}
