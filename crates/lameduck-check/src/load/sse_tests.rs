//! Clients that hold event streams, against small servers over HTTP/1.1 and HTTP/2.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::notebook::Client;
use super::sse;
use super::stage::Stage;
use crate::endpoint::Endpoint;
use crate::ledger::{Ending, Exchange, Lane};
use crate::request::RequestTemplate;
use crate::wire::Wire;

async fn stage() -> (TcpListener, Stage) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stage = Stage::new(Wire::new(Duration::ZERO), Endpoint::parse(&url).unwrap(), 1);
    (listener, stage)
}

fn client(stage: &Stage, lane: Lane) -> impl Future<Output = ()> + use<> {
    let request = RequestTemplate::get("/events").header("accept", "text/event-stream");
    sse::run(stage.clone(), Client { lane, number: 1 }, request)
}

/// One stream that is open at the signal, whose server then sends this and closes.
async fn stream_over_http1(head: &str, after_the_signal: &[u8]) -> Exchange {
    let (listener, stage) = stage().await;
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        stage.signalled(Instant::now());
        stream.write_all(after_the_signal).await.unwrap();
    };
    tokio::join!(serve, client(&stage, Lane::Events));
    let (mut exchanges, _) = stage.notebook().take().unwrap();
    assert_eq!(
        exchanges.len(),
        1,
        "after the signal nobody comes back: {exchanges:?}"
    );
    exchanges.remove(0)
}

async fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(String::from_utf8_lossy(&head).contains("text/event-stream"));
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n";

#[tokio::test]
async fn a_stream_with_its_last_chunk_is_whole_and_its_events_are_counted() {
    let stream = stream_over_http1(CHUNKED, b"9\r\ndata: 2\n\n\r\n0\r\n\r\n").await;
    assert_eq!(stream.ending, Ending::Ok, "{}", stream.what());
    let events = stream.events.unwrap();
    assert_eq!((events.events(), events.is_at_boundary()), (2, true));
}

#[tokio::test]
async fn a_stream_without_its_last_chunk_is_cut_and_what_came_is_kept() {
    let stream = stream_over_http1(CHUNKED, b"20\r\ndata: ").await;
    assert_eq!(stream.ending, Ending::Truncated);
    let events = stream.events.unwrap();
    assert!(!events.is_at_boundary());
    assert_eq!(events.tail(), r"data: 1\n\ndata: ");
}

#[tokio::test]
async fn a_stream_up_to_the_end_of_its_connection_ends_with_its_fin() {
    let stream = stream_over_http1("HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n", b"data: 2\n").await;
    assert_eq!(stream.ending, Ending::OkClose, "{}", stream.what());
    assert!(!stream.events.unwrap().is_at_boundary());
}

#[tokio::test]
async fn a_stream_that_ends_before_the_signal_is_opened_anew() {
    let (listener, stage) = stage().await;
    let serve = async {
        for turn in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_head(&mut stream).await;
            if turn == 1 {
                stage.signalled(Instant::now());
            }
            stream.write_all(CHUNKED.as_bytes()).await.unwrap();
            stream.write_all(b"0\r\n\r\n").await.unwrap();
        }
    };
    tokio::join!(serve, client(&stage, Lane::Events));
    assert_eq!(stage.notebook().take().unwrap().0.len(), 2);
}

#[tokio::test]
async fn a_stream_that_does_not_end_is_entered_when_the_prover_stops_waiting() {
    let (listener, stage) = stage().await;
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        stream.write_all(CHUNKED.as_bytes()).await.unwrap();
        // Until the client goes by itself.
        tokio::time::sleep(Duration::from_millis(30)).await;
        stage.stop();
        stream
    };
    let (_open, ()) = tokio::join!(serve, client(&stage, Lane::Events));
    let (exchanges, _) = stage.notebook().take().unwrap();
    assert_eq!(exchanges[0].ending, Ending::Timeout);
}

#[tokio::test]
async fn over_http2_the_end_of_a_stream_and_a_connection_that_just_ends_are_told_apart() {
    for (is_ended, ending) in [(true, Ending::Ok), (false, Ending::Truncated)] {
        let (listener, stage) = stage().await;
        let serve = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let (_, mut respond) = connection.accept().await.unwrap().unwrap();
            let mut body = respond
                .send_response(http::Response::new(()), false)
                .unwrap();
            body.send_data(Bytes::from_static(b"data: 1\n\n"), is_ended)
                .unwrap();
            // Drives the connection until the data is out and the client has seen it.
            let _ = tokio::time::timeout(Duration::from_millis(100), connection.accept()).await;
            stage.signalled(Instant::now());
        };
        tokio::join!(serve, client(&stage, Lane::EventsH2));
        let (exchanges, _) = stage.notebook().take().unwrap();
        assert_eq!(exchanges[0].ending, ending, "{}", exchanges[0].what());
        assert_eq!(exchanges[0].events.as_ref().unwrap().events(), 1);
    }
}
