//! The client against bare servers, one for each way a request can end.

use std::future::Future;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::h2::{self, H2Script};
use super::http1::Http1;
use super::keep_alive::once;
use super::notebook::Client;
use super::probe;
use super::stage::Stage;
use crate::endpoint::Endpoint;
use crate::ledger::{Ending, Exchange, Lane, Parting};
use crate::request::RequestTemplate;
use crate::wire::Wire;

const CLIENT: Client = Client {
    lane: Lane::KeepAlive,
    number: 1,
};
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone";

struct OneShotServer {
    listener: TcpListener,
    stage: Stage,
}

impl OneShotServer {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stage = Stage::new(Wire::new(Duration::ZERO), Endpoint::parse(&url).unwrap(), 1);
        Self { listener, stage }
    }

    /// Accepts one connection and reads the head of one request.
    async fn request(&self) -> TcpStream {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        read_head(&mut stream).await;
        stream
    }

    /// One request answered with these bytes and a close; what the ledger says of it.
    async fn answering(bytes: &[u8]) -> Exchange {
        let server = Self::new().await;
        let serve = async {
            let mut stream = server.request().await;
            stream.write_all(bytes).await.unwrap();
        };
        tokio::join!(serve, server.ask(None));
        server.only()
    }

    async fn ask(&self, kept: Option<Http1>) -> Option<Http1> {
        let request = RequestTemplate::get("/").keep_response(true);
        once(&self.stage, CLIENT, 1, &request, kept).await
    }

    fn only(&self) -> Exchange {
        let (mut exchanges, _) = self.stage.notebook().take().unwrap();
        assert_eq!(exchanges.len(), 1, "{exchanges:?}");
        exchanges.remove(0)
    }
}

async fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
}

fn reset_on_close(stream: &TcpStream) {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).unwrap();
}

#[tokio::test]
async fn a_whole_response_is_ok_and_its_body_is_kept_on_request() {
    let exchange = OneShotServer::answering(OK).await;
    assert_eq!((exchange.ending, exchange.status), (Ending::Ok, Some(200)));
    assert_eq!(exchange.body.as_deref(), Some(&b"done"[..]));
}

#[tokio::test]
async fn chunks_with_extensions_and_trailers_are_a_whole_response() {
    let bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;a=b\r\ndon\r\n1\r\ne\r\n0\r\nx: y\r\n\r\n";
    let exchange = OneShotServer::answering(bytes).await;
    assert_eq!(exchange.ending, Ending::Ok, "{}", exchange.what());
    assert_eq!(exchange.body.as_deref(), Some(&b"done"[..]));
}

#[tokio::test]
async fn an_interim_response_is_not_the_response() {
    let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n";
    let exchange = OneShotServer::answering(bytes).await;
    assert_eq!((exchange.ending, exchange.status), (Ending::Ok, Some(201)));
}

#[tokio::test]
async fn an_announced_close_ends_the_connection_and_is_told_apart() {
    let exchange = OneShotServer::answering(
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    assert_eq!(exchange.ending, Ending::OkClose);
}

#[tokio::test]
async fn a_response_up_to_the_end_of_the_connection_is_whole() {
    let exchange = OneShotServer::answering(b"HTTP/1.1 200 OK\r\n\r\ndone").await;
    assert_eq!(exchange.ending, Ending::OkClose);
    assert_eq!(exchange.body.as_deref(), Some(&b"done"[..]));
}

#[tokio::test]
async fn a_status_of_500_or_above_is_counted_for_itself() {
    let exchange =
        OneShotServer::answering(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
            .await;
    assert_eq!(
        (exchange.ending, exchange.status),
        (Ending::Status5xx, Some(503))
    );
}

#[tokio::test]
async fn a_close_before_any_byte_is_lost_before_the_response() {
    let exchange = OneShotServer::answering(b"").await;
    assert_eq!(
        exchange.ending,
        Ending::EofBeforeResponse,
        "{}",
        exchange.what()
    );
}

#[tokio::test]
async fn a_cut_head_a_cut_body_and_a_cut_chunk_are_truncated() {
    for bytes in [
        &b"HTTP/1.1 200 OK\r\ncontent-le"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let exchange = OneShotServer::answering(bytes).await;
        assert_eq!(
            exchange.ending,
            Ending::Truncated,
            "{} after {bytes:?}",
            exchange.what()
        );
    }
}

#[tokio::test]
async fn what_is_no_http_is_truncated_and_says_so() {
    let exchange = OneShotServer::answering(b"SSH-2.0-OpenSSH\r\n\r\n").await;
    assert_eq!(exchange.ending, Ending::Truncated);
    assert!(exchange.what().contains("malformed"), "{}", exchange.what());
}

#[tokio::test]
async fn a_reset_instead_of_a_response_is_lost_and_the_connection_was_reset() {
    let server = OneShotServer::new().await;
    let serve = async {
        let stream = server.request().await;
        reset_on_close(&stream);
    };
    tokio::join!(serve, server.ask(None));
    let (exchanges, connections) = server.stage.notebook().take().unwrap();
    assert_eq!(exchanges[0].ending, Ending::ResetBeforeResponse);
    assert!(!exchanges[0].reused);
    assert_eq!(connections[0].parting, Parting::Reset);
}

#[tokio::test]
async fn a_fin_that_has_arrived_makes_the_client_connect_anew_and_loses_nothing() {
    let server = OneShotServer::new().await;
    let serve = async {
        for _ in 0..2 {
            let mut stream = server.request().await;
            stream.write_all(OK).await.unwrap();
        }
    };
    let ask = async {
        let mut kept = server.ask(None).await;
        // The server closes after its answer: wait until that has arrived.
        while kept.as_mut().is_some_and(Http1::is_open) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.ask(kept).await
    };
    tokio::join!(serve, ask);
    let (exchanges, connections) = server.stage.notebook().take().unwrap();
    let endings: Vec<_> = exchanges
        .iter()
        .map(|exchange| (exchange.ending, exchange.reused))
        .collect();
    assert_eq!(endings, [(Ending::Ok, false), (Ending::Ok, false)]);
    assert_eq!(connections[0].parting, Parting::Fin);
}

#[tokio::test]
async fn a_second_request_on_an_open_connection_is_a_reused_one() {
    let server = OneShotServer::new().await;
    let serve = async {
        let mut stream = server.request().await;
        stream.write_all(OK).await.unwrap();
        read_head(&mut stream).await;
        // Closed with the second request read and unanswered.
    };
    let ask = async {
        let kept = server.ask(None).await;
        server.ask(kept).await
    };
    tokio::join!(serve, ask);
    let (exchanges, _) = server.stage.notebook().take().unwrap();
    assert_eq!(
        (exchanges[1].ending, exchanges[1].reused),
        (Ending::EofBeforeResponse, true)
    );
}

#[tokio::test]
async fn a_refused_connection_is_no_loss() {
    let server = OneShotServer::new().await;
    let OneShotServer { listener, stage } = server;
    drop(listener);
    once(&stage, CLIENT, 1, &RequestTemplate::get("/"), None).await;
    let (exchanges, connections) = stage.notebook().take().unwrap();
    assert_eq!(exchanges[0].ending, Ending::Refused);
    assert!(!exchanges[0].ending.is_lost());
    assert!(connections.is_empty());
}

#[tokio::test]
async fn a_request_that_is_given_up_while_it_waits_has_timed_out() {
    let server = OneShotServer::new().await;
    let serve = server.request();
    let ask = tokio::time::timeout(Duration::from_millis(50), server.ask(None));
    let (_stream, given_up) = tokio::join!(serve, ask);
    assert!(given_up.is_err());
    assert_eq!(server.only().ending, Ending::Timeout);
}

type Http2 = ::h2::server::Connection<TcpStream, bytes::Bytes>;
type Taken = ::h2::server::SendResponse<bytes::Bytes>;

/// One HTTP/2 connection whose first stream is treated like this; how its streams ended.
async fn h2_streams<F: Future<Output = ()>>(treat: impl FnOnce(Http2, Taken) -> F) -> Vec<Ending> {
    let server = OneShotServer::new().await;
    let (_keep, slow_at) = tokio::sync::watch::channel(None);
    let script = H2Script {
        quick: vec![RequestTemplate::get("/")],
        slow: Vec::new(),
        slow_at,
    };
    let serve = async {
        let (stream, _) = server.listener.accept().await.unwrap();
        let mut connection = ::h2::server::handshake(stream).await.unwrap();
        let (_, respond) = connection.accept().await.unwrap().unwrap();
        server.stage.stop();
        treat(connection, respond).await;
    };
    let client = Client {
        lane: Lane::H2,
        number: 1,
    };
    tokio::join!(serve, h2::run(server.stage.clone(), client, script));
    let (exchanges, _) = server.stage.notebook().take().unwrap();
    assert!(!exchanges.is_empty());
    exchanges.iter().map(|exchange| exchange.ending).collect()
}

#[tokio::test]
async fn an_http2_stream_that_is_answered_is_ok() {
    let endings = h2_streams(async |mut connection, mut respond| {
        respond
            .send_response(http::Response::new(()), true)
            .unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            respond
                .send_response(http::Response::new(()), true)
                .unwrap();
        }
    })
    .await;
    assert!(
        endings.iter().all(|ending| *ending == Ending::Ok),
        "{endings:?}"
    );
}

#[tokio::test]
async fn an_http2_stream_that_was_refused_is_no_loss() {
    let endings = h2_streams(async |mut connection, mut respond| {
        respond.send_reset(::h2::Reason::REFUSED_STREAM);
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            respond.send_reset(::h2::Reason::REFUSED_STREAM);
        }
    })
    .await;
    assert!(
        endings.iter().all(|ending| *ending == Ending::Unprocessed),
        "{endings:?}"
    );
}

#[tokio::test]
async fn an_http2_stream_whose_connection_just_ends_is_lost() {
    let endings = h2_streams(async |connection, _respond| drop(connection)).await;
    assert!(endings.iter().all(|ending| ending.is_lost()), "{endings:?}");
}

#[tokio::test]
async fn an_http2_goaway_makes_only_the_streams_above_its_last_id_honest() {
    let server = OneShotServer::new().await;
    let serve = async {
        let (mut stream, _) = server.listener.accept().await.unwrap();
        // By hand, to say a last id below streams that are under way: settings, then GOAWAY with last id 1.
        let mut preface = [0u8; 24];
        stream.read_exact(&mut preface).await.unwrap();
        stream
            .write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])
            .await
            .unwrap();
        let mut seen = 0;
        while seen < 2 {
            let mut head = [0u8; 9];
            stream.read_exact(&mut head).await.unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            stream.read_exact(&mut vec![0; length]).await.unwrap();
            // HEADERS
            seen += u32::from(head[3] == 1);
        }
        server.stage.stop();
        let goaway = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        stream.write_all(&goaway).await.unwrap();
        stream.shutdown().await.unwrap();
        // Whatever the client still sends: closing with it unread would reset the connection.
        tokio::io::copy(&mut stream, &mut tokio::io::sink())
            .await
            .unwrap();
    };
    let (_keep, slow_at) = tokio::sync::watch::channel(None);
    let script = H2Script {
        quick: vec![RequestTemplate::get("/")],
        slow: Vec::new(),
        slow_at,
    };
    let client = Client {
        lane: Lane::H2,
        number: 1,
    };
    tokio::join!(serve, h2::run(server.stage.clone(), client, script));
    let (exchanges, _) = server.stage.notebook().take().unwrap();
    let count = |is: fn(Ending) -> bool| {
        exchanges
            .iter()
            .filter(|exchange| is(exchange.ending))
            .count()
    };
    assert_eq!(count(Ending::is_lost), 1, "{exchanges:?}");
    assert_eq!(
        count(|ending| ending == Ending::Unprocessed),
        exchanges.len() - 1,
        "{exchanges:?}"
    );
    assert!(exchanges.len() > 1);
}

#[tokio::test]
async fn a_probe_is_good_even_if_the_server_keeps_its_connection_open() {
    let server = OneShotServer::new().await;
    let url = format!("http://{}/readyz", server.listener.local_addr().unwrap());
    let endpoint = Endpoint::parse(&url).unwrap();
    let serve = async {
        let mut stream = server.request().await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .await
            .unwrap();
        stream
    };
    let (_kept_open, sample) = tokio::join!(serve, probe::look(&endpoint));
    assert!(sample.is_good(), "{sample:?}");
}

#[tokio::test]
async fn a_probe_that_is_closed_without_an_answer_is_not_good_and_says_so() {
    let server = OneShotServer::new().await;
    let url = format!("http://{}/readyz", server.listener.local_addr().unwrap());
    let endpoint = Endpoint::parse(&url).unwrap();
    let serve = async { drop(server.request().await) };
    let ((), sample) = tokio::join!(serve, probe::look(&endpoint));
    assert_eq!(sample.status, Err("closed without an answer".to_owned()));
}

#[tokio::test]
async fn connections_go_in_turn_to_each_address_where_somebody_listens() {
    let near = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = near.local_addr().unwrap().port();
    let mut endpoint = Endpoint::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    endpoint.more_addresses = vec![
        format!("127.0.0.2:{port}").parse().unwrap(),
        format!("127.0.0.3:{port}").parse().unwrap(),
    ];
    let other = TcpListener::bind(("127.0.0.3", port)).await.unwrap();
    let (served, unserved) = probe::survey(&endpoint).await;
    assert_eq!(served.len(), 2);
    assert_eq!(unserved[0].to_string(), format!("127.0.0.2:{port}"));
    let stage = Stage::new(Wire::new(Duration::ZERO), endpoint, 1);
    stage.served_at(served);
    // What the survey left in the queues.
    drop((near.accept().await.unwrap(), other.accept().await.unwrap()));
    for _ in 0..2 {
        let (connected, _) = tokio::join!(stage.connect(CLIENT), near.accept());
        assert!(connected.is_ok());
        let (connected, _) = tokio::join!(stage.connect(CLIENT), other.accept());
        assert!(connected.is_ok());
    }
}
