//! Looks at a probe, each on a connection of its own, as orchestrators look.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::http1::{Framing, parse_head};
use super::stage::Stage;
use crate::endpoint::Endpoint;
use crate::ledger::{NO_DESCRIPTOR, Sample};
use crate::request::RequestTemplate;
use crate::wire::{Channel, Destination, Protocol, Wire};

/// A look takes no longer.
const TIMEOUT: Duration = Duration::from_secs(1);
/// The rest of an answer is read for so long at most.
const COURTESY: Duration = Duration::from_millis(50);
/// Bytes of an answer's head, at most.
const LIMIT: usize = 64 * 1024;
/// Pause between two looks.
pub(crate) const INTERVAL: Duration = Duration::from_millis(5);

/// Looks again and again until the loads are ended.
pub(crate) async fn watch(stage: Stage, endpoint: Endpoint) -> Vec<Sample> {
    let mut samples = Vec::new();
    while !stage.is_over() {
        match stage.unless_over(look(&endpoint)).await {
            // A look that was not taken says nothing of the target.
            Some(sample)
                if sample
                    .status
                    .as_ref()
                    .is_err_and(|what| what == NO_DESCRIPTOR) =>
            {
                stage
                    .notebook()
                    .shortage("no file descriptor for a look at a probe");
            }
            Some(sample) => samples.push(sample),
            None => {}
        }
        stage.sleep(INTERVAL).await;
    }
    samples
}

/// Looks once. Only the status counts.
pub(crate) async fn look(endpoint: &Endpoint) -> Sample {
    let asked = Instant::now();
    let (status, refused) = match tokio::time::timeout(TIMEOUT, ask(endpoint)).await {
        Ok(Ok(status)) => (Ok(status), false),
        Ok(Err(Unheard { what, refused })) => (Err(what), refused),
        Err(_) => (Err(format!("no answer in {TIMEOUT:?}")), false),
    };
    Sample {
        asked,
        answered: Instant::now(),
        refused,
        status,
    }
}

/// Only connects.
pub(crate) async fn knock(endpoint: &Endpoint) -> Sample {
    let asked = Instant::now();
    let connected = tokio::time::timeout(TIMEOUT, endpoint.connect()).await;
    Sample {
        asked,
        answered: Instant::now(),
        refused: matches!(&connected, Ok(Err(error)) if is_refusal(error)),
        status: match connected {
            Ok(Ok(_)) => Ok(200),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no connection in {TIMEOUT:?}")),
        },
    }
}

/// Of a name with several addresses, those where somebody listens and those where nobody does.
pub(crate) async fn survey(endpoint: &Endpoint) -> (Vec<Destination>, Vec<Destination>) {
    let (mut served, mut unserved) = (Vec::new(), Vec::new());
    let destinations = endpoint.destinations();
    let is_one = destinations.len() == 1;
    for destination in destinations {
        let is_served = is_one || listens(&destination).await;
        let found = if is_served {
            &mut served
        } else {
            &mut unserved
        };
        found.push(destination);
    }
    (served, unserved)
}

/// Whether somebody listens there, or soon does: of several listeners one is the last.
async fn listens(destination: &Destination) -> bool {
    const SOON: Duration = Duration::from_millis(100);
    let deadline = Instant::now() + SOON;
    let wire = Wire::default();
    loop {
        let connecting = wire.connect(destination.clone());
        match tokio::time::timeout(TIMEOUT, connecting).await {
            Ok(Ok(_)) => return true,
            Ok(Err(_)) if Instant::now() < deadline => tokio::time::sleep(INTERVAL).await,
            Ok(Err(_)) | Err(_) => return false,
        }
    }
}

/// Why there is no status.
struct Unheard {
    what: String,
    refused: bool,
}

impl From<std::io::Error> for Unheard {
    fn from(error: std::io::Error) -> Self {
        let errno = rustix::io::Errno::from_io_error(&error);
        let what = match errno {
            Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => NO_DESCRIPTOR.to_owned(),
            _ => error.to_string(),
        };
        Self {
            what,
            refused: is_refusal(&error),
        }
    }
}

impl From<&str> for Unheard {
    fn from(what: &str) -> Self {
        Self {
            what: what.to_owned(),
            refused: false,
        }
    }
}

fn is_refusal(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::ConnectionRefused
}

async fn ask(endpoint: &Endpoint) -> Result<u16, Unheard> {
    let Endpoint {
        authority,
        path,
        tls,
        ..
    } = endpoint;
    let stream = endpoint.connect().await?;
    let mut stream = match tls {
        None => Channel::Clear(stream),
        Some(trust) => {
            let secured = trust.secure(stream, authority, Protocol::Http1).await;
            Channel::Tls(Box::new(secured?))
        }
    };
    let request = RequestTemplate::get(path).header("connection", "close");
    stream.write_all(&request.head(endpoint)).await?;
    stream.flush().await?;
    let mut answer = Vec::with_capacity(512);
    let (head_length, head) = loop {
        let read = stream.read_buf(&mut answer).await?;
        match parse_head(&answer, "GET") {
            Ok(Some(head)) => break head,
            Ok(None) if read == 0 && answer.is_empty() => {
                return Err("closed without an answer".into());
            }
            Ok(None) if read == 0 => return Err("closed in the middle of its answer".into()),
            Ok(None) if answer.len() < LIMIT => {}
            Ok(None) | Err(_) => return Err("not an HTTP answer".into()),
        }
    };
    // Closing with bytes unread would reset the target's connection; what comes of the rest changes nothing.
    let rest = async {
        match head.framing {
            Framing::Length(length) => {
                let unread = length.saturating_sub((answer.len() - head_length) as u64);
                tokio::io::copy(&mut stream.take(unread), &mut tokio::io::sink()).await
            }
            Framing::Chunked | Framing::ToEof => {
                tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
            }
        }
    };
    let _ = tokio::time::timeout(COURTESY, rest).await;
    Ok(head.status)
}
