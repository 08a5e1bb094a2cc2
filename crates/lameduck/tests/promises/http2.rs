//! `h2-lossless`: GOAWAY in two steps, no stream lost.

use std::io::{Read, Write};
use std::time::Duration;

use h2::client::{SendRequest, handshake};
use http::Request;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::service::{PATIENT, Service, Start, until};

type Connection = JoinHandle<Result<(), h2::Error>>;

async fn connect(stream: TcpStream) -> (SendRequest<bytes::Bytes>, Connection) {
    let (sender, connection) = handshake(stream).await.unwrap();
    (sender, tokio::spawn(connection))
}

/// Sends a request; the answer is for later.
async fn ask(
    sender: &mut SendRequest<bytes::Bytes>,
    path: &str,
) -> Result<h2::client::ResponseFuture, h2::Error> {
    let request = Request::get(format!("http://test{path}")).body(()).unwrap();
    let mut ready = sender.clone().ready().await?;
    Ok(ready.send_request(request, true)?.0)
}

/// The status and the whole body.
async fn whole(response: h2::client::ResponseFuture) -> Result<(u16, String), h2::Error> {
    let (head, mut body) = response.await?.into_parts();
    let mut text = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        let _ = body.flow_control().release_capacity(data.len());
        text.extend(data);
    }
    Ok((head.status.as_u16(), String::from_utf8(text).unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h2_lossless_streams_in_flight_at_goaway_complete() {
    let service = Service::plain();
    let stream = TcpStream::connect(&service.api).await.unwrap();
    let (mut sender, connection) = connect(stream).await;
    let mut answers = Vec::new();
    for n in 0..20 {
        let path = if n % 2 == 0 {
            "/work?ms=500"
        } else {
            "/stream?ms=500"
        };
        answers.push(ask(&mut sender, path).await.unwrap());
    }
    service.in_flight("request", "GET /work", 10);
    service.in_flight("request", "GET /stream", 10);
    service.term();
    for (n, answer) in answers.into_iter().enumerate() {
        let (status, text) = whole(answer).await.unwrap();
        assert_eq!(status, 200);
        assert!(
            text.ends_with(if n % 2 == 0 { "done" } else { "chunk 9\n" }),
            "{text}"
        );
    }
    drop(sender);
    connection.await.unwrap().unwrap();
    service.ended().within_grace().exit(0).nothing_let_go();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h2_lossless_no_request_is_lost_in_a_closed_loop() {
    let service = Service::plain();
    let mut loops = Vec::new();
    for _ in 0..8 {
        let stream = TcpStream::connect(&service.api).await.unwrap();
        let (mut sender, connection) = connect(stream).await;
        loops.push(tokio::spawn(async move {
            let mut answered = 0;
            loop {
                // Refused here, before anything was sent, the request is somebody else's.
                let Ok(answer) = ask(&mut sender, "/work?ms=5").await else {
                    drop(sender);
                    connection.await.unwrap().unwrap();
                    return (answered, None);
                };
                match whole(answer).await {
                    Ok((200, text)) if text == "done" => answered += 1,
                    // REFUSED_STREAM, or a stream beyond the last that GOAWAY names: never begun,
                    // and known to be (RFC 9113, 6.8).
                    Err(e) if e.is_go_away() && e.reason() == Some(h2::Reason::NO_ERROR) => {
                        return (answered, None);
                    }
                    other => return (answered, Some(format!("{other:?}"))),
                }
            }
        }));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    service.term();
    for client in loops {
        let (answered, lost) = client.await.unwrap();
        assert_eq!(lost, None, "after {answered} answers");
        assert!(answered > 0);
    }
    service.ended().within_grace().exit(0).nothing_let_go();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h2_lossless_a_handshake_that_begins_200_ms_after_the_signal_is_served() {
    let service = Service::plain();
    let stream = TcpStream::connect(&service.api).await.unwrap();
    service.term();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (mut sender, connection) = connect(stream).await;
    // As one does that waits for our SETTINGS first, on a line with a round trip of 200 ms.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let answer = ask(&mut sender, "/work?ms=50").await.unwrap();
    assert_eq!(whole(answer).await.unwrap(), (200, "done".to_owned()));
    drop(sender);
    connection.await.unwrap().unwrap();
    service.ended().within_grace().exit(0);
}

/// A frame of HTTP/2 (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream];
    frame.extend(payload);
    frame
}

#[test]
fn h2_lossless_for_a_client_that_writes_long_after_it_was_answered() {
    const END_STREAM: u8 = 1;
    let service = Service::plain();
    let mut client = std::net::TcpStream::connect(&service.api).unwrap();
    let path = b"/work?ms=300";
    // GET, http, a path, no authority (RFC 7541, appendix A).
    let mut head = vec![0x82, 0x86, 0x04, path.len() as u8];
    head.extend(path);
    let mut begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    begin.extend(frame(4, 0, 0, &[]));
    begin.extend(frame(1, END_STREAM | 4, 1, &head));
    client.write_all(&begin).unwrap();
    service.in_flight("request", "GET /work", 1);
    service.term();
    let mut answered = false;
    let mut head = [0; 9];
    // Until the server's FIN: it has said all.
    while client.read_exact(&mut head).is_ok() {
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        client.read_exact(&mut payload).unwrap();
        match (head[3], head[4]) {
            (6, 0) => client.write_all(&frame(6, 1, 0, &payload)).unwrap(),
            (0, flags) => answered |= flags & END_STREAM != 0,
            _ => {}
        }
    }
    assert!(answered);
    // It is busy with something else, and comes to its windows later.
    for pause in [200, 100] {
        std::thread::sleep(Duration::from_millis(pause));
        client
            .write_all(&frame(8, 0, 0, &[0, 0, 0, 4]))
            .expect("nothing that it sends is answered by a reset");
    }
    drop(client);
    service.ended().within_grace().exit(0).nothing_let_go();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lame_duck_serves_http_2_and_tells_it_in_time() {
    let service = Start::new(&[])
        .env("LAMEDUCK_GRACE", "6s")
        .env("LAMEDUCK_LAME_DUCK", "800ms")
        .serve();
    let stream = TcpStream::connect(&service.api).await.unwrap();
    let (mut sender, connection) = connect(stream).await;
    let answer = ask(&mut sender, "/").await.unwrap();
    assert_eq!(whole(answer).await.unwrap().1, "hello");
    service.term();
    // The client is told by GOAWAY during the phase, not at its end, and leaves by itself.
    tokio::time::timeout(Duration::from_secs(5), connection)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(service.status()["phase"], "lame-duck");
    // Who comes now is served all the same.
    let stream = TcpStream::connect(&service.api).await.unwrap();
    let (mut sender, connection) = connect(stream).await;
    let answer = ask(&mut sender, "/").await.unwrap();
    assert_eq!(whole(answer).await.unwrap().1, "hello");
    drop(sender);
    connection.await.unwrap().unwrap();
    service.ended().exit(0).nothing_let_go();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stuck_told_names_the_http_2_stream_that_never_ends() {
    let service = Service::patient();
    let stream = TcpStream::connect(&service.api).await.unwrap();
    let (mut sender, _connection) = connect(stream).await;
    let never = ask(&mut sender, "/never").await.unwrap();
    let endless = ask(&mut sender, "/endless").await.unwrap();
    service.in_flight("request", "GET /never", 1);
    service.in_flight("request", "GET /endless", 1);
    service.term();
    let (unanswered, cut) = tokio::join!(whole(never), whole(endless));
    assert_eq!(unanswered.unwrap().0, 503);
    assert!(cut.is_err(), "a stream that was cut must not look whole");
    let ended = service.ended();
    ended.within(PATIENT).exit(124);
    ended
        .let_go("request", "GET /never")
        .let_go("request", "GET /endless");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stuck_told_names_the_http_2_stream_whose_peer_never_reads() {
    let service = Service::plain();
    let stream = TcpStream::connect(&service.api).await.unwrap();
    let (mut sender, _connection) = connect(stream).await;
    let answer = ask(&mut sender, "/big?bytes=1000000").await.unwrap();
    // The window is full, and nothing is ever released.
    let response = answer.await.unwrap();
    service.in_flight("request", "GET /big", 1);
    service.term();
    let ended = service.ended();
    ended.within_grace().exit(124).let_go("request", "GET /big");
    drop(response);
}

/// An open tunnel to `place`.
struct Tunnel {
    to: h2::SendStream<bytes::Bytes>,
    from: h2::RecvStream,
}

impl Tunnel {
    async fn open(sender: &SendRequest<bytes::Bytes>, place: &str) -> Tunnel {
        let request = Request::connect(place).body(()).unwrap();
        let mut ready = sender.clone().ready().await.unwrap();
        let (answer, to) = ready.send_request(request, false).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 200);
        let from = answer.into_body();
        Tunnel { to, from }
    }

    async fn echoes(&mut self, text: &'static str) {
        self.to.send_data(text.into(), false).unwrap();
        assert_eq!(self.from.data().await.unwrap().unwrap(), text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stuck_told_names_each_of_several_tunnels_on_a_connection() {
    let service = Service::patient();
    let stream = TcpStream::connect(&service.api).await.unwrap();
    let (sender, _connection) = connect(stream).await;
    let mut ends = Tunnel::open(&sender, "one.example:443").await;
    let mut quiet = Tunnel::open(&sender, "two.example:443").await;
    let mut busy = Tunnel::open(&sender, "three.example:443").await;
    for tunnel in [&mut ends, &mut quiet, &mut busy] {
        tunnel.echoes("hello").await;
    }
    for place in ["one", "two", "three"] {
        service.in_flight("upgrade", &format!("CONNECT {place}.example:443"), 1);
    }
    // One that ends is over, and no other with it.
    ends.to.send_data(bytes::Bytes::new(), true).unwrap();
    while let Some(rest) = ends.from.data().await {
        assert!(rest.unwrap().is_empty());
    }
    service.not_in_flight("upgrade", "CONNECT one.example:443");
    service.in_flight("upgrade", "CONNECT two.example:443", 1);

    service.term();
    service.phase("draining");
    busy.echoes("still there").await;
    // Longer quiet than a connection without a stream may be that was told to go.
    until("it has been quiet for long", || {
        let left = service.status()["time_left_ms"].as_f64().unwrap();
        (left < 2000.0).then_some(())
    });
    quiet.echoes("still there").await;
    let ended = service.ended();
    ended
        .within(PATIENT)
        .exit(124)
        .let_go("upgrade", "CONNECT two.example:443")
        .let_go("upgrade", "CONNECT three.example:443");
    assert_eq!(ended.report["let_go_total"], 2, "{}", ended.report);
}
