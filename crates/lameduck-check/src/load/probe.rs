//! Looks at a probe, each on a connection of its own, as orchestrators look.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stage::Stage;
use crate::endpoint::Endpoint;
use crate::ledger::Sample;

/// A look takes no longer.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Pause between two looks.
pub(crate) const INTERVAL: Duration = Duration::from_millis(5);

/// Looks again and again until the loads are ended.
pub(crate) async fn watch(stage: Stage, endpoint: Endpoint) -> Vec<Sample> {
    let mut samples = Vec::new();
    while !stage.is_over() {
        if let Some(sample) = stage.unless_over(look(&endpoint)).await {
            samples.push(sample);
        }
        stage.sleep(INTERVAL).await;
    }
    samples
}

/// Looks once. Only the status line is read.
pub(crate) async fn look(endpoint: &Endpoint) -> Sample {
    let asked = Instant::now();
    let status = match tokio::time::timeout(TIMEOUT, ask(endpoint)).await {
        Ok(status) => status,
        Err(_) => Err(format!("no answer in {TIMEOUT:?}")),
    };
    Sample {
        asked,
        answered: Instant::now(),
        status,
    }
}

async fn ask(endpoint: &Endpoint) -> Result<u16, String> {
    let in_words = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(endpoint.address)
        .await
        .map_err(in_words)?;
    let Endpoint {
        authority, path, ..
    } = endpoint;
    let head = format!("GET {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.map_err(in_words)?;
    let mut answer = Vec::with_capacity(512);
    // To the end: closing with bytes unread would reset the target's connection.
    stream
        .take(64 * 1024)
        .read_to_end(&mut answer)
        .await
        .or_else(|error| match answer.is_empty() {
            true => Err(error.to_string()),
            false => Ok(0),
        })?;
    let status = answer
        .get(..12)
        .and_then(|line| line.strip_prefix(b"HTTP/1.1 "))
        .or_else(|| {
            answer
                .get(..12)
                .and_then(|line| line.strip_prefix(b"HTTP/1.0 "))
        });
    status
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| match answer.is_empty() {
            true => "closed without an answer".to_owned(),
            false => "not an HTTP answer".to_owned(),
        })
}
