//! The server's log: where it is, and what was written to it since a moment.
//!
//! That it is the right one, and read to its end, is known by a line of our own: any role may write one.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::RngExt;
use tokio_postgres::Client;

use super::log_line::{PidPlace, complaints_of};
use super::statistics::{one, setting};
use super::{DatabaseError, in_words};

/// How long a line may take from the server to its log.
const ARRIVES: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);
/// What to do when the server does not show its log.
const FIX: &str = "give --postgres-log FILE";

/// The log, and how far it was read.
#[derive(Clone, Debug)]
pub(super) struct ServerLog {
    source: Source,
    place: PidPlace,
    read_to: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// A file of this machine.
    File(PathBuf),
    /// A file of the server, read through it.
    Server(String),
}

impl ServerLog {
    /// Finds the log. The inner error says why it cannot be seen, and what would help.
    pub(super) async fn find(
        client: &Client,
        file: Option<&Path>,
    ) -> Result<Result<Self, String>, DatabaseError> {
        let found = match file {
            Some(file) => Ok(Source::File(file.to_owned())),
            None => ask(client).await,
        };
        let log = match found {
            Ok(source) => Self::prove(client, source).await,
            Err(reason) => Err(reason),
        };
        match (log, file) {
            (Err(reason), Some(file)) => Err(DatabaseError::Log {
                file: file.display().to_string(),
                reason,
            }),
            (log, _) => Ok(log),
        }
    }

    /// Writes a line to the server's log and looks for it there.
    async fn prove(client: &Client, source: Source) -> Result<Self, String> {
        let asked = |name| async move {
            setting(client, name)
                .await
                .map_err(|error| in_words(&error))
        };
        let language = asked("lc_messages").await?;
        if !["", "C", "POSIX"].contains(&language.as_str())
            && !language.starts_with("C.")
            && !language.starts_with("en")
        {
            return Err(format!(
                "it is written in {language}; set lc_messages = 'C'"
            ));
        }
        let prefix = asked("log_line_prefix").await?;
        let place = PidPlace::of_prefix(&prefix).ok_or_else(|| {
            format!("its lines do not say whose they are (log_line_prefix is '{prefix}'); set it to '%m [%p] '")
        })?;
        let mut log = Self {
            source,
            place,
            read_to: 0,
        };
        log.skip(client).await?;
        log.rest(client).await.map(|_| log)
    }

    /// Goes to its end: what was written so far is of no interest.
    pub(super) async fn skip(&mut self, client: &Client) -> Result<(), String> {
        self.read_to = self.length(client).await?;
        Ok(())
    }

    /// What was written since the last look, read to a line of our own.
    pub(super) async fn rest(&mut self, client: &Client) -> Result<String, String> {
        let mark = format!("lameduck check {:016x}", rand::rng().random::<u64>());
        let write = format!("do $$ begin raise log '{mark}'; end $$");
        client
            .batch_execute(&write)
            .await
            .map_err(|error| format!("a line cannot be written to it ({})", in_words(&error)))?;
        let deadline = Instant::now() + ARRIVES;
        let mut text = String::new();
        loop {
            text.push_str(&self.more(client).await?);
            if text.contains(&mark) {
                return Ok(text);
            }
            if Instant::now() >= deadline {
                return Err(format!(
                    "what the server writes does not arrive there (a line of our own was not seen in {ARRIVES:?}); {FIX} where it writes to"
                ));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What a text from it says against the session of a process.
    pub(super) fn complaints(&self, text: &str, pid: i32) -> Vec<String> {
        complaints_of(text, &self.place, pid)
    }

    async fn more(&mut self, client: &Client) -> Result<String, String> {
        let mut text = String::new();
        if let Source::Server(current) = &self.source {
            // Rotated: the rest of the old one, then the new one.
            let now = current_file(client).await?;
            if now != *current {
                text = self.read(client).await?;
                self.source = Source::Server(now);
                self.read_to = 0;
            }
        }
        if self.length(client).await? < self.read_to {
            self.read_to = 0;
        }
        text.push_str(&self.read(client).await?);
        Ok(text)
    }

    async fn read(&mut self, client: &Client) -> Result<String, String> {
        let bytes = match &self.source {
            Source::File(file) => {
                read_file(file, self.read_to).map_err(|error| cannot_read(&error))?
            }
            Source::Server(file) => {
                let file = quoted(file);
                let from = self.read_to;
                // Hexadecimal, for a part may end within a letter.
                let query = format!(
                    "select encode(pg_read_binary_file({file}, {from}, greatest((pg_stat_file({file})).size - {from}, 0)), 'hex')"
                );
                from_hex(
                    &one(client, &query)
                        .await
                        .map_err(|error| in_words(&error))?,
                )
            }
        };
        self.read_to += bytes.len() as u64;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn length(&self, client: &Client) -> Result<u64, String> {
        match &self.source {
            Source::File(file) => std::fs::metadata(file)
                .map(|found| found.len())
                .map_err(|error| cannot_read(&error)),
            Source::Server(file) => {
                let query = format!("select (pg_stat_file({})).size", quoted(file));
                let size = one(client, &query).await.map_err(|error| {
                    format!(
                        "the server does not let this role read it ({}); use a superuser, or {FIX}",
                        in_words(&error)
                    )
                })?;
                size.parse().map_err(|_| format!("it has no size; {FIX}"))
            }
        }
    }
}

/// Asks the server where its log is.
async fn ask(client: &Client) -> Result<Source, String> {
    let collects = setting(client, "logging_collector")
        .await
        .map_err(|error| in_words(&error))?;
    if collects != "on" {
        return Err(format!(
            "the server writes it to its standard error (logging_collector is off); {FIX} where that goes"
        ));
    }
    current_file(client).await.map(Source::Server)
}

async fn current_file(client: &Client) -> Result<String, String> {
    let file = one(client, "select pg_current_logfile('stderr')")
        .await
        .map_err(|error| {
            format!(
                "the server does not tell this role where it is ({}); use a superuser, or {FIX}",
                in_words(&error)
            )
        })?;
    match file.is_empty() {
        true => Err(format!("log_destination has no `stderr`; {FIX}")),
        false => Ok(file),
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn cannot_read(error: &std::io::Error) -> String {
    format!("cannot be read ({error}); name the file that the server writes its log to")
}

fn read_file(file: &Path, from: u64) -> std::io::Result<Vec<u8>> {
    let mut file = std::fs::File::open(file)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter_map(|digit| (digit as char).to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits
        .chunks_exact(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}
