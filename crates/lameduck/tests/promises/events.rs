//! `sse-ends`: event streams end on an event boundary, and long polls can end in time.

use std::time::Duration;

use crate::client::Client;
use crate::service::{PATIENT, Service, Start};

/// The bytes of the stream, without those of the chunks that they came in.
fn stream(client: &mut Client) -> String {
    client.answer().text()
}

/// The events before the last `retry:`, and that.
#[track_caller]
fn events_and_retry(text: &str) -> (Vec<&str>, u64) {
    let (events, retry) = text
        .rsplit_once("retry: ")
        .unwrap_or_else(|| panic!("{text:?}"));
    let retry = retry.strip_suffix("\n\n").unwrap();
    let events = events.split_terminator("\r\n\r\n").collect();
    (events, retry.parse().unwrap())
}

#[test]
fn sse_ends_on_an_event_boundary_however_an_event_is_cut_into_chunks() {
    // The drain begins at any place: between lines, within one, between events.
    for ms in [1, 20, 150] {
        let service = Start::new(&[]).env("LAMEDUCK_GRACE", "6s").serve();
        let mut clients: Vec<_> = (0..8).map(|_| service.client()).collect();
        let path = format!("/events?ms={ms}");
        for client in &mut clients {
            client.ask(&path);
        }
        service.in_flight("request", &format!("GET {path}"), 8);
        service.term();
        for mut client in clients {
            let text = stream(&mut client);
            let (events, retry) = events_and_retry(&text);
            for (n, event) in events.iter().enumerate() {
                let n = n + 1;
                assert_eq!(
                    *event,
                    format!("id: {n}\r\ndata: first half and second {n}")
                );
            }
            assert!((1000..=3000).contains(&retry), "{retry}");
            client.ends_with_fin();
        }
        let ended = service.ended();
        ended.exit(0).nothing_let_go();
        assert!(ended.took < Duration::from_secs(3), "{:?}", ended.took);
    }
}

#[test]
fn sse_ends_although_its_handler_sleeps_between_two_events() {
    let service = Service::plain();
    let mut client = service.client();
    client.ask("/events?ms=60000");
    service.in_flight("request", "GET /events", 1);
    service.term();
    let text = stream(&mut client);
    assert!(text.starts_with("retry: "), "{text:?}");
    client.ends_with_fin();
    service.ended().within_grace().exit(0).nothing_let_go();
}

#[test]
fn stuck_told_names_the_event_stream_that_never_ends_its_event() {
    let service = Service::patient();
    let mut client = service.client();
    client.ask("/events/half");
    let head = client.head().unwrap();
    assert!(head.contains("text/event-stream"), "{head}");
    service.term();
    let ended = service.ended();
    ended.within(PATIENT).exit(124);
    ended.let_go("request", "GET /events/half");
}

#[test]
fn sse_ends_by_its_handler_if_that_says_so() {
    let service = Service::plain();
    let mut client = service.client();
    client.ask("/events/own");
    service.in_flight("request", "GET /events/own", 1);
    service.term();
    assert_eq!(
        stream(&mut client),
        "data: first\n\nevent: bye\ndata: see you\n\n"
    );
    client.ends_with_fin();
    service.ended().within_grace().exit(0).nothing_let_go();
}

#[test]
fn inflight_completes_for_a_long_poll_that_asks_when_to_end() {
    let service = Service::plain();
    let mut client = service.client();
    client.ask("/poll");
    service.in_flight("request", "GET /poll", 1);
    service.term();
    let answer = client.answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "none yet"));
    client.ends_with_fin();
    service.ended().within_grace().exit(0).nothing_let_go();
}
