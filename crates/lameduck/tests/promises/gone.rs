//! Requests whose client went away are told apart: they are not finished, not let go, and nobody's fault.

use h2::client::{SendRequest, handshake};
use http::{Method, Request};
use tokio::net::TcpStream;

use crate::client::{get, post};
use crate::service::{Ended, Service, Start, until};

/// Our server, and another one behind our layer.
const SERVERS: [&[&str]; 2] = [&[], &["--layer"]];

/// Kinds under which requests end.
const FINISHED: &str = "request";
const GONE: &str = "request (client gone)";

fn patient(args: &[&str]) -> Service {
    Start::new(args).env("LAMEDUCK_GRACE", "20s").serve()
}

/// The report says so many requests, and that nothing was let go.
#[track_caller]
fn told(ended: &Ended, finished: u64, gone: u64) {
    ended.exit(0).nothing_let_go();
    let of = |list: &str| ended.report[list]["request"].as_u64().unwrap_or(0);
    let found = (of("finished"), of("client_gone"));
    assert_eq!(found, (finished, gone), "{}", ended.report);
    assert_eq!(ended.report["broken_total"], 0, "{}", ended.report);
    let plural = if gone == 1 { "" } else { "s" };
    let line = format!("\n  client gone: {gone} request{plural}\n");
    assert_eq!(ended.stderr.contains(&line), gone > 0, "{}", ended.stderr);
}

/// Waits until so many have ended, and under no other kind.
#[track_caller]
fn have_ended(service: &Service, kind: &str, count: u64) {
    until(kind, || {
        let status = service.status();
        let ended = &status["ended"];
        let all: u64 = [FINISHED, GONE, "request (broken)"]
            .iter()
            .filter_map(|it| ended[*it].as_u64())
            .sum();
        let done = all >= count;
        assert!(!done || ended[kind] == count, "{ended}");
        done.then_some(())
    });
}

#[test]
fn a_request_whose_client_resets_its_connection_is_told_apart() {
    for args in SERVERS {
        let service = patient(args);
        let mut stays = service.client();
        stays.ask("/work?ms=1000");
        let mut gone: Vec<_> = (0..2).map(|_| service.client()).collect();
        gone[0].ask("/never");
        gone[1].ask("/endless");
        gone[1].head().unwrap();
        service.in_flight("request", "GET /work", 1);
        service.in_flight("request", "GET /never", 1);
        // Its handler answers, which a layer takes for an answer.
        if args.is_empty() {
            let mut client = service.client();
            client.send(post("/upload", 100) + "half");
            service.in_flight("request", "POST /upload", 1);
            gone.push(client);
        }
        let lost = gone.len() as u64;
        service.term();
        service.phase("draining");
        for it in gone {
            it.reset();
        }
        assert_eq!(stays.answer().text(), "done");
        told(&service.ended(), 1, lost);
    }
}

#[test]
fn a_request_whose_client_closes_its_socket_is_told_apart_from_one_that_still_reads() {
    let service = patient(&[]);
    let mut reads = service.client();
    let mut closes = service.client();
    for client in [&mut reads, &mut closes] {
        client.ask("/work?ms=1000");
    }
    service.in_flight("request", "GET /work", 2);
    service.term();
    service.phase("draining");
    // Both send the same FIN.
    reads.finish();
    drop(closes);
    assert_eq!(reads.answer().text(), "done");
    reads.ends_with_fin();
    told(&service.ended(), 1, 1);
}

#[test]
fn a_request_whose_client_goes_before_it_has_read_its_answer_is_told_apart() {
    let service = patient(&[]);
    let mut clients = Vec::new();
    for path in ["/pieces?bytes=300000", "/big?bytes=300000", "/firehose"] {
        let mut client = service.client_with_room(4096);
        client.ask(path);
        client.head().unwrap();
        service.in_flight("request", &format!("GET {path}"), 1);
        clients.push(client);
    }
    service.term();
    service.phase("draining");
    for it in clients {
        it.reset();
    }
    told(&service.ended(), 0, 3);
}

#[test]
fn a_body_that_fails_because_its_client_went_away_is_no_fault_of_its_own() {
    let service = patient(&[]);
    let half = || {
        let mut client = service.client();
        client.send(post("/echo", 100_000));
        client.send([b'e'; 1000]);
        client.head().unwrap();
        client
    };
    let (mut finishes, resets) = (half(), half());
    service.in_flight("request", "POST /echo", 2);
    service.term();
    service.phase("draining");
    finishes.finish();
    resets.reset();
    told(&service.ended(), 0, 2);
}

async fn connect(service: &Service) -> SendRequest<bytes::Bytes> {
    let stream = TcpStream::connect(&service.api).await.unwrap();
    let (sender, connection) = handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_whose_http_2_stream_or_connection_is_given_up_is_told_apart() {
    for args in SERVERS {
        let service = patient(args);
        let keeps = connect(&service).await;
        let loses = connect(&service).await;
        let begin = |sender: &SendRequest<bytes::Bytes>, method: Method, path: &str| {
            let request = Request::builder()
                .method(method.clone())
                .uri(format!("http://test{path}"));
            let whole = method == Method::GET;
            let begun = sender
                .clone()
                .send_request(request.body(()).unwrap(), whole);
            let (answer, mut body) = begun.unwrap();
            if !whole {
                body.send_data("half".into(), false).unwrap();
            }
            (answer, body)
        };
        let stays = begin(&keeps, Method::GET, "/work?ms=1000");
        let mut given_up = Vec::new();
        for (method, path) in [
            (Method::GET, "/never"),
            (Method::GET, "/endless"),
            (Method::POST, "/upload"),
            (Method::POST, "/echo"),
        ] {
            given_up.push(begin(&keeps, method.clone(), path));
            service.in_flight("request", &format!("{method} {path}"), 1);
        }
        // The window is full, and nothing is released.
        let (answer, unread_body) = begin(&keeps, Method::GET, "/pieces?bytes=1000000");
        let unread = answer.await.unwrap();
        let lost = begin(&loses, Method::GET, "/never");
        service.in_flight("request", "GET /never", 2);
        service.term();
        service.phase("draining");
        for (answer, mut body) in given_up {
            body.send_reset(h2::Reason::CANCEL);
            drop(answer);
        }
        drop((unread, unread_body));
        drop((lost, loses));
        let answer = stays.0.await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut body = answer.into_body();
        assert_eq!(body.data().await.unwrap().unwrap(), "done");
        drop((body, stays.1, keeps));
        told(&service.ended(), 1, 6);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_responses_of_every_kind_are_finished() {
    for args in SERVERS {
        let service = patient(args);
        let head = |path| get(path).replacen("GET", "HEAD", 1);
        let mut client = service.client();
        let mut asked = 0;
        for request in [
            get("/"),
            get("/nothing"),
            get("/sized?bytes=1000"),
            get("/pieces?bytes=1000"),
            post("/echo", 4) + "echo",
        ] {
            client.send(&request);
            let status = client.head().unwrap()[9..12].to_owned();
            assert!(
                ["200", "204", "500"].contains(&&*status),
                "{request}: {status}"
            );
            asked += 1;
            client = service.client();
        }
        for path in [
            "/",
            "/big?bytes=1000",
            "/sized?bytes=1000",
            "/pieces?bytes=1000",
        ] {
            client.send(head(path));
            client.head().unwrap();
            asked += 1;
        }
        let http2 = connect(&service).await;
        for path in [
            "/",
            "/nothing",
            "/sized?bytes=1000",
            "/pieces?bytes=1000",
            "/big?bytes=0",
        ] {
            for method in [Method::GET, Method::HEAD] {
                let request = Request::builder()
                    .method(method)
                    .uri(format!("http://test{path}"));
                let mut ready = http2.clone().ready().await.unwrap();
                let (answer, _) = ready.send_request(request.body(()).unwrap(), true).unwrap();
                let mut body = answer.await.unwrap().into_body();
                while let Some(data) = body.data().await {
                    data.unwrap();
                }
                asked += 1;
            }
        }
        have_ended(&service, FINISHED, asked);
        drop((http2, client));
        service.term();
        told(&service.ended(), 0, 0);
    }
}
