//! hyper-util's connection builder, in an accept loop of one's own, as a part of a lifecycle.

use std::io;
use std::pin::pin;
use std::time::Duration;

use axum::http::Response;
use clap::Parser;
use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use lameduck::{BoxError, Exit, Handle, Listener, TrackLayer};
use servers::{Args, app, lifecycle, stopped};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, Service};

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
async fn serve(mut listener: Listener, app: axum::Router, handle: Handle) -> io::Result<()> {
    let app = TrackLayer::new(&handle).layer(app);
    let mut builder = Builder::new(TokioExecutor::new());
    // Or whoever never ends the head of a request would keep the drain waiting.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(3));
    let graceful = GracefulShutdown::new();
    let closed = listener.closed();
    while let Some((stream, _)) = listener.accept().await {
        serve_connection(&builder, &graceful, stream, app.clone());
    }
    closed.await;
    tokio::select! {
        () = graceful.shutdown() => {}
        // It would wait for its connections without end.
        () = handle.until_drain_deadline() => {}
    }
    Ok(())
}

fn serve_connection<S, B>(
    builder: &Builder<TokioExecutor>,
    graceful: &GracefulShutdown,
    stream: TcpStream,
    app: S,
) where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let service = TowerToHyperService::new(app);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::spawn(graceful.watch(connection.into_owned()));
}

/// As hyper-util's own example has it.
async fn plain(args: &Args) -> io::Result<()> {
    let listener = args.listener()?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let builder = Builder::new(TokioExecutor::new());
    let graceful = GracefulShutdown::new();
    let mut stopped = pin!(stopped());
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    serve_connection(&builder, &graceful, stream, app::router());
                }
            }
            () = &mut stopped => break,
        }
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(Duration::from_secs(10)) => {}
    }
    Ok(())
}
