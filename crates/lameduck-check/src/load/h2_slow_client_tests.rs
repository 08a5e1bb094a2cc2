//! Slow HTTP/2 clients against bare servers: one that answers, one that sends back, one that loses.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};

use super::barrier::Cue;
use super::h2_slow_client;
use super::notebook::Client;
use super::stage::Stage;
use crate::endpoint::Endpoint;
use crate::ledger::{Ending, Exchange, Lane};
use crate::request::RequestTemplate;
use crate::wire::{Reach, Wire};

/// What a server does after the signal.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Answers,
    SendsBack,
    Closes,
    Loses,
}

/// Odd numbers send half of the preface, even ones all of it.
async fn slow_client(lane: Lane, number: u32, rtt: Duration, then: Then) -> Exchange {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stage = Stage::new(Wire::new(rtt), Endpoint::parse(&url).unwrap(), 1);
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let signalled = async {
            stage.barrier().is_complete().await;
            stage.signalled(Instant::now());
        };
        if then == Then::Closes {
            let mut some = [0; 4096];
            let read = async {
                while !matches!(stream.try_read(&mut some), Ok(0)) {
                    stream.readable().await.unwrap();
                }
            };
            tokio::select! { () = read => {}, () = signalled => {} }
            return;
        }
        tokio::join!(serve(stream, then, &stage), signalled);
    };
    let cue = Cue {
        signal: Instant::now(),
        rtt,
        place: stage.barrier().place(),
    };
    let request = RequestTemplate::post("/", vec![b'u'; 32 * 1024]);
    let client = Client { lane, number };
    let run = h2_slow_client::run(stage.clone(), client, request, cue);
    let both = async { tokio::join!(serve, run) };
    let in_time = tokio::time::timeout(Duration::from_secs(10), both);
    in_time.await.expect("neither waits for the other");
    let (mut exchanges, _) = stage.notebook().take().unwrap();
    assert_eq!(exchanges.len(), 1, "{exchanges:?}");
    let exchange = exchanges.remove(0);
    assert_eq!(exchange.held.map(|held| held.reach), Some(Reach::Read));
    exchange
}

async fn serve(stream: TcpStream, then: Then, stage: &Stage) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    if then == Then::SendsBack {
        // The frames under way are read meanwhile.
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = stage.signal() => None,
        };
        assert!(accepted.is_none());
        connection.abrupt_shutdown(h2::Reason::NO_ERROR);
        while let Some(Ok(_)) = connection.accept().await {}
        return;
    }
    let Some(Ok((request, mut respond))) = connection.accept().await else {
        return;
    };
    let answer = async move {
        let mut body = request.into_body();
        while let Some(Ok(data)) = body.data().await {
            let _ = body.flow_control().release_capacity(data.len());
        }
        if then == Then::Loses {
            // What is still to be seen of it is its end, and that comes well after what it has read.
            return tokio::time::sleep(Duration::from_millis(30)).await;
        }
        let mut send = respond
            .send_response(http::Response::new(()), false)
            .unwrap();
        send.send_data(Bytes::from_static(b"done"), true).unwrap();
        std::future::pending::<()>().await;
    };
    // Until the client has closed it.
    tokio::select! { () = answer => {}, _ = connection.accept() => {} }
}

/// Each of the three, by lane and number.
const ALL: [(Lane, u32); 3] = [
    (Lane::H2Preface, 1),
    (Lane::H2Preface, 2),
    (Lane::H2HalfBody, 1),
];

#[tokio::test]
async fn what_comes_after_the_signal_is_answered_near_and_far() {
    for (lane, number) in ALL {
        for rtt in [0, 20].map(Duration::from_millis) {
            let exchange = slow_client(lane, number, rtt, Then::Answers).await;
            assert_eq!(exchange.ending, Ending::Ok, "{lane}: {}", exchange.what());
        }
    }
}

#[tokio::test]
async fn what_is_sent_back_or_ended_before_its_stream_has_lost_nothing() {
    for number in [1, 2] {
        for then in [Then::SendsBack, Then::Closes] {
            // A server that has read no more than half of the preface has nothing to say.
            if (number, then) == (1, Then::SendsBack) {
                continue;
            }
            let exchange = slow_client(Lane::H2Preface, number, Duration::ZERO, then).await;
            assert_eq!(exchange.ending, Ending::Unprocessed, "{}", exchange.what());
        }
    }
}

#[tokio::test]
async fn a_stream_that_came_whole_and_is_not_answered_is_lost() {
    for (lane, number) in ALL {
        let exchange = slow_client(lane, number, Duration::ZERO, Then::Loses).await;
        assert!(exchange.ending.is_lost(), "{lane}: {}", exchange.what());
    }
}
