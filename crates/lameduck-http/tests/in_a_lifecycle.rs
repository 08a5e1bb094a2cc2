//! The server and the probes as parts of a lifecycle: who ends after whom, and what answers while a process
//! starts.

use std::future::pending;
use std::time::Duration;

use lameduck_core::{Exit, Handle, Lifecycle};
use lameduck_http::doc::Hello;
use lameduck_http::{Http, Probes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

type Never = Result<(), std::io::Error>;

async fn address(handle: &Handle) -> String {
    handle.phases().reached(lameduck_core::Phase::Ready).await;
    handle.address("api").expect("it listens")
}

async fn get(stream: &mut TcpStream) -> String {
    let request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    stream
        .write_all(request.as_bytes())
        .await
        .expect("a server");
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello\n") {
        assert_ne!(
            stream.read_buf(&mut answer).await.expect("a server"),
            0,
            "cut"
        );
    }
    String::from_utf8(answer).expect("text")
}

#[tokio::test]
async fn idle_exits_although_what_the_server_uses_is_still_at_work() {
    let life = Lifecycle::embedded()
        .task("relay", |handle: Handle| async move {
            handle.until_unused().await;
            Never::Ok(())
        })
        .component(Http::new("api", "127.0.0.1:0", Hello))
        .depends_on("api", "relay");
    let handle = life.handle();
    let running = tokio::spawn(life.run());
    let mut idle = TcpStream::connect(address(&handle).await).await.unwrap();
    get(&mut idle).await;
    handle.shutdown("test");
    assert_eq!(running.await.unwrap(), Exit::CLEAN);
    let took = handle.report("", None).took;
    assert!(
        took < Duration::from_secs(3),
        "{took:?}: the two waited for each other"
    );
}

#[tokio::test]
async fn a_server_that_is_used_accepts_until_its_user_has_ended() {
    let life = Lifecycle::embedded();
    let handle = life.handle();
    let server = handle.clone();
    let life = life
        .component(Http::new("api", "127.0.0.1:0", Hello))
        .task("importer", |handle: Handle| async move {
            handle.until_draining().await;
            let mut stream = TcpStream::connect(address(&server).await).await?;
            let answer = get(&mut stream).await;
            assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
            Never::Ok(())
        })
        .depends_on("importer", "api");
    let running = tokio::spawn(life.run());
    address(&handle).await;
    handle.shutdown("test");
    assert_eq!(running.await.unwrap(), Exit::CLEAN);
}

/// The status line of a GET, by a client that knows nothing of lameduck.
async fn status(addr: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.expect("a server");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("a server");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("a server");
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn live_holds_while_the_start_up_hangs() {
    let mut life = Lifecycle::embedded().probes(Probes::new("127.0.0.1:0"));
    let handle = life.handle();
    let looks = async {
        let addr = loop {
            match handle.address("probes") {
                Some(addr) => break addr,
                None => tokio::task::yield_now().await,
            }
        };
        assert_eq!(status(&addr, "/livez").await, "HTTP/1.1 200 OK");
        assert_eq!(
            status(&addr, "/readyz").await,
            "HTTP/1.1 503 Service Unavailable"
        );
        assert_eq!(
            status(&addr, "/startupz").await,
            "HTTP/1.1 503 Service Unavailable"
        );
        handle.shutdown("seen enough");
    };
    let (step, ()) = tokio::join!(life.starting_infallible("database", pending::<()>()), looks);
    assert!(step.is_none());
    assert_eq!(life.run().await, Exit::CLEAN);
}

#[tokio::test]
async fn a_setting_that_cannot_be_is_refused_before_any_port_is_taken() {
    let life = Lifecycle::embedded()
        .probes(Probes::new("127.0.0.1:0"))
        .component(Http::new("api", "127.0.0.1:0", Hello).max_connections(0));
    let handle = life.handle();
    assert_eq!(life.run().await, Exit::BAD_CONFIGURATION);
    assert_eq!(handle.address("probes"), None);
}
