//! What PostgreSQL says of the sessions that a pool could not end: a connection that is checked out
//! does not say by whom, but the server knows what it is doing and since when.

use std::any::Any;

use sqlx::postgres::{PgConnectOptions, PgPool, PgRow};
use sqlx::{ConnectOptions, Connection, Database, Pool, Row};

use tracing::Level;

use crate::own_ports::own_ports;
use crate::statement::without_values;
use lameduck_core::internal::details;
use lameduck_core::internal::voice;

/// How many sessions are told.
const TOLD: i32 = 5;
/// How much of a query is told, in characters.
const QUERY: usize = 80;

/// The sessions behind the `in_use` connections that are still checked out: those at work first, then
/// by how long they have been in their state. `None` if this is no PostgreSQL, or it does not say.
pub(crate) async fn sessions<DB: Database>(pool: &Pool<DB>, in_use: usize) -> Option<String> {
    let pool = (pool as &dyn Any).downcast_ref::<PgPool>()?;
    let options = pool.connect_options();
    let asked = ask(&options).await;
    let sessions = asked
        .map_err(|error| {
            voice::event(Level::DEBUG, move || {
                tracing::debug!(target: "lameduck", %error, "pg_stat_activity");
            });
        })
        .ok()?;
    tell(&sessions, in_use)
}

fn tell(sessions: &[ServerSession], in_use: usize) -> Option<String> {
    let details = details::are_told();
    let told: Vec<String> = sessions.iter().map(|it| it.tell(details)).collect();
    match told.len() {
        0 => None,
        all if all <= in_use => Some(told.join("; ")),
        // Another pool of this process, to the same database and under the same name.
        all => Some(format!("{in_use} of these {all}: {}", told.join("; "))),
    }
}

async fn ask(options: &PgConnectOptions) -> Result<Vec<ServerSession>, sqlx::Error> {
    let mut connection = options.connect().await?;
    // Other processes on this machine may have sessions of the same user: by the port of the socket
    // they can be told apart, unless it is a Unix socket or there is a proxy in between.
    let rows = sqlx::query(
        "SELECT pid, state, query,
                extract(epoch FROM clock_timestamp() - state_change)::float8 AS seconds
         FROM pg_stat_activity
         WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
           AND usename = current_user AND datname = current_database()
           AND client_addr IS NOT DISTINCT FROM inet_client_addr()
           AND application_name = current_setting('application_name')
           AND (client_port = -1 OR $1::int4[] IS NULL OR client_port = ANY($1))
         ORDER BY state = 'idle', state_change LIMIT $2",
    )
    .bind(own_ports())
    .bind(TOLD)
    .fetch_all(&mut connection)
    .await?;
    connection.close().await?;
    let session = |row: &PgRow| {
        Ok(ServerSession {
            pid: row.try_get("pid")?,
            state: row.try_get("state")?,
            query: row.try_get("query")?,
            seconds: row.try_get("seconds")?,
        })
    };
    rows.iter().map(session).collect()
}

struct ServerSession {
    pid: i32,
    state: Option<String>,
    query: Option<String>,
    seconds: Option<f64>,
}

impl ServerSession {
    /// Without the values in its statement, unless `details` are asked for.
    fn tell(&self, details: bool) -> String {
        let mut told = format!("session {}", self.pid);
        let state = self.state.as_deref().unwrap_or("in an unknown state");
        told.push_str(&format!(", {state}"));
        if let Some(seconds) = self.seconds {
            told.push_str(&format!(" for {seconds:.0} s"));
        }
        let query = self.query.as_deref().unwrap_or_default();
        let query = match details {
            true => query.to_owned(),
            false => without_values(query),
        };
        let words: Vec<&str> = query.split_whitespace().collect();
        let query = words.join(" ");
        let which = if state == "active" {
            "query"
        } else {
            "last query"
        };
        match query.char_indices().nth(QUERY) {
            _ if query.is_empty() => {}
            None => told.push_str(&format!(", {which} {query:?}")),
            Some((end, _)) => told.push_str(&format!(", {which} {:?}…", &query[..end])),
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(state: &str, query: &str) -> String {
        new(state, query).tell(false)
    }

    fn new(state: &str, query: &str) -> ServerSession {
        ServerSession {
            pid: 4711,
            state: Some(state.to_owned()),
            query: Some(query.to_owned()),
            seconds: Some(12.3),
        }
    }

    #[test]
    fn what_may_be_another_pools_is_told_as_that() {
        assert_eq!(tell(&[], 1), None);
        let one = tell(&[new("idle", "")], 1).unwrap();
        assert_eq!(one, "session 4711, idle for 12 s");
        let two = tell(&[new("idle", ""), new("idle", "")], 1).unwrap();
        assert!(two.starts_with("1 of these 2: session 4711, "), "{two}");
    }

    #[test]
    fn a_session_is_told_by_what_it_does_and_since_when() {
        assert_eq!(
            session("idle in transaction", "LISTEN\n  orders"),
            "session 4711, idle in transaction for 12 s, last query \"LISTEN orders\""
        );
        assert_eq!(
            session("active", "SELECT pg_sleep(60)"),
            "session 4711, active for 12 s, query \"SELECT pg_sleep(?)\""
        );
        assert_eq!(
            new("active", "SELECT pg_sleep(60)").tell(true),
            "session 4711, active for 12 s, query \"SELECT pg_sleep(60)\""
        );
    }

    #[test]
    fn a_long_query_is_cut_between_characters() {
        let told = session("active", &"é".repeat(200));
        assert!(
            told.ends_with("é\"…") && told.chars().count() < 150,
            "{told}"
        );
    }
}
