//! tonic's own server as a part of a lifecycle, with the health service and HTTP routes beside it.

use std::error::Error;
use std::io;

use clap::Parser;
use futures_util::stream::{self, Stream, StreamExt};
use lameduck::{BoxError, Exit, Handle, Listener, TrackLayer};
use servers::{Args, app, lifecycle, stopped};
use tokio::net::{TcpListener, TcpStream};
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

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
    life.task("grpc", move |handle| async move {
        let listener = Listener::new(&handle, listener?)?;
        // One's own services are added to the routes, and named to the health service.
        let health = lameduck::grpc_health(&handle, ["shop.v1.Shop"]);
        let routes = Routes::from(app::router()).add_service(health);
        serve(listener, routes, handle).await
    })
    .run()
    .await
}

/// Serves until it has drained, or the time for that is over.
async fn serve(listener: Listener, routes: Routes, handle: Handle) -> Result<(), BoxError> {
    let closed = listener.closed();
    let served = Server::builder()
        .accept_http1(true)
        .layer(TrackLayer::new(&handle))
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming(listener), closed);
    tokio::select! {
        ended = served => Ok(ended?),
        // It would wait for its connections without end.
        () = handle.until_drain_deadline() => Ok(()),
    }
}

/// The listener, as tonic wants it. It never ends by itself: with the last connection tonic would
/// send everybody away, those who came last included.
fn incoming(listener: Listener) -> impl Stream<Item = io::Result<TcpStream>> {
    let connections = stream::unfold(listener, |mut listener| async move {
        let (stream, _) = listener.accept().await?;
        Some((Ok(stream), listener))
    });
    connections.chain(stream::pending())
}

async fn plain(args: &Args) -> Result<(), Box<dyn Error>> {
    let listener = args.listener()?;
    listener.set_nonblocking(true)?;
    let incoming = TcpIncoming::from(TcpListener::from_std(listener)?);
    Server::builder()
        .accept_http1(true)
        .add_routes(Routes::from(app::router()))
        .serve_with_incoming_shutdown(incoming, stopped())
        .await?;
    Ok(())
}
