//! Handshakes under way at the signal: neither dropped (hyper#3792) nor waited for without a bound
//! (hyper#4170).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use rustls::ClientConnection;
use rustls::version::{TLS12, TLS13};

use crate::certificates::{Files, connect, session};
use crate::client::Client;
use crate::service::{PATIENT, Service, until};

/// How far a client has come with its handshake.
#[derive(Clone, Copy, Debug)]
enum Flight {
    Connected,
    HalfAHello,
    Hello,
    HelloAnswered,
}

const FLIGHTS: [Flight; 4] = [
    Flight::Connected,
    Flight::HalfAHello,
    Flight::Hello,
    Flight::HelloAnswered,
];

/// A client half way, and what it has still to send of its hello.
struct HalfWay {
    stream: TcpStream,
    session: ClientConnection,
    unsent: Vec<u8>,
}

impl HalfWay {
    fn come(flight: Flight, mut session: ClientConnection, mut stream: TcpStream) -> HalfWay {
        let mut unsent = Vec::new();
        session.write_tls(&mut unsent).unwrap();
        let sent = match flight {
            Flight::Connected => 0,
            Flight::HalfAHello => unsent.len() / 2,
            Flight::Hello | Flight::HelloAnswered => unsent.len(),
        };
        stream.write_all(&unsent[..sent]).unwrap();
        unsent.drain(..sent);
        if matches!(flight, Flight::HelloAnswered) {
            session.read_tls(&mut stream).unwrap();
            session.process_new_packets().unwrap();
        }
        HalfWay {
            stream,
            session,
            unsent,
        }
    }

    /// Sends what is missing. The rest of the handshake goes with the first bytes of HTTP.
    fn go_on(mut self) -> Client {
        self.stream.write_all(&self.unsent).unwrap();
        Client::tls(self.session, self.stream)
    }
}

#[test]
fn accept_lossless_for_a_handshake_half_way_at_the_signal() {
    let files = Files::new();
    for version in [&TLS12, &TLS13] {
        for flight in FLIGHTS {
            let service = files.start(&[]).serve();
            let config = files.trusted(&[version], &["http/1.1"]);
            let half_way = HalfWay::come(flight, session(config), connect(&service));
            service.term();
            service.phase("draining");
            thread::sleep(Duration::from_millis(300));
            let mut client = half_way.go_on();
            let answer = client.get("/work?ms=50");
            assert_eq!(answer.text(), "done", "{flight:?}, {version:?}");
            assert!(answer.says_close());
            client.ends_with_fin();
            service.ended().within(PATIENT).exit(0).nothing_let_go();
        }
    }
}

#[test]
fn accept_lossless_for_connections_whose_handshake_waits_to_be_accepted() {
    let files = Files::new();
    // Its only thread is busy when they come, and when the signal does.
    let service = files.start(&["--threads", "0"]).serve();
    let mut busy = files.client(&service);
    busy.ask("/nap?ms=400");
    service.in_flight("request", "GET /nap", 1);
    let waiting: Vec<TcpStream> = (0..50).map(|_| connect(&service)).collect();
    service.term();
    let answered: Vec<_> = waiting
        .into_iter()
        .map(|stream| {
            let mut client = Client::tls(files.session(), stream);
            thread::spawn(move || {
                assert_eq!(client.get("/").text(), "hello");
                client.ends_with_fin();
            })
        })
        .collect();
    assert_eq!(busy.answer().text(), "done");
    for it in answered {
        it.join().unwrap();
    }
    service.ended().within(PATIENT).exit(0).nothing_let_go();
}

fn patient(files: &Files) -> Service {
    files.start(&[]).env("LAMEDUCK_GRACE", "20s").serve()
}

#[test]
fn idle_exits_with_handshakes_that_stop_at_any_flight() {
    let files = Files::new();
    for flight in FLIGHTS {
        let service = patient(&files);
        let _half_way: Vec<_> = (0..10)
            .map(|_| HalfWay::come(flight, files.session(), connect(&service)))
            .collect();
        service.term();
        let ended = service.ended();
        ended.exit(0).nothing_let_go();
        assert!(
            ended.took < Duration::from_secs(4),
            "{flight:?}: {:?}",
            ended.took
        );
    }
}

#[test]
fn idle_exits_with_a_thousand_half_handshakes_and_harms_nobody() {
    let files = Files::new();
    let service = patient(&files);
    let half_way: Vec<_> = (0..1000)
        .map(|n| {
            let flight = FLIGHTS[n % FLIGHTS.len()];
            HalfWay::come(flight, files.session(), connect(&service))
        })
        .collect();
    let mut idle = files.used_client(&service);
    let mut busy = files.client(&service);
    busy.ask("/work?ms=1500");
    service.in_flight("request", "GET /work", 1);
    service.term();
    service.phase("draining");
    let answer = idle.get("/");
    assert_eq!(answer.text(), "hello");
    idle.ends_with_fin();
    assert_eq!(busy.answer().text(), "done");
    busy.ends_with_fin();
    let ended = service.ended();
    ended.exit(0).nothing_let_go();
    assert!(ended.took < Duration::from_secs(6), "{:?}", ended.took);
    drop(half_way);
}

#[test]
fn idle_exits_with_a_handshake_that_comes_byte_by_byte() {
    let files = Files::new();
    let service = patient(&files);
    let mut half_way = HalfWay::come(Flight::Connected, files.session(), connect(&service));
    let dripping = thread::spawn(move || {
        let mut dripped = 0;
        for byte in half_way.unsent {
            if half_way.stream.write_all(&[byte]).is_err() {
                return (dripped, true);
            }
            dripped += 1;
            thread::sleep(Duration::from_millis(30));
        }
        (dripped, false)
    });
    thread::sleep(Duration::from_millis(100));
    service.term();
    let ended = service.ended();
    ended.exit(0).nothing_let_go();
    assert!(ended.took < Duration::from_secs(4), "{:?}", ended.took);
    let (dripped, cut) = dripping.join().unwrap();
    assert!(cut, "all of the hello was taken, {dripped} bytes");
}

#[test]
fn no_reset_for_a_peer_that_does_not_speak_tls() {
    let service = Files::new().start(&[]).serve();
    let mut client = service.client();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    // An alert, then FIN.
    let answer = client.rest().unwrap();
    assert_eq!(answer.first(), Some(&0x15), "{answer:?}");
    service.term();
    service.ended().within(PATIENT).exit(0).nothing_let_go();
}

#[test]
fn idle_exits_a_peer_that_never_begins_its_handshake_is_cut_off_while_serving() {
    let service = Files::new().start(&[]).serve();
    let mut silent = connect(&service);
    silent
        .set_read_timeout(Some(Duration::from_millis(10)))
        .unwrap();
    until("the end of a handshake that never began", || {
        matches!(silent.read(&mut [0]), Ok(0)).then_some(())
    });
    service.term();
    service.ended().within(PATIENT).exit(0);
}
