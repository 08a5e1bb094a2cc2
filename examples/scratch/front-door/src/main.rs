//! The ten lines of the README.

use std::time::Duration;

use axum::{Router, routing::get};
use lameduck::{Http, Lifecycle, Probes};

#[tokio::main]
async fn main() -> lameduck::Exit {
    let life = Lifecycle::new(); // first: from here on a SIGTERM is honoured
    let handle = life.handle();
    let app = Router::new().route("/", get(|| async { "hello" }));

    life.grace(Duration::from_secs(30))
        .component(Http::new("api", "127.0.0.1:0", app))
        .task("greeter", |_| async move {
            handle.phases().reached(lameduck::Phase::Ready).await;
            println!("{}", handle.address("api").unwrap_or_default());
            Ok::<_, std::io::Error>(())
        })
        .close_with("cache", || async { Ok::<_, std::io::Error>(()) })
        .probes(Probes::new("127.0.0.1:0"))
        .run()
        .await
}
