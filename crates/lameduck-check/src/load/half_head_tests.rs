//! Half a head at the signal, against bare servers: one that answers once it is whole, one that closes, one that loses it.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::half_head;
use super::notebook::Client;
use super::stage::Stage;
use crate::endpoint::Endpoint;
use crate::ledger::{Ending, Exchange, Lane};
use crate::request::RequestTemplate;
use crate::wire::Wire;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// A server that does something with the connection, once it has read half of a head and the signal was sent.
async fn half_a_head<F: Future<Output = ()>>(
    treat: impl FnOnce(TcpStream, Vec<u8>) -> F,
) -> Exchange {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stage = Stage::new(Wire::new(Duration::ZERO), Endpoint::parse(&url).unwrap(), 1);
    let client = Client {
        lane: Lane::HalfHead,
        number: 1,
    };
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = vec![0u8; 20];
        stream.read_exact(&mut head).await.unwrap();
        stage.signalled(Instant::now());
        treat(stream, head).await;
    };
    let request = RequestTemplate::get("/health");
    let load = half_head::run(
        stage.clone(),
        client,
        request,
        Instant::now(),
        Duration::ZERO,
    );
    tokio::join!(serve, load);
    stage.stop();
    stage.seen_off().await;
    let (mut exchanges, _) = stage.notebook().take().unwrap();
    assert_eq!(exchanges.len(), 1, "{exchanges:?}");
    exchanges.remove(0)
}

async fn rest(stream: &mut TcpStream, mut head: Vec<u8>) {
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"GET /health HTTP/1.1\r\n"));
}

#[tokio::test]
async fn what_was_begun_is_answered_once_it_is_whole() {
    let exchange = half_a_head(|mut stream, head| async move {
        rest(&mut stream, head).await;
        stream.write_all(OK).await.unwrap();
    })
    .await;
    assert_eq!(exchange.ending, Ending::Ok);
    assert!(!exchange.reused);
}

#[tokio::test]
async fn a_client_that_sees_the_end_before_its_head_is_whole_has_lost_nothing() {
    let exchange = half_a_head(|stream, _| async move { drop(stream) }).await;
    assert_eq!(exchange.ending, Ending::Unprocessed, "{}", exchange.what());
}

#[tokio::test]
async fn a_whole_head_without_an_answer_is_lost() {
    let exchange = half_a_head(|mut stream, head| async move {
        rest(&mut stream, head).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    })
    .await;
    assert_eq!(exchange.ending, Ending::EofBeforeResponse);
}
