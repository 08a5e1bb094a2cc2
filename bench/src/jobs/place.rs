//! Where orders and their jobs are in a campaign: a folder, and a real server that it starts itself.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;
use real_servers::{Nats, NotHere, Postgres, RabbitMqServer, Redis};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

/// Where the orders are, and where their jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum On {
    /// Both in SQLite
    Sqlite,
    /// Both in PostgreSQL
    Postgres,
    /// Orders in SQLite, jobs in PostgreSQL
    PostgresQueue,
    /// Orders in SQLite, jobs in Redis
    Redis,
    /// Orders in SQLite, jobs in RabbitMQ
    Rabbitmq,
    /// Orders in SQLite, jobs in NATS JetStream
    Nats,
}

impl On {
    /// As it is written on the command line.
    pub fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// A place that is open.
pub struct Place {
    folder: PathBuf,
    server: Server,
    orders_with_server: bool,
}

/// Ended when dropped.
enum Server {
    None,
    Postgres(Postgres),
    Redis(Redis),
    RabbitMq(RabbitMqServer),
    Nats(Nats),
}

impl Place {
    /// Starts the server. `None` if it is not installed, which is said.
    pub fn open(on: On, folder: &Path) -> anyhow::Result<Option<Place>> {
        fn started<T>(server: Result<T, NotHere>, kind: fn(T) -> Server) -> Option<Server> {
            real_servers::or_skip(server).map(kind)
        }
        let server = match on {
            On::Sqlite => Some(Server::None),
            On::Postgres | On::PostgresQueue => started(Postgres::start(), Server::Postgres),
            On::Redis => started(Redis::start(), Server::Redis),
            On::Rabbitmq => started(RabbitMqServer::start(), Server::RabbitMq),
            On::Nats => started(Nats::start(), Server::Nats),
        };
        let folder = folder.join("orders");
        std::fs::create_dir_all(&folder).context("cannot make a folder for the orders")?;
        Ok(server.map(|server| Place {
            folder,
            server,
            orders_with_server: on == On::Postgres,
        }))
    }

    /// What a shop is told, so that it works here.
    pub fn arguments(&self) -> Vec<String> {
        let data = ["--data".to_owned(), self.folder.display().to_string()];
        match (self.server_url(), self.orders_with_server) {
            (None, _) => data.to_vec(),
            (Some(url), true) => vec!["--database".to_owned(), url],
            (Some(url), false) => data
                .into_iter()
                .chain(["--queue".to_owned(), url])
                .collect(),
        }
    }

    fn server_url(&self) -> Option<String> {
        match &self.server {
            Server::None => None,
            Server::Postgres(it) => Some(it.url()),
            Server::Redis(it) => Some(it.url()),
            Server::RabbitMq(it) => Some(it.url()),
            Server::Nats(it) => Some(it.url()),
        }
    }

    /// Has the server tell more than usual of how sessions end.
    pub async fn prepare(&self) -> anyhow::Result<()> {
        if let Server::Postgres(it) = &self.server {
            let mut connection = PgConnection::connect(&it.url()).await?;
            // Else an idle session that ends without a goodbye is in no log.
            for statement in [
                "ALTER SYSTEM SET log_min_messages = 'debug1'",
                "SELECT pg_reload_conf()",
            ] {
                sqlx::query(statement).execute(&mut connection).await?;
            }
            connection.close().await?;
        }
        Ok(())
    }

    /// Everything that the server has said.
    pub fn log(&self) -> Option<String> {
        match &self.server {
            Server::None => None,
            Server::Postgres(it) => Some(it.log()),
            Server::Redis(it) => Some(it.log()),
            Server::RabbitMq(it) => Some(it.log()),
            Server::Nats(it) => Some(it.log()),
        }
    }

    /// How the sessions of clients have ended badly, as the server says. `None` if it does not tell.
    pub async fn bad_ends(&self) -> anyhow::Result<Option<BadEnds>> {
        Ok(match &self.server {
            Server::Postgres(it) => {
                let log = grumbles(&it.log(), &OF_POSTGRES);
                let sessions = badly_ended(&it.url()).await?;
                Some(BadEnds { sessions, log })
            }
            Server::RabbitMq(it) => {
                let log = grumbles(&it.log(), &OF_RABBITMQ);
                let sessions = log.len() as i64;
                Some(BadEnds { sessions, log })
            }
            Server::None | Server::Redis(_) | Server::Nats(_) => None,
        })
    }

    /// The orders whose receipt was sent more than once, with how often it was, as the database
    /// itself says.
    pub async fn sent_again(&self) -> anyhow::Result<Vec<(i64, i64)>> {
        const SENT: &str =
            "SELECT order_id, count(*) FROM receipts GROUP BY order_id HAVING count(*) > 1";
        let again = if self.orders_with_server {
            let url = self.server_url().unwrap_or_default();
            let mut connection = PgConnection::connect(&url).await?;
            let again = sqlx::query_as(SENT).fetch_all(&mut connection).await;
            connection.close().await?;
            again
        } else {
            let mut connection = SqliteConnectOptions::new()
                .filename(self.folder.join("shop.sqlite"))
                .connect()
                .await?;
            let again = sqlx::query_as(SENT).fetch_all(&mut connection).await;
            connection.close().await?;
            again
        };
        again.context("cannot count the receipts")
    }
}

/// What a server says of sessions that have ended badly.
pub struct BadEnds {
    /// How many: without a goodbye, or cut.
    pub sessions: i64,
    /// Lines of its log.
    pub log: Vec<String>,
}

/// PostgreSQL's words for a client that is gone without a goodbye in the middle of something, or
/// that it has sent away.
const OF_POSTGRES: [&str; 5] = [
    "unexpected EOF on client connection",
    "could not receive data from client",
    "could not send data to client",
    "with an open transaction",
    "terminating connection",
];

/// RabbitMQ's words for a connection that was not closed as AMQP has it.
const OF_RABBITMQ: [&str; 2] = [
    "client unexpectedly closed TCP connection",
    "connection_closed_abruptly",
];

fn grumbles(log: &str, words: &[&str]) -> Vec<String> {
    let bad = |line: &&str| words.iter().any(|it| line.contains(it));
    log.lines().filter(bad).map(str::to_owned).collect()
}

/// How many sessions PostgreSQL has counted that ended badly. All of them, whether or not in the log.
async fn badly_ended(url: &str) -> anyhow::Result<i64> {
    const COUNT: &str = "SELECT sessions_abandoned + sessions_fatal + sessions_killed \
        FROM pg_stat_database WHERE datname = current_database()";
    let mut connection = PgConnection::connect(url).await?;
    let count = sqlx::query_scalar(COUNT).fetch_one(&mut connection).await;
    connection.close().await?;
    count.context("cannot ask how sessions have ended")
}
