//! Slow clients at the signal, against bare servers: one that answers once the request is whole, one that closes, one that
//! loses it.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::barrier::Cue;
use super::notebook::Client;
use super::slow_client;
use super::stage::Stage;
use crate::endpoint::Endpoint;
use crate::ledger::{Ending, Exchange, Lane};
use crate::request::RequestTemplate;
use crate::wire::{Reach, Wire};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// A server that does something with the connection once it has read what comes before the signal, and that was sent.
async fn slow_client<F: Future<Output = ()>>(
    lane: Lane,
    rtt: Duration,
    treat: impl FnOnce(TcpStream, Vec<u8>) -> F,
) -> Exchange {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stage = Stage::new(Wire::new(rtt), Endpoint::parse(&url).unwrap(), 1);
    let client = Client { lane, number: 1 };
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        match lane {
            Lane::HalfHead => {
                head = vec![0; HALF];
                stream.read_exact(&mut head).await.unwrap();
            }
            Lane::BetweenRequests => {
                rest(&mut stream, Vec::new()).await;
                stream.write_all(OK).await.unwrap();
            }
            _ => {}
        }
        stage.barrier().is_complete().await;
        stage.signalled(Instant::now());
        treat(stream, head).await;
    };
    let cue = Cue {
        signal: Instant::now(),
        rtt,
        place: stage.barrier().place(),
    };
    let load = slow_client::run(stage.clone(), client, request(), cue);
    tokio::join!(serve, load);
    stage.stop();
    stage.seen_off().await;
    let (mut exchanges, _) = stage.notebook().take().unwrap();
    let exchange = exchanges.pop().unwrap();
    let before = usize::from(lane == Lane::BetweenRequests);
    assert_eq!(exchanges.len(), before, "{exchanges:?}");
    let held = exchange.held.unwrap();
    assert_eq!(held.reach, Reach::Read, "{lane} at {rtt:?}");
    exchange
}

/// Bytes of half a head, at the least.
const HALF: usize = 40;

fn request() -> RequestTemplate {
    RequestTemplate::get("/health")
}

const LANES: [Lane; 3] = [Lane::Silent, Lane::HalfHead, Lane::BetweenRequests];

async fn rest(stream: &mut TcpStream, mut head: Vec<u8>) {
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"GET /health HTTP/1.1\r\n"));
}

#[tokio::test]
async fn what_was_begun_is_answered_once_it_is_whole() {
    for lane in LANES {
        for rtt in [0, 20].map(Duration::from_millis) {
            let exchange = slow_client(lane, rtt, |mut stream, head| async move {
                rest(&mut stream, head).await;
                stream.write_all(OK).await.unwrap();
            })
            .await;
            assert_eq!(exchange.ending, Ending::Ok, "{lane}");
            assert_eq!(exchange.reused, lane == Lane::BetweenRequests);
        }
    }
}

#[tokio::test]
async fn a_client_that_sees_the_end_before_its_head_is_whole_has_lost_nothing() {
    for lane in LANES {
        let exchange = slow_client(
            lane,
            Duration::ZERO,
            |stream, _| async move { drop(stream) },
        );
        let exchange = exchange.await;
        assert_eq!(exchange.ending, Ending::Unprocessed, "{}", exchange.what());
    }
}

#[tokio::test]
async fn a_whole_head_without_an_answer_is_lost() {
    for lane in LANES {
        let exchange = slow_client(lane, Duration::ZERO, |mut stream, head| async move {
            rest(&mut stream, head).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        });
        let exchange = exchange.await;
        assert_eq!(exchange.ending, Ending::EofBeforeResponse, "{lane}");
    }
}

/// A server that accepts nobody is not waited for much longer than it may take to accept, and it is said that it has not.
#[tokio::test]
async fn the_signal_comes_although_nobody_accepts() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stage = Stage::new(Wire::new(Duration::ZERO), Endpoint::parse(&url).unwrap(), 1);
    let cue = Cue {
        signal: Instant::now(),
        rtt: Duration::ZERO,
        place: stage.barrier().place(),
    };
    let lane = Lane::HalfHead;
    let client = Client { lane, number: 1 };
    let load = tokio::spawn(slow_client::run(stage.clone(), client, request(), cue));
    let complete = tokio::time::timeout(Duration::from_secs(20), stage.barrier().is_complete());
    complete.await.unwrap();
    stage.signalled(Instant::now());
    stage.stop();
    load.abort();
    drop(load.await);
    let (exchanges, _) = stage.notebook().take().unwrap();
    // Not wholly sent when the prover stopped waiting: nothing to be entered, or entered as delivered and no more.
    for exchange in exchanges {
        assert_ne!(exchange.held.map(|held| held.reach), Some(Reach::Read));
    }
}
