//! `websocket-paced`: WebSockets are sent away spread out, and in the order that they asked for.

use std::thread;
use std::time::{Duration, Instant};

use crate::service::{APART, Start};
use crate::socket::Socket;

/// Has each socket go when it is told to; when that was, in order.
fn told(sockets: Vec<Socket>) -> Vec<Instant> {
    let waiting: Vec<_> = sockets
        .into_iter()
        .map(|mut socket| {
            thread::spawn(move || {
                assert_eq!(socket.hears_close().0, 1001);
                let told = Instant::now();
                socket.says_close(1001);
                socket.client.ends_with_fin();
                told
            })
        })
        .collect();
    let mut told: Vec<_> = waiting.into_iter().map(|it| it.join().unwrap()).collect();
    told.sort();
    told
}

#[test]
fn websocket_paced_the_spread_follows_the_window() {
    for (window, least, most) in [("2s", 1500, 4000), ("0s", 0, 1000)] {
        let service = Start::new(&[])
            .env("LAMEDUCK_GRACE", "20s")
            .env("LAMEDUCK_WEBSOCKET_WINDOW", window)
            .serve();
        let sockets: Vec<_> = (0..60).map(|_| Socket::open(&service, "/ws")).collect();
        service.in_flight("websocket", "/ws", 60);
        service.term();
        let told = told(sockets);
        let spread = told[59] - told[0];
        let bounds = Duration::from_millis(least)..Duration::from_millis(most);
        assert!(bounds.contains(&spread), "{window}: {spread:?}");
        if least > 0 {
            // Evenly, not most of them at one end.
            for (nth, quarter) in told.chunks(15).enumerate() {
                let lasted = quarter[14] - quarter[0];
                assert!(lasted > Duration::from_millis(100), "{nth}: {lasted:?}");
            }
        }
        service.ended().exit(0).nothing_let_go();
    }
}

#[test]
fn websocket_paced_those_that_asked_for_it_go_last() {
    let service = Start::new(&[]).env("LAMEDUCK_GRACE", "10s").serve();
    let mut last = Socket::open(&service, "/ws/last");
    let mut slow = Socket::open(&service, "/ws");
    let sockets: Vec<_> = (0..10).map(|_| Socket::open(&service, "/ws")).collect();
    service.term();
    let others = told(sockets);
    assert_eq!(slow.hears_close().0, 1001);
    // Still served while one of the others is not gone.
    assert!(last.client.is_silent());
    last.say("still there");
    assert_eq!(last.hears(), "still there");
    slow.says_close(1001);
    slow.client.ends_with_fin();
    let last = told(vec![last]);
    assert!(last[0] > others[9]);
    service.ended().exit(0).nothing_let_go();
}

#[test]
fn second_signal_sends_all_that_are_left_away_at_once() {
    let service = Start::new(&[])
        .env("LAMEDUCK_GRACE", "60s")
        .env("LAMEDUCK_WEBSOCKET_WINDOW", "20s")
        .serve();
    let sockets: Vec<_> = (0..400).map(|_| Socket::open(&service, "/ws")).collect();
    service.term();
    service.phase("draining");
    std::thread::sleep(APART);
    service.term();
    told(sockets);
    let ended = service.ended();
    ended.exit(0).nothing_let_go();
    assert!(ended.took < Duration::from_secs(8), "{:?}", ended.took);
}
