//! `axum::serve` as a part of a lifecycle.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::serve::ListenerExt;
use clap::Parser;
use lameduck::{Exit, Handle, Listener, TrackLayer};
use servers::{Args, app, lifecycle, stopped};
use tokio::net::TcpListener;

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
        let listener = Listener::new(&handle, listener?)?;
        serve(listener, app::router(), handle).await
    })
    .run()
    .await
}

/// Serves until it has drained, or the time for that is over.
async fn serve(listener: Listener, app: Router, handle: Handle) -> io::Result<()> {
    let closed = listener.closed();
    let app = app.layer(TrackLayer::new(&handle));
    // What is tapped tells axum the address of the client, for `ConnectInfo<SocketAddr>`.
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener.tap_io(|_| ()), app).with_graceful_shutdown(closed);
    tokio::select! {
        ended = served => ended,
        // It would wait for its connections without end.
        () = handle.until_drain_deadline() => Ok(()),
    }
}

async fn plain(args: &Args) -> io::Result<()> {
    let listener = args.listener()?;
    listener.set_nonblocking(true)?;
    axum::serve(TcpListener::from_std(listener)?, app::router())
        .with_graceful_shutdown(stopped())
        .await
}
