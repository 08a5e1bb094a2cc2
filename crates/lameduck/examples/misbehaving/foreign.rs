//! The same service on a server that is not lameduck's: hyper's, with lameduck's listener and layer.

use std::io;
use std::pin::pin;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use lameduck::{Handle, Listener, Phase, ProxyProtocol, TrackLayer};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

pub async fn serve(
    listen: String,
    proxy: Option<ProxyProtocol>,
    app: Router,
    handle: Handle,
) -> io::Result<()> {
    let socket = tokio::net::TcpListener::bind(listen).await?;
    let address = socket.local_addr()?;
    let mut listener = Listener::new(&handle, socket.into_std()?)?;
    if let Some(proxy) = proxy {
        listener = listener.proxy_protocol(proxy);
    }
    let app = TowerToHyperService::new(app.layer(TrackLayer::new(&handle)));
    handle.phases().reached(Phase::Ready).await;
    let probes = handle.address("probes");
    println!(
        "ready api={address} probes={}",
        probes.as_deref().unwrap_or("none")
    );
    let mut connections = JoinSet::new();
    while let Some((stream, _)) = listener.accept().await {
        connections.spawn(connection(stream, app.clone(), handle.clone()));
        while connections.try_join_next().is_some() {}
    }
    // An answer that the layer has seen off is written by its connection's task.
    tokio::select! {
        _ = connections.join_all() => {}
        () = handle.until_drain_deadline() => {}
    }
    Ok(())
}

async fn connection(stream: TcpStream, app: TowerToHyperService<Router>, handle: Handle) {
    let server = auto::Builder::new(TokioExecutor::new());
    let mut served = pin!(server.serve_connection_with_upgrades(TokioIo::new(stream), app));
    tokio::select! {
        _ = served.as_mut() => return,
        () = handle.until_draining() => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}
