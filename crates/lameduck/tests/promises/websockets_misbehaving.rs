//! `websocket-closed`, `idle-exits`, `stuck-told`: peers and handlers that do not play along.

use std::time::Duration;

use crate::service::{Service, Start};
use crate::socket::Socket;

#[test]
fn idle_exits_although_a_peer_never_answers_the_close_frame() {
    let service = Start::new(&[]).env("LAMEDUCK_GRACE", "20s").serve();
    let mut silent = Socket::open(&service, "/ws");
    let others: Vec<_> = (0..5).map(|_| Socket::open(&service, "/ws")).collect();
    service.term();
    for other in others {
        other.goes(1001, "shutting down");
    }
    assert_eq!(silent.hears_close().0, 1001);
    // It says nothing, and still it ends well.
    silent.client.ends_with_fin();
    let ended = service.ended();
    // Nothing of ours is left undone: a peer that sleeps is no failure.
    ended.exit(0).nothing_let_go();
    assert!(ended.took < Duration::from_secs(8), "{:?}", ended.took);
}

#[test]
fn idle_exits_although_a_peer_never_reads() {
    let service = Start::new(&[]).env("LAMEDUCK_GRACE", "20s").serve();
    let deaf = Socket::open(&service, "/ws/big?bytes=60000000");
    let others: Vec<_> = (0..5).map(|_| Socket::open(&service, "/ws")).collect();
    service.term();
    for other in others {
        other.goes(1001, "shutting down");
    }
    let ended = service.ended();
    ended.exit(124).let_go("websocket", "/ws/big");
    assert_eq!(ended.list("let_go").len(), 1, "{}", ended.report);
    let why = "did not take what was sent to it, nor a Close frame, in 2s";
    assert!(ended.stderr.contains(why), "{}", ended.stderr);
    assert!(ended.took < Duration::from_secs(10), "{:?}", ended.took);
    drop(deaf);
}

#[test]
fn idle_exits_although_a_peer_goes_on_talking_instead_of_closing() {
    let service = Start::new(&[]).env("LAMEDUCK_GRACE", "20s").serve();
    let mut chatty = Socket::open(&service, "/ws");
    service.term();
    assert_eq!(chatty.hears_close().0, 1001);
    let talking = std::thread::spawn(move || {
        let more = Socket::bytes(true, 1, b"and another thing");
        while chatty.client.try_send(&more).is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let ended = service.ended();
    ended.exit(0).nothing_let_go();
    assert!(ended.took < Duration::from_secs(10), "{:?}", ended.took);
    talking.join().unwrap();
}

#[test]
fn websocket_closed_while_its_handler_is_busy_elsewhere_and_stuck_told_names_that() {
    let service = Service::plain();
    let socket = Socket::open(&service, "/ws/busy");
    service.term();
    // The peer does not have to wait for what the handler does.
    socket.goes(1001, "shutting down");
    let ended = service.ended();
    ended
        .within_grace()
        .exit(124)
        .let_go("websocket", "/ws/busy");
    assert_eq!(ended.list("let_go").len(), 1, "{}", ended.report);
}

#[test]
fn idle_exits_when_peers_vanish() {
    let service = Service::plain();
    let sockets: Vec<_> = (0..20).map(|_| Socket::open(&service, "/ws")).collect();
    drop(sockets);
    service.term();
    service.ended().within_grace().exit(0).nothing_let_go();
}
