//! `axum::serve` as a part of a lifecycle.

use std::future::pending;
use std::io;
use std::net::SocketAddr;

use axum::Router;
use clap::Parser;
use lameduck::{Exit, Handle, Listener};
use servers::{Args, app, lifecycle, stopped};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> Exit {
    let args = Args::parse();
    if args.plain {
        return match plain(&args).await {
            Ok(()) => Exit::CLEAN,
            Err(_) => Exit::FAILED,
        };
    }
    let life = lifecycle(&args.admin);
    let listener = args.listener();
    life.task("http", move |handle| async move {
        let listener = handle.listener(listener?)?;
        serve(listener, app::router(), handle).await
    })
    .run()
    .await
}

/// Serves until it has drained, or the time for that is over.
async fn serve(listener: Listener, app: Router, handle: Handle) -> io::Result<()> {
    let closed = listener.closed();
    let app = app.layer(handle.layer());
    let served = axum::serve(Accept(listener), app).with_graceful_shutdown(closed);
    tokio::select! {
        ended = served => ended,
        // It would wait for its connections without end.
        () = handle.let_go() => Ok(()),
    }
}

/// The listener, as axum wants it: it never ends by itself.
struct Accept(Listener);

impl axum::serve::Listener for Accept {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        while let Some(stream) = self.0.accept().await {
            // One whose address nobody knows is gone already.
            if let Ok(peer) = stream.peer_addr() {
                return (stream, peer);
            }
        }
        pending().await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.local_addr())
    }
}

async fn plain(args: &Args) -> io::Result<()> {
    let listener = args.listener()?;
    listener.set_nonblocking(true)?;
    axum::serve(TcpListener::from_std(listener)?, app::router())
        .with_graceful_shutdown(stopped())
        .await
}
