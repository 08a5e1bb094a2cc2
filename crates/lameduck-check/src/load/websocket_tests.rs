//! WebSocket clients against small servers, one for each way a WebSocket can end.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};

use super::notebook::Client;
use super::stage::Stage;
use super::websocket;
use crate::endpoint::Endpoint;
use crate::ledger::{Lane, Parting, Socket};
use crate::wire::{Reach, Wire};

const CLIENT: Client = Client {
    lane: Lane::WebSocket,
    number: 1,
};

async fn stage(rtt: Duration) -> (TcpListener, Stage) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let stage = Stage::new(Wire::new(rtt), Endpoint::parse(&url).unwrap(), 1);
    (listener, stage)
}

/// One WebSocket that has brought a message, and then, the signal sent, is treated like this.
async fn socket<F: Future<Output = ()>>(
    rtt: Duration,
    treat: impl FnOnce(WebSocketStream<TcpStream>) -> F,
) -> Socket {
    let (listener, stage) = stage(rtt).await;
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = tokio_tungstenite::accept_async(stream).await.unwrap();
        let message = stream.next().await.unwrap().unwrap();
        assert_eq!(message.into_text().unwrap(), "message 1 of websocket 1");
        stage.signalled(Instant::now());
        treat(stream).await;
    };
    // The client ends by itself: after the signal it opens no other.
    tokio::join!(
        serve,
        websocket::run(stage.clone(), CLIENT, "/".to_owned(), None)
    );
    let mut sockets = stage.notebook().take_sockets();
    assert_eq!(sockets.len(), 1, "{sockets:?}");
    sockets.remove(0)
}

/// One that has sent half of a message when the signal comes, and then is treated like this.
async fn half_way<F: Future<Output = ()>>(
    rtt: Duration,
    treat: impl FnOnce(WebSocketStream<TcpStream>) -> F,
) -> Socket {
    let (listener, stage) = stage(rtt).await;
    let (_tell, from) = tokio::sync::watch::channel(Some(Instant::now() + rtt * 3));
    let half_way = Some(websocket::HalfWay {
        place: stage.barrier().place(),
        from,
    });
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = tokio_tungstenite::accept_async(stream).await.unwrap();
        // Read what comes until it is half of a message.
        let whole = async { while let Some(Ok(_)) = stream.next().await {} };
        let signalled = async {
            stage.barrier().is_complete().await;
            stage.signalled(Instant::now());
        };
        tokio::select! { () = whole => {}, () = signalled => {} }
        treat(stream).await;
    };
    let run = websocket::run(stage.clone(), CLIENT, "/".to_owned(), half_way);
    tokio::join!(serve, run);
    let mut sockets = stage.notebook().take_sockets();
    assert_eq!(sockets.len(), 1, "{sockets:?}");
    let socket = sockets.remove(0);
    assert_eq!(socket.held.map(|held| held.reach), Some(Reach::Read));
    socket
}

#[tokio::test]
async fn one_in_the_middle_of_a_message_ends_it_and_answers_the_close_near_and_far() {
    for rtt in [0, 20].map(Duration::from_millis) {
        let socket = half_way(rtt, async |mut stream| {
            let going = CloseFrame {
                code: CloseCode::Away,
                reason: "going".into(),
            };
            stream.send(Message::Close(Some(going))).await.unwrap();
            while let Some(Ok(_)) = stream.next().await {}
        })
        .await;
        let close = socket.close.unwrap();
        assert_eq!((close.code, close.answered), (Some(1001), true));
        assert_eq!((socket.parting, socket.fault), (Parting::Fin, None));
    }
}

#[tokio::test]
async fn one_that_is_cut_in_the_middle_of_its_message_is_told() {
    let socket = half_way(Duration::ZERO, async |stream| drop(stream)).await;
    assert!(socket.close.is_none());
    assert_eq!(socket.parting, Parting::Fin);
}

/// Writes bytes as they are, closes the server's side, and reads on until the client's.
async fn last_bytes(stream: WebSocketStream<TcpStream>, bytes: &[u8]) {
    let mut stream = stream.into_inner();
    stream.write_all(bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    tokio::io::copy(&mut stream, &mut tokio::io::sink())
        .await
        .unwrap();
}

async fn in_good_order(mut stream: WebSocketStream<TcpStream>) {
    let going = CloseFrame {
        code: CloseCode::Away,
        reason: "going".into(),
    };
    stream.send(Message::text("one more")).await.unwrap();
    stream.close(Some(going)).await.unwrap();
    while let Some(next) = stream.next().await {
        next.unwrap();
    }
}

#[tokio::test]
async fn a_close_with_its_handshake_is_entered_with_code_reason_and_fin() {
    for rtt in [Duration::ZERO, Duration::from_millis(40)] {
        let socket = socket(rtt, in_good_order).await;
        let close = socket.close.unwrap();
        assert_eq!((close.code, close.reason.as_str()), (Some(1001), "going"));
        assert!(close.answered);
        assert_eq!(
            (socket.parting, socket.cut, socket.fault),
            (Parting::Fin, None, None)
        );
        assert_eq!(socket.received, 1);
        assert!(socket.sent >= 1);
    }
}

#[tokio::test]
async fn a_fin_that_does_not_wait_for_the_clients_close_is_told_apart() {
    let socket = socket(Duration::ZERO, async |stream| {
        last_bytes(stream, b"\x88\x02\x03\xe9").await;
    })
    .await;
    let close = socket.close.unwrap();
    assert_eq!((close.code, close.answered), (Some(1001), false));
    assert_eq!(socket.parting, Parting::Fin);
}

#[tokio::test]
async fn a_cut_without_a_word_is_a_fin_or_a_reset_without_a_close() {
    let fin = socket(Duration::ZERO, async |stream| last_bytes(stream, b"").await).await;
    assert!(fin.close.is_none());
    assert_eq!((fin.parting, fin.cut), (Parting::Fin, None));
    let reset = socket(Duration::ZERO, async |stream| {
        let linger = Some(Duration::ZERO);
        rustix::net::sockopt::set_socket_linger(stream.get_ref(), linger).unwrap();
    })
    .await;
    assert!(reset.close.is_none());
    assert_eq!((reset.parting, reset.cut), (Parting::Reset, None));
}

#[tokio::test]
async fn a_message_that_is_cut_in_the_middle_is_known_as_such() {
    let frame = socket(Duration::ZERO, async |stream| {
        last_bytes(stream, b"\x81\x05hi").await
    })
    .await;
    assert_eq!(frame.cut.as_deref(), Some("3 bytes of a frame"));
    let fragment = socket(Duration::ZERO, async |stream| {
        last_bytes(stream, b"\x01\x02hi\x88\x02\x03\xe9").await;
    })
    .await;
    assert_eq!(
        fragment.cut.as_deref(),
        Some("the last fragment of a message")
    );
    assert_eq!(fragment.close.unwrap().code, Some(1001));
}

#[tokio::test]
async fn what_is_no_websocket_frame_is_a_fault_of_the_server() {
    // A masked frame: only clients mask theirs.
    let socket = socket(Duration::ZERO, async |stream| {
        last_bytes(stream, b"\x81\x81abcdx").await;
    })
    .await;
    assert!(socket.fault.unwrap().contains("mask"));
}

#[tokio::test]
async fn one_that_is_never_closed_is_entered_when_the_prover_stops_waiting() {
    let (listener, stage) = stage(Duration::ZERO).await;
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = tokio_tungstenite::accept_async(stream).await.unwrap();
        stream.next().await.unwrap().unwrap();
        stage.stop();
        stream
    };
    let (_open, ()) = tokio::join!(
        serve,
        websocket::run(stage.clone(), CLIENT, "/".to_owned(), None)
    );
    let socket = stage.notebook().take_sockets().remove(0);
    assert_eq!(socket.parting, Parting::Client);
    assert!(socket.close.is_none() && socket.sent_away().is_none());
}

#[tokio::test]
async fn a_path_that_speaks_no_websocket_is_the_runs_trouble_and_named() {
    let (listener, stage) = stage(Duration::ZERO).await;
    let serve = async {
        // It tries again as long as it may.
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0u8; 1024];
            assert!(stream.read(&mut head).await.unwrap() > 0);
            let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        }
        stage.stop();
    };
    tokio::join!(
        serve,
        websocket::run(stage.clone(), CLIENT, "/nothing".to_owned(), None)
    );
    let trouble = stage.notebook().take().unwrap_err();
    assert!(
        trouble.contains("--ws /nothing") && trouble.contains("404"),
        "{trouble}"
    );
}

#[tokio::test]
async fn a_server_that_talks_all_the_time_is_talked_to_as_well() {
    let socket = socket(Duration::ZERO, async |mut stream| {
        // Sent without a pause until the next message comes.
        while futures_util::FutureExt::now_or_never(stream.next()).is_none() {
            stream.send(Message::text("news")).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        in_good_order(stream).await;
    })
    .await;
    assert!(socket.sent >= 2 && socket.received > 2, "{socket:?}");
    assert_eq!(socket.close.unwrap().code, Some(1001));
}
