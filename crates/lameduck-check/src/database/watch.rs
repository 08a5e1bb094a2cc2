//! Watches the target's sessions through one shutdown.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_postgres::{Client, Config, NoTls};

use super::server_log::ServerLog;
use super::statistics::{self, Key, SessionSeen};
use super::{BadEnds, DatabaseError, Session, Sessions, in_words};
use crate::plan::Plan;

/// Between two looks at the sessions.
const INTERVAL: Duration = Duration::from_millis(10);
/// A session that outlives its process by so long is left behind.
const LINGERS: Duration = Duration::from_secs(2);
/// Our own goodbye takes no longer.
const GOODBYE: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to the target's database, made before the target is started: sessions that are there already are
/// not the target's.
pub(crate) struct Watch {
    client: Client,
    strangers: HashSet<Key>,
    log: Result<ServerLog, String>,
    /// The connection's own task; ends with the client.
    driver: JoinSet<()>,
}

impl Watch {
    /// The one that the plan names, if it names one.
    pub(crate) async fn open(plan: &Plan) -> Result<Option<Self>, DatabaseError> {
        let Some(url) = &plan.postgres else {
            return Ok(None);
        };
        let mut config: Config = url.parse().map_err(|error| DatabaseError::Url {
            reason: in_words(&error),
        })?;
        let place = place(&config);
        config
            .application_name("lameduck check")
            .connect_timeout(CONNECT_TIMEOUT);
        let (client, connection) =
            config
                .connect(NoTls)
                .await
                .map_err(|error| DatabaseError::Connect {
                    place: place.clone(),
                    reason: in_words(&error),
                })?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // Its end is seen by whoever asks next.
            let _ = connection.await;
        });
        let (_, seen) =
            statistics::sessions(&client)
                .await
                .map_err(|error| DatabaseError::Query {
                    place,
                    reason: in_words(&error),
                })?;
        Ok(Some(Self {
            log: ServerLog::find(&client, plan.postgres_log.as_deref()).await?,
            client,
            strangers: seen.into_iter().map(|seen| seen.key).collect(),
            driver,
        }))
    }

    /// Begins to watch, shortly before the signal: what the prover's own commands did in that database is over.
    pub(crate) fn begin(self) -> UnderWatch {
        let (tell_end, end) = watch::channel(None);
        let mut task = JoinSet::new();
        task.spawn(self.follow(end));
        UnderWatch { tell_end, task }
    }

    async fn follow(mut self, end: watch::Receiver<Option<RoundEnd>>) -> Sessions {
        let sessions = self.record(end).await;
        // Who asks others for a goodbye says one.
        drop(self.client);
        let ended = self.driver.join_next();
        drop(tokio::time::timeout(GOODBYE, ended).await);
        sessions
    }

    async fn record(&mut self, mut end: watch::Receiver<Option<RoundEnd>>) -> Sessions {
        let trouble = |error: tokio_postgres::Error| Sessions {
            trouble: Some(format!(
                "the database could not be watched: {}",
                in_words(&error)
            )),
            ..Sessions::default()
        };
        let before = match statistics::bad_ends(&self.client).await {
            Ok(before) => before,
            Err(error) => return trouble(error),
        };
        if let Ok(log) = &mut self.log
            && let Err(reason) = log.skip(&self.client).await
        {
            self.log = Err(reason);
        }
        let mut seen = BTreeMap::new();
        let ended = loop {
            if let Err(error) = self.look(&mut seen).await {
                return trouble(error);
            }
            let known = *end.borrow_and_update();
            if let Some(ended) = known {
                let is_over = seen
                    .values()
                    .all(|session: &Session| session.gone.is_some());
                if is_over || Instant::now() >= ended.exit + LINGERS {
                    break ended;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                Err(_) = end.changed() => return Sessions::default(),
            }
        };
        let after = match statistics::bad_ends(&self.client).await {
            Ok(after) => after,
            Err(error) => return trouble(error),
        };
        // One that ended before the signal is nobody's concern.
        let mut sessions: Vec<Session> = seen
            .into_values()
            .filter(|session| session.gone.is_none_or(|gone| gone >= ended.signal))
            .collect();
        let log_unseen = self.complaints(&mut sessions).await.err();
        Sessions {
            sessions,
            bad_ends: before.zip(after).map(|(before, after)| BadEnds {
                abandoned: after.abandoned.saturating_sub(before.abandoned),
                cut: after.cut.saturating_sub(before.cut),
            }),
            log_unseen,
            trouble: None,
        }
    }

    /// One look: who is new, who is still there, who is gone.
    async fn look(
        &self,
        sessions: &mut BTreeMap<Key, Session>,
    ) -> Result<(), tokio_postgres::Error> {
        let (asked, seen) = statistics::sessions(&self.client).await?;
        let now = Instant::now();
        let there: HashSet<&Key> = seen.iter().map(|seen| &seen.key).collect();
        for (key, session) in sessions.iter_mut() {
            if !there.contains(key) {
                session.gone.get_or_insert(now);
            }
        }
        drop(there);
        for SessionSeen {
            key,
            application,
            state,
            query,
        } in seen
        {
            if !self.strangers.contains(&key) {
                let pid = key.pid;
                sessions.insert(
                    key,
                    Session {
                        pid,
                        application,
                        state,
                        query,
                        last_seen: asked,
                        gone: None,
                        complaints: Vec::new(),
                    },
                );
            }
        }
        Ok(())
    }

    /// Enters what the log says of each session; the error says why it says nothing.
    async fn complaints(&mut self, sessions: &mut [Session]) -> Result<(), String> {
        let log = self.log.as_mut().map_err(|reason| reason.clone())?;
        let text = log.rest(&self.client).await?;
        for session in sessions {
            session.complaints = log.complaints(&text, session.pid);
        }
        Ok(())
    }
}

/// The moments of a round that count.
#[derive(Clone, Copy, Debug)]
struct RoundEnd {
    signal: Instant,
    exit: Instant,
}

/// A watch under way. Dropping it ends it.
pub(crate) struct UnderWatch {
    tell_end: watch::Sender<Option<RoundEnd>>,
    task: JoinSet<Sessions>,
}

impl UnderWatch {
    /// The target has ended. Waits until its sessions have too, two seconds at most.
    pub(crate) async fn finish(mut self, signal: Instant, exit: Instant) -> Sessions {
        self.tell_end.send_replace(Some(RoundEnd { signal, exit }));
        match self.task.join_next().await {
            Some(Ok(sessions)) => sessions,
            _ => Sessions {
                trouble: Some("the watch over the database broke off".to_owned()),
                ..Sessions::default()
            },
        }
    }
}

/// Role, host, port and database: a URL without its password.
fn place(config: &Config) -> String {
    let host = config.get_hosts().first().map_or_else(
        || "nowhere".to_owned(),
        |host| match host {
            tokio_postgres::config::Host::Tcp(name) => name.clone(),
            tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
        },
    );
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let user = config.get_user().unwrap_or("postgres");
    format!(
        "{user}@{host}:{port}/{}",
        config.get_dbname().unwrap_or(user)
    )
}
