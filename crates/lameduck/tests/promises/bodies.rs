//! Bodies that do not end as they should. Whole bodies only are finished: the client sees that what it has
//! is not whole, and the report names it. And what a peer does not read is not finished either, whoever
//! holds it.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::Poll;

use h2::client::{ResponseFuture, SendRequest, handshake};
use http::{HeaderMap, Request};
use tokio::net::TcpStream;

use crate::client::Client;
use crate::service::{Ended, PATIENT, Service, Start, until};

/// Our server, and another one behind our layer.
const SERVERS: [&[&str]; 2] = [&[], &["--layer"]];

/// Asks, reads the head and what comes behind it.
fn asked(service: &Service, request: String) -> (String, io::Result<Vec<u8>>) {
    let mut client = service.client();
    client.send(request);
    (client.head().unwrap(), client.rest())
}

/// The report counts `finished` requests as such.
#[track_caller]
fn finished(ended: &Ended, finished: u64) {
    let found = ended.report["finished"]["request"].as_u64();
    assert_eq!(found.unwrap_or(0), finished, "{}", ended.report);
}

#[track_caller]
fn broken(ended: &Ended, name: &str) {
    let error = "the source is gone";
    let line = format!("broken: request {name}: {error}");
    assert!(ended.stderr.contains(&line), "{}", ended.stderr);
    let list = ended.list("broken");
    let it = list.iter().find(|it| it["name"] == name);
    let it = it.unwrap_or_else(|| panic!("no {name} in {list:?}"));
    assert_eq!(
        (&it["kind"], &it["error"]),
        (&"request".into(), &error.into())
    );
}

#[track_caller]
fn panicked(ended: &Ended, name: &str) {
    let list = ended.list("panicked");
    let it = list.iter().find(|it| it["name"] == name);
    let it = it.unwrap_or_else(|| panic!("no {name} in {list:?}"));
    assert_eq!(it["message"], "a bug in the body");
}

#[test]
fn a_body_that_panics_or_fails_is_broken_off_and_told() {
    for args in SERVERS {
        let service = Start::new(args).serve();
        for path in ["/body-panics", "/body-fails"] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
            let (_, rest) = asked(&service, request);
            let rest = String::from_utf8(rest.unwrap()).unwrap();
            assert!(
                rest.contains("a piece\n"),
                "what there is is sent: {rest:?}"
            );
            assert!(!rest.ends_with("0\r\n\r\n"), "{args:?} {path}: {rest:?}");
        }
        service.term();
        let ended = service.ended();
        // They broke before the shutdown, which has nothing to answer for.
        ended.within_grace().exit(0).nothing_let_go();
        finished(&ended, 0);
        panicked(&ended, "GET /body-panics");
        broken(&ended, "GET /body-fails");
    }
}

#[test]
fn a_body_that_breaks_during_the_shutdown_costs_the_clean_exit() {
    for args in SERVERS {
        for path in ["/body-panics?ms=500", "/body-fails?ms=500"] {
            let service = Start::new(args).serve();
            let mut client = service.client();
            client.ask(path);
            client.head().unwrap();
            service.term();
            client.rest().unwrap();
            let ended = service.ended();
            ended.within_grace().exit(1).nothing_let_go();
            finished(&ended, 0);
        }
    }
}

#[test]
fn a_broken_body_without_a_length_or_chunks_does_not_look_whole_to_http_1_0() {
    let service = Service::plain();
    for path in ["/body-panics", "/body-fails"] {
        let (head, rest) = asked(&service, format!("GET {path} HTTP/1.0\r\n\r\n"));
        assert!(!head.to_lowercase().contains("content-length"), "{head}");
        let error = rest.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{path}");
    }
    // A whole one does.
    let (_, rest) = asked(&service, "GET /stream?ms=10 HTTP/1.0\r\n\r\n".to_owned());
    assert!(rest.unwrap().ends_with(b"chunk 9\n"));
    service.term();
    service.ended().within_grace().exit(0);
}

async fn connect(service: &Service) -> SendRequest<bytes::Bytes> {
    let stream = TcpStream::connect(&service.api).await.unwrap();
    let (sender, connection) = handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn ask(
    sender: &SendRequest<bytes::Bytes>,
    request: http::request::Builder,
) -> ResponseFuture {
    let mut ready = sender.clone().ready().await.unwrap();
    ready
        .send_request(request.body(()).unwrap(), true)
        .unwrap()
        .0
}

/// All data, and the trailers behind it.
async fn rest(answer: ResponseFuture) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
    let mut body = answer.await?.into_body();
    let mut all = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        let _ = body.flow_control().release_capacity(data.len());
        all.extend(data);
    }
    Ok((all, body.trailers().await?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_body_over_http_2_is_reset_as_an_internal_error() {
    for args in SERVERS {
        let service = Start::new(args).serve();
        let sender = connect(&service).await;
        for path in ["/body-panics", "/body-fails"] {
            let request = Request::get(format!("http://test{path}"));
            let error = rest(ask(&sender, request).await).await.unwrap_err();
            assert_eq!(error.reason(), Some(h2::Reason::INTERNAL_ERROR), "{path}");
        }
        // Nobody else on the connection is any the worse for it.
        let request = Request::get("http://test/work?ms=10");
        assert_eq!(rest(ask(&sender, request).await).await.unwrap().0, b"done");
        drop(sender);
        service.term();
        let ended = service.ended();
        ended.within_grace().exit(0).nothing_let_go();
        panicked(&ended, "GET /body-panics");
        broken(&ended, "GET /body-fails");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_lossless_a_call_whose_stream_breaks_ends_with_internal() {
    for args in SERVERS {
        let service = Start::new(args).serve();
        let sender = connect(&service).await;
        for path in ["/body-panics", "/body-fails"] {
            let request = Request::post(format!("http://test{path}"));
            let request = request.header("content-type", "application/grpc");
            let (data, trailers) = rest(ask(&sender, request).await).await.unwrap();
            assert_eq!(data, b"a piece\n");
            assert_eq!(trailers.unwrap()["grpc-status"], "13", "{path}");
        }
        drop(sender);
        service.term();
        let ended = service.ended();
        ended.within_grace().exit(0).nothing_let_go();
        panicked(&ended, "POST /body-panics");
        broken(&ended, "POST /body-fails");
    }
}

/// A client that has little room, asks and reads the head alone.
fn reads_the_head(service: &Service, request: &str) -> Client {
    let mut client = service.client_with_room(4096);
    client.send(request);
    let head = client.head().unwrap();
    assert!(head.contains(" 200 "), "{head}");
    client
}

#[test]
fn stuck_told_names_the_streamed_body_that_is_not_read() {
    for version in ["1.1", "1.0"] {
        // Ten pieces, more than the kernel takes and less than hyper does.
        let request = format!("GET /pieces?bytes=300000 HTTP/{version}\r\nHost: test\r\n\r\n");
        let service = Service::patient();
        let mut client = reads_the_head(&service, &request);
        service.in_flight("request", "GET /pieces", 1);
        service.term();
        let ended = service.ended();
        ended
            .within(PATIENT)
            .exit(124)
            .let_go("request", "GET /pieces");
        finished(&ended, 0);
        // What was cut does not look whole.
        match (version, client.rest()) {
            ("1.1", Ok(rest)) => assert!(!rest.ends_with(b"0\r\n\r\n")),
            (_, rest) => {
                let rest = rest.map(|it| it.len());
                assert!(rest.is_err(), "{version}: {rest:?}");
            }
        }
    }
}

#[test]
fn a_streamed_body_that_is_read_late_is_finished_when_it_is() {
    let service = Start::new(&[]).env("LAMEDUCK_GRACE", "20s").serve();
    let request = "GET /pieces?bytes=300000 HTTP/1.1\r\nHost: test\r\n\r\n";
    let mut client = reads_the_head(&service, request);
    service.in_flight("request", "GET /pieces", 1);
    service.term();
    service.phase("draining");
    assert!(client.rest().unwrap().ends_with(b"0\r\n\r\n"));
    let ended = service.ended();
    ended.exit(0).nothing_let_go();
    finished(&ended, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stuck_told_names_the_http_2_streams_that_hyper_holds_for_a_large_window() {
    const STREAMS: usize = 200;
    let service = Service::patient();
    let stream = service.client_with_room(4096).into_tcp();
    stream.set_nonblocking(true).unwrap();
    let stream = TcpStream::from_std(stream).unwrap();
    let mut client = h2::client::Builder::new();
    client
        .initial_window_size(1 << 30)
        .initial_connection_window_size(1 << 30)
        .initial_max_send_streams(STREAMS);
    let (mut sender, mut connection) = client.handshake::<_, bytes::Bytes>(stream).await.unwrap();
    let mut answers = Vec::new();
    for _ in 0..STREAMS {
        let request = Request::get("http://test/pieces?bytes=5000");
        let sent = sender.send_request(request.body(()).unwrap(), true);
        answers.push(sent.unwrap().0);
    }
    // They go out, and from then on nothing is read.
    poll_fn(|cx| Poll::Ready(Pin::new(&mut connection).poll(cx).is_ready())).await;
    until("all have been asked", || {
        let status = service.status();
        let of = |list: &str| status[list]["request"].as_u64().unwrap_or(0);
        let all = of("ended") + of("in_flight_by_kind");
        (all == STREAMS as u64).then_some(())
    });
    service.term();
    let ended = service.ended();
    ended
        .within(PATIENT)
        .exit(124)
        .let_go("request", "GET /pieces");
    // A million bytes, of which the two kernels hold less than a half.
    let total = ended.report["let_go_total"].as_u64().unwrap();
    assert!(total > STREAMS as u64 / 2, "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stuck_told_names_the_http_2_stream_whose_last_piece_has_no_room_in_its_window() {
    let service = Service::patient();
    let mut bodies = Vec::new();
    // A stream may send 65,535 bytes at first. Of the first one hyper takes the tenth piece, which goes
    // beyond them; the second one is whole.
    for path in ["/pieces?bytes=70000", "/pieces?bytes=60000"] {
        let sender = connect(&service).await;
        let request = Request::get(format!("http://test{path}"));
        let answer = ask(&sender, request).await.await.unwrap();
        bodies.push((sender, answer.into_body()));
    }
    let last = bodies.last_mut().unwrap();
    let mut bytes = 0;
    while let Some(data) = last.1.data().await {
        bytes += data.unwrap().len();
    }
    assert_eq!(bytes, 60_000);
    service.term();
    let ended = service.ended();
    ended
        .within(PATIENT)
        .exit(124)
        .let_go("request", "GET /pieces");
    assert_eq!(ended.report["let_go_total"], 1, "{}", ended.report);
}
