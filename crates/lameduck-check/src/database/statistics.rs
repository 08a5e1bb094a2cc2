//! Queries, all as text: what the server says of its sessions and of itself.

use std::time::Instant;

use tokio_postgres::{Client, Error, SimpleQueryMessage, SimpleQueryRow};

use super::BadEnds;

/// From this version on the counts are up to date as soon as a session is gone.
const COUNTS_AT_ONCE: u32 = 150_000;

/// One session, as one look at `pg_stat_activity` shows it.
#[derive(Clone, Debug)]
pub(super) struct SessionSeen {
    pub(super) key: Key,
    pub(super) application: String,
    pub(super) state: String,
    pub(super) query: String,
}

/// A process number is used again; with its start it is not.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) pid: i32,
    began: String,
}

/// Every client's session in this database but our own.
pub(super) async fn sessions(client: &Client) -> Result<(Instant, Vec<SessionSeen>), Error> {
    const QUERY: &str = "select pid, backend_start, application_name, state, \
         left(regexp_replace(query, '\\s+', ' ', 'g'), 100) as query \
         from pg_stat_activity where datname = current_database() \
         and coalesce(backend_type, 'client backend') = 'client backend' and pid <> pg_backend_pid()";
    let asked = Instant::now();
    let rows = rows(client, QUERY).await?;
    let text = |row: &SimpleQueryRow, column: &str| row.get(column).unwrap_or_default().to_owned();
    let seen = rows.iter().filter_map(|row| {
        Some(SessionSeen {
            key: Key {
                pid: row.get("pid")?.parse().ok()?,
                began: text(row, "backend_start"),
            },
            application: text(row, "application_name"),
            // Hidden from roles without the right to see it.
            state: row.get("state").unwrap_or("in an unknown state").to_owned(),
            query: text(row, "query"),
        })
    });
    Ok((asked, seen.collect()))
}

/// How many sessions of this database have ended badly so far; `None` when the server does not count in time.
pub(super) async fn bad_ends(client: &Client) -> Result<Option<BadEnds>, Error> {
    const QUERY: &str = "select sessions_abandoned as abandoned, sessions_fatal + sessions_killed as cut \
         from pg_stat_database where datname = current_database()";
    let version = setting(client, "server_version_num").await?;
    if version.parse().unwrap_or(0) < COUNTS_AT_ONCE {
        return Ok(None);
    }
    let rows = rows(client, QUERY).await?;
    let count = |column| rows.first()?.get(column)?.parse().ok();
    Ok(count("abandoned")
        .zip(count("cut"))
        .map(|(abandoned, cut)| BadEnds { abandoned, cut }))
}

pub(super) async fn setting(client: &Client, name: &str) -> Result<String, Error> {
    one(client, &format!("select current_setting('{name}')")).await
}

/// The first column of the first row; empty when there is none.
pub(super) async fn one(client: &Client, query: &str) -> Result<String, Error> {
    let rows = rows(client, query).await?;
    Ok(rows
        .first()
        .and_then(|row| row.get(0))
        .unwrap_or_default()
        .to_owned())
}

async fn rows(client: &Client, query: &str) -> Result<Vec<SimpleQueryRow>, Error> {
    let answer = client.simple_query(query).await?;
    let rows = answer.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    Ok(rows.collect())
}
