//! `websocket-closed`: every WebSocket gets 1001 or 1012 and a closing handshake, and no message is
//! cut by it.

use std::thread;
use std::time::Duration;

use crate::certificates::Files;
use crate::service::{Service, Start};
use crate::socket::{BINARY, CONTINUATION, Socket, TEXT};

#[test]
fn websocket_closed_with_1001_a_reason_a_handshake_and_fin() {
    let service = Start::new(&[]).env("LAMEDUCK_GRACE", "6s").serve();
    let mut sockets: Vec<_> = (0..10).map(|_| Socket::open(&service, "/ws")).collect();
    for (n, socket) in sockets.iter_mut().enumerate() {
        socket.say(&format!("hello {n}"));
        assert_eq!(socket.hears(), format!("hello {n}"));
    }
    service.term();
    for socket in sockets {
        socket.goes(1001, "shutting down");
    }
    let ended = service.ended();
    ended.exit(0).nothing_let_go();
    assert_eq!(
        ended.report["finished"]["websocket"], 10,
        "{}",
        ended.report
    );
    assert_eq!(ended.report["finished"]["upgrade"], serde_json::Value::Null);
}

#[test]
fn websocket_closed_with_1012_by_setting() {
    let service = Start::new(&["--restart"]).serve();
    let socket = Socket::open(&service, "/ws");
    service.term();
    socket.goes(1012, "deploy");
    service.ended().within_grace().exit(0).nothing_let_go();
}

#[test]
fn websocket_closed_over_tls_with_close_notify_before_fin() {
    let files = Files::new();
    let service = files.start(&[]).serve();
    let mut socket = Socket::over(files.client(&service), "/ws");
    socket.say("over TLS");
    assert_eq!(socket.hears(), "over TLS");
    service.term();
    socket.goes(1001, "shutting down");
    service.ended().within_grace().exit(0).nothing_let_go();
}

#[test]
fn websocket_closed_when_all_is_well_too() {
    let service = Service::plain();
    // The peer goes first.
    let mut socket = Socket::open(&service, "/ws");
    socket.says_close(1000);
    assert_eq!(socket.hears_close().0, 1000);
    socket.client.ends_with_fin();
    // The handler fails.
    let mut socket = Socket::open(&service, "/ws/panic");
    socket.say("now");
    assert_eq!(socket.hears_close(), (1011, String::new()));
    socket.says_close(1011);
    socket.client.ends_with_fin();
    // The peer sends what is no text.
    let mut socket = Socket::open(&service, "/ws");
    socket.send(true, TEXT, &[0xff, 0xfe]);
    assert_eq!(socket.hears_close().0, 1007);
    socket.says_close(1007);
    socket.client.ends_with_fin();
    service.term();
    let ended = service.ended();
    ended.within_grace().exit(0).nothing_let_go();
    assert_eq!(ended.list("panicked")[0]["name"], "/ws/panic");
}

#[test]
fn websocket_closed_after_the_applications_own_last_message() {
    let service = Service::plain();
    let mut socket = Socket::open(&service, "/ws/farewell");
    socket.say("hello");
    assert_eq!(socket.hears(), "hello");
    service.term();
    assert_eq!(socket.hears(), "farewell");
    socket.goes(1001, "shutting down");
    service.ended().within_grace().exit(0).nothing_let_go();
}

#[test]
fn websocket_closed_between_messages_not_within_a_fragmented_one() {
    let service = Start::new(&[]).env("LAMEDUCK_GRACE", "6s").serve();
    let mut socket = Socket::open(&service, "/ws/fragments?ms=600");
    let first = socket.frame();
    assert_eq!((first.fin, first.opcode), (false, TEXT));
    service.term();
    for n in 1..10 {
        let part = socket.frame();
        assert_eq!((part.fin, part.opcode), (n == 9, CONTINUATION), "{part:?}");
        assert_eq!(part.text(), format!("part {n} "));
    }
    socket.goes(1001, "shutting down");
    service.ended().exit(0).nothing_let_go();
}

#[test]
fn websocket_closed_after_a_long_message_that_a_slow_peer_takes() {
    // More than the kernel's buffers take.
    const LENGTH: usize = 24 << 20;
    let service = Start::new(&[]).env("LAMEDUCK_GRACE", "10s").serve();
    let mut socket = Socket::open(&service, &format!("/ws/big?bytes={LENGTH}"));
    let head = socket.client.exactly(10).unwrap();
    assert_eq!(head[0], 0x80 | BINARY);
    service.term();
    service.phase("draining");
    let mut left = LENGTH;
    while left > 0 {
        let some = left.min(1 << 20);
        let part = socket.client.exactly(some).unwrap();
        assert!(part.iter().all(|b| *b == b'b'), "cut at {left}");
        left -= some;
        thread::sleep(Duration::from_millis(20));
    }
    socket.goes(1001, "shutting down");
    service.ended().exit(0).nothing_let_go();
}

#[test]
fn websocket_closed_after_what_the_peer_was_sending_has_reached_the_application() {
    let mut service = Start::new(&[]).env("LAMEDUCK_GRACE", "6s").serve();
    let mut socket = Socket::open(&service, "/ws/late?ms=300");
    socket.say("one");
    socket.send(false, TEXT, b"two ");
    service.term();
    assert_eq!(socket.hears_close().0, 1001);
    // The application is not looking, and the message is half sent.
    socket.send(true, CONTINUATION, b"halves");
    socket.says_close(1001);
    socket.client.ends_with_fin();
    for expected in ["one", "two halves"] {
        assert_eq!(service.says("late "), format!("late text {expected}"));
    }
    assert_eq!(service.says("late "), "late close");
    assert_eq!(service.says("late "), "late none");
    service.ended().exit(0).nothing_let_go();
}
