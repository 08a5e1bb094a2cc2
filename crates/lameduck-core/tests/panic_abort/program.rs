//! A process built with `panic = "abort"`, by `main.rs` beside this.

use lameduck_core::{Exit, Lifecycle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Exit {
    let does = std::env::args().nth(1).unwrap_or_default();
    let hangs = does == "hangs";
    Lifecycle::new()
        .task("worker", |handle| async move {
            println!("ready");
            if does == "panics" {
                panic!("a bug");
            }
            handle.phases().reached(lameduck_core::Phase::LameDuck).await;
            Ok::<_, std::io::Error>(())
        })
        .close_with("pool", move || async move {
            println!("closed");
            if hangs {
                std::thread::sleep(std::time::Duration::from_secs(60));
            }
            Ok::<_, std::io::Error>(())
        })
        .run()
        .await
}
