//! tonic as its documentation writes it: `serve_with_shutdown` on SIGTERM, with tonic's own health service, whose
//! `Check` is a unary call and whose `Watch` streams for ever.

use std::net::SocketAddr;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tonic::transport::Server;

#[derive(Parser)]
struct Args {
    /// Address to serve on.
    #[arg(long, default_value = "127.0.0.1:50051")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (_reporter, health) = tonic_health::server::health_reporter();
    let mut terminate = signal(SignalKind::terminate())?;
    let stopped = async move {
        terminate.recv().await;
    };
    Server::builder()
        .add_service(health)
        .serve_with_shutdown(Args::parse().listen, stopped)
        .await?;
    Ok(())
}
