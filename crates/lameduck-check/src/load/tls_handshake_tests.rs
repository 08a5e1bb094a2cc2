//! TLS handshakes that are half way at the signal, against bare servers: one that goes on and answers, one that closes, one
//! that loses what came, one that hangs.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::barrier::Cue;
use super::notebook::Client;
use super::tls_handshake;
use super::tls_tests::{OK, TlsServer, read_head};
use super::unread;
use crate::ledger::{Ending, Exchange, Lane, Parting};
use crate::request::RequestTemplate;
use crate::wire::Reach;

/// What a server does with a handshake that is half way.
#[derive(Clone, Copy, PartialEq)]
enum AfterHalf {
    Answers,
    Closes,
    Resets,
    Loses,
    Hangs,
}

async fn half_way(then: AfterHalf, rtt: Duration) -> (Exchange, Option<Parting>) {
    let server = TlsServer::new(rtt).await;
    let stage = &server.stage;
    let serve = async {
        let (stream, _) = server.listener.accept().await.unwrap();
        let at_the_signal = async {
            stage.barrier().is_complete().await;
            stage.signalled(Instant::now());
        };
        if matches!(then, AfterHalf::Closes | AfterHalf::Resets) {
            // It has said nothing: what came is read, so that the end is a FIN.
            let mut flight = vec![0; 4096];
            let read = async {
                while !matches!(stream.try_read(&mut flight), Ok(0)) {
                    stream.readable().await.unwrap();
                }
            };
            tokio::select! { () = read => {}, () = at_the_signal => {} }
            return match then {
                AfterHalf::Resets => reset(stream),
                _ => drop(stream),
            };
        }
        let (accepted, ()) = tokio::join!(server.acceptor.accept(stream), async {
            at_the_signal.await;
            if then == AfterHalf::Hangs {
                tokio::time::sleep(Duration::from_millis(20)).await;
                stage.stop();
            }
        });
        let Ok(mut stream) = accepted else { return };
        if then == AfterHalf::Answers || then == AfterHalf::Loses {
            read_head(&mut stream).await;
        }
        if then == AfterHalf::Answers {
            stream.write_all(OK).await.unwrap();
            stream.flush().await.unwrap();
        }
    };
    let cue = Cue {
        signal: Instant::now(),
        rtt,
        place: stage.barrier().place(),
    };
    let (lane, number) = (Lane::TlsHandshake, 1);
    let client = Client { lane, number };
    let request = RequestTemplate::get("/");
    let run = tls_handshake::run(stage.clone(), client, request, cue);
    tokio::join!(serve, run);
    stage.stop();
    stage.seen_off().await;
    let (mut exchanges, connections) = stage.notebook().take().unwrap();
    assert_eq!(exchanges.len(), 1, "{exchanges:?}");
    let exchange = exchanges.remove(0);
    assert_eq!(exchange.held.map(|held| held.reach), Some(Reach::Read));
    (exchange, connections.first().map(|it| it.parting))
}

fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
}

/// The handshake of a client that reads late is read at once, the answer is not.
#[tokio::test]
async fn over_tls_too_an_answer_can_wait_to_be_read_near_and_far() {
    for rtt in [0, 20].map(Duration::from_millis) {
        let server = TlsServer::new(rtt).await;
        let stage = &server.stage;
        let serve = async {
            let mut stream = server.accept().await;
            read_head(&mut stream).await;
            stream.write_all(OK).await.unwrap();
            stream.flush().await.unwrap();
            stage.barrier().is_complete().await;
            stage.signalled(Instant::now());
            // Until the client has closed it.
            drop(tokio::io::copy(&mut stream, &mut tokio::io::sink()).await);
        };
        let cue = Cue {
            signal: Instant::now(),
            rtt,
            place: stage.barrier().place(),
        };
        let (lane, number) = (Lane::Unread, 1);
        let request = RequestTemplate::get("/");
        let run = async {
            unread::run(stage.clone(), Client { lane, number }, request, cue).await;
            stage.stop();
            stage.seen_off().await;
        };
        let both = async { tokio::join!(serve, run) };
        let in_time = tokio::time::timeout(Duration::from_secs(10), both);
        in_time.await.expect("the signal comes");
        let (mut exchanges, _) = stage.notebook().take().unwrap();
        let exchange = exchanges.remove(0);
        assert_eq!(exchange.ending, Ending::Ok, "{}", exchange.what());
        assert!(
            exchange
                .held
                .is_some_and(|held| Some(held.at) < exchange.answered)
        );
    }
}

#[tokio::test]
async fn a_handshake_that_goes_on_ends_in_an_answer_near_and_far() {
    for rtt in [0, 20].map(Duration::from_millis) {
        let (exchange, _) = half_way(AfterHalf::Answers, rtt).await;
        assert_eq!(exchange.ending, Ending::Ok, "{}", exchange.what());
    }
}

#[tokio::test]
async fn a_handshake_that_is_ended_has_lost_nothing_and_a_reset_is_told() {
    let (exchange, parting) = half_way(AfterHalf::Closes, Duration::ZERO).await;
    assert_eq!(exchange.ending, Ending::Unprocessed, "{}", exchange.what());
    assert_eq!(parting, Some(Parting::Torn));
    let (exchange, parting) = half_way(AfterHalf::Resets, Duration::ZERO).await;
    assert_eq!(exchange.ending, Ending::Unprocessed, "{}", exchange.what());
    assert_eq!(parting, Some(Parting::Reset));
}

#[tokio::test]
async fn a_request_behind_it_that_is_not_answered_is_lost_and_so_is_one_whose_handshake_hangs() {
    let (exchange, _) = half_way(AfterHalf::Loses, Duration::ZERO).await;
    assert!(exchange.ending.is_lost(), "{}", exchange.what());
    let (exchange, _) = half_way(AfterHalf::Hangs, Duration::ZERO).await;
    assert_eq!(exchange.ending, Ending::Timeout, "{}", exchange.what());
}
