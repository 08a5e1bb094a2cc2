//! A service that keeps `axum::serve`, and takes nothing but the engine: signals, phases, one deadline, closers, the
//! report. What axum does with its sockets stays as it is; `lameduck-http` has a listener that does better.

use std::future::IntoFuture;

use axum::{Router, routing::get};
use lameduck_core::{Exit, Lifecycle};

#[tokio::main]
async fn main() -> Exit {
    Lifecycle::new()
        .task("http", |handle| async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            println!("{}", listener.local_addr()?);
            let app = Router::new().route("/", get(|| async { "hello" }));
            let draining = handle.clone();
            let served = axum::serve(listener, app)
                .with_graceful_shutdown(async move { draining.until_draining().await });
            tokio::select! {
                ended = served.into_future() => ended,
                () = handle.until_drain_deadline() => Ok(()), // it would wait without end
            }
        })
        .close_with("database", || async { Ok::<_, std::io::Error>(()) })
        .run()
        .await
}
