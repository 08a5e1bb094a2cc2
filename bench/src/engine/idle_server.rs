//! A server that does nothing: the same few bytes for every request, by one thread.
//!
//! On SIGTERM it goes on for as long as it was told to, so that there is something to measure; then it stops listening,
//! answers with `Connection: close`, and loses nothing.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::task::TaskTracker;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const LAST_ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";

/// Options of the hidden `idle-server`.
#[derive(Args)]
pub struct Options {
    /// Where to serve
    listen: SocketAddr,

    /// Seconds to go on after SIGTERM
    #[arg(long, default_value_t = 0)]
    seconds: u64,
}

/// Serves until SIGTERM and a little longer.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .context("cannot ask to end together with who started it")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    runtime.block_on(serve(options))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(options: &Options) -> anyhow::Result<()> {
    let mut term = signal(SignalKind::terminate()).context("cannot listen to SIGTERM")?;
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot serve on {}", options.listen))?;
    let is_ending = Arc::new(AtomicBool::new(false));
    let connections = TaskTracker::new();
    let end = async {
        term.recv().await;
        tokio::time::sleep(Duration::from_secs(options.seconds)).await;
    };
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => break,
            accepted = listener.accept() => {
                let (stream, _) = accepted.context("cannot accept")?;
                connections.spawn(answer(stream, is_ending.clone()));
            }
        }
    }
    is_ending.store(true, Ordering::Relaxed);
    drop(listener);
    connections.close();
    connections.wait().await;
    Ok(())
}

/// Every request is a head and nothing else, and comes alone.
async fn answer(mut stream: TcpStream, is_ending: Arc<AtomicBool>) {
    let mut buffer = [0u8; 4096];
    let mut length = 0;
    let _ = stream.set_nodelay(true);
    while let Ok(read @ 1..) = stream.read(&mut buffer[length..]).await {
        length += read;
        if !buffer[..length].ends_with(b"\r\n\r\n") {
            continue;
        }
        length = 0;
        let is_last = is_ending.load(Ordering::Relaxed);
        let answer = if is_last { LAST_ANSWER } else { ANSWER };
        if stream.write_all(answer).await.is_err() {
            return;
        }
        if is_last {
            let _ = stream.shutdown().await;
        }
    }
}
