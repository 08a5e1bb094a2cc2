//! A connection that has stopped being HTTP is in flight until its end.

use crate::client::Client;
use crate::service::Service;

fn upgraded(service: &Service) -> Client {
    let mut client = service.client();
    client.send(
        "GET /upgrade HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n",
    );
    assert_eq!(client.answer().status, 101);
    client.send("ping");
    assert_eq!(client.exactly(4).unwrap(), b"ping");
    service.in_flight("upgrade", "GET /upgrade", 1);
    client
}

#[test]
fn inflight_completes_for_an_upgraded_connection() {
    let service = Service::plain();
    let mut client = upgraded(&service);
    service.term();
    service.phase("draining");
    client.send("still there");
    assert_eq!(client.exactly(11).unwrap(), b"still there");
    client.finish();
    client.ends_with_fin();
    service.ended().within_grace().exit(0).nothing_let_go();
}

#[test]
fn stuck_told_names_the_upgraded_connection_that_never_ends() {
    let service = Service::plain();
    let _client = upgraded(&service);
    service.term();
    let ended = service.ended();
    ended
        .within_grace()
        .exit(124)
        .let_go("upgrade", "GET /upgrade");
}
