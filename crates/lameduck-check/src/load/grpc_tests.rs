//! gRPC clients against a small HTTP/2 server, one for each way a call can end.

use std::time::{Duration, Instant};

use ::h2::RecvStream;
use ::h2::server::{Connection, SendResponse};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use tokio::net::{TcpListener, TcpStream};

use super::grpc::{self, GrpcScript};
use super::grpc_health;
use super::notebook::Client;
use super::stage::Stage;
use crate::endpoint::Endpoint;
use crate::ledger::{Ending, Exchange, Health, Lane};
use crate::request::RequestTemplate;
use crate::wire::Wire;

const MESSAGE: &[u8] = b"\0\0\0\0\x02\x08\x01";
const CLIENT: Client = Client {
    lane: Lane::Grpc,
    number: 1,
};

async fn stage() -> (TcpListener, Stage) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stage = Stage::new(Wire::new(Duration::ZERO), Endpoint::parse(&url).unwrap(), 1);
    (listener, stage)
}

type Call = (Request<RecvStream>, SendResponse<Bytes>);

/// Calls that are all treated like this; the first one stops the load, so there are a few at most.
async fn calls(lane: Lane, treat: impl Fn(Call)) -> Vec<Exchange> {
    let (listener, stage) = stage().await;
    let methods = vec![RequestTemplate::grpc("shop.v1.Shop/GetOrder", b"\x0a\x015")];
    let script = match lane {
        Lane::GrpcStream => GrpcScript {
            unary: Vec::new(),
            streams: methods,
        },
        _ => GrpcScript {
            unary: methods,
            streams: Vec::new(),
        },
    };
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection: Connection<TcpStream, Bytes> =
            ::h2::server::handshake(stream).await.unwrap();
        while let Some(Ok(call)) = connection.accept().await {
            stage.signalled(Instant::now());
            let head = &call.0;
            assert_eq!(head.uri().path(), "/shop.v1.Shop/GetOrder");
            assert_eq!(head.headers()["content-type"], "application/grpc");
            assert_eq!(head.headers()["te"], "trailers");
            treat(call);
            if lane == Lane::Grpc {
                stage.stop();
            }
        }
    };
    tokio::join!(serve, grpc::run(stage.clone(), CLIENT, script));
    let (exchanges, _) = stage.notebook().take().unwrap();
    assert!(!exchanges.is_empty());
    assert!(exchanges.iter().all(|exchange| exchange.lane == lane));
    exchanges
}

fn trailers(code: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.parse().unwrap());
    trailers.insert("grpc-message", "as it is".parse().unwrap());
    trailers
}

/// The message, cut after so many bytes, and a status.
fn answer(mut respond: SendResponse<Bytes>, length: usize, code: &'static str) {
    let mut body = respond.send_response(Response::new(()), false).unwrap();
    body.send_data(Bytes::from_static(&MESSAGE[..length]), false)
        .unwrap();
    body.send_trailers(trailers(code)).unwrap();
}

#[tokio::test]
async fn a_call_ends_with_the_status_in_its_trailers() {
    for (code, ending) in [
        ("0", Ending::Ok),
        ("5", Ending::Ok),
        ("14", Ending::Status5xx),
    ] {
        for call in calls(Lane::Grpc, |(_, respond)| {
            answer(respond, MESSAGE.len(), code)
        })
        .await
        {
            assert_eq!(call.ending, ending, "{}", call.what());
            let status = call.grpc.unwrap();
            assert_eq!(
                (status.code.to_string().as_str(), status.messages),
                (code, 1)
            );
            assert_eq!(status.message, "as it is");
        }
    }
}

#[tokio::test]
async fn a_reply_of_nothing_but_a_status_is_one() {
    let calls = calls(Lane::Grpc, |(_, mut respond)| {
        let mut head = Response::new(());
        *head.headers_mut() = trailers("14");
        respond.send_response(head, true).unwrap();
    });
    for call in calls.await {
        assert_eq!(call.ending, Ending::Status5xx);
        assert!(
            call.what()
                .contains("grpc-status 14 (UNAVAILABLE): as it is"),
            "{}",
            call.what()
        );
    }
}

#[tokio::test]
async fn a_call_without_a_status_or_with_half_a_message_is_truncated() {
    let without = calls(Lane::Grpc, |(_, mut respond)| {
        let mut body = respond.send_response(Response::new(()), false).unwrap();
        body.send_data(Bytes::from_static(MESSAGE), true).unwrap();
    });
    for call in without.await {
        assert_eq!(call.ending, Ending::Truncated);
        assert!(
            call.what()
                .contains("without a grpc-status after 1 messages"),
            "{}",
            call.what()
        );
    }
    for call in calls(Lane::Grpc, |(_, respond)| answer(respond, 6, "0")).await {
        assert_eq!(call.ending, Ending::Truncated);
        assert!(
            call.what().contains("in the middle of a message"),
            "{}",
            call.what()
        );
    }
}

#[tokio::test]
async fn a_call_that_was_refused_is_no_loss_and_one_that_was_cancelled_is() {
    let refused = calls(Lane::Grpc, |(_, mut respond)| {
        respond.send_reset(::h2::Reason::REFUSED_STREAM);
    });
    assert!(
        refused
            .await
            .iter()
            .all(|call| call.ending == Ending::Unprocessed)
    );
    let cancelled = calls(Lane::Grpc, |(_, mut respond)| {
        respond.send_reset(::h2::Reason::CANCEL);
    });
    assert!(cancelled.await.iter().all(|call| call.ending.is_lost()));
}

#[tokio::test]
async fn a_stream_is_not_begun_again_after_the_signal() {
    let streams = calls(Lane::GrpcStream, |(_, respond)| {
        answer(respond, MESSAGE.len(), "0")
    })
    .await;
    assert_eq!(streams.len(), 1);
    assert_eq!(streams[0].grpc.as_ref().unwrap().messages, 1);
}

#[tokio::test]
async fn health_is_asked_on_one_connection_and_its_answers_are_told_apart() {
    let (listener, stage) = stage().await;
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection: Connection<TcpStream, Bytes> =
            ::h2::server::handshake(stream).await.unwrap();
        let mut turn = 0;
        while let Some(Ok((head, mut respond))) = connection.accept().await {
            assert_eq!(head.uri().path(), "/grpc.health.v1.Health/Check");
            let message: &'static [u8] = match turn {
                0 => b"\0\0\0\0\x02\x08\x01",
                1 => b"\0\0\0\0\x02\x08\x02",
                2 => b"\0\0\0\0\0",
                _ => {
                    let mut head = Response::new(());
                    *head.headers_mut() = trailers("12");
                    respond.send_response(head, true).unwrap();
                    continue;
                }
            };
            turn += 1;
            let mut body = respond.send_response(Response::new(()), false).unwrap();
            body.send_data(Bytes::from_static(message), false).unwrap();
            body.send_trailers(trailers("0")).unwrap();
        }
    };
    let watch = grpc_health::watch(stage.clone(), Endpoint::parse(&url).unwrap());
    // Without a health service there is nothing to ask any more.
    let ((), samples) = tokio::join!(serve, watch);
    let said: Vec<Health> = samples.into_iter().map(|sample| sample.health).collect();
    let missing = Health::Missing("UNIMPLEMENTED".to_owned());
    assert_eq!(
        said,
        [Health::Serving, Health::NotServing, Health::Other, missing]
    );
}
