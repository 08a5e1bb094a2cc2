//! The delaying wire against a bare server: what it delays, and what it carries faithfully.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use lameduck_check::wire::{LineState, Wire, WireStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const RTT: Duration = Duration::from_millis(60);
/// Nothing here takes longer.
const DEADLINE: Duration = Duration::from_secs(10);

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    (listener, address)
}

/// A client, and the server's end of its connection, both established.
async fn pair(rtt: Duration) -> (WireStream, TcpStream) {
    let (listener, address) = listener().await;
    let wire = Wire::new(rtt);
    let (client, accepted) = tokio::join!(wire.connect(address), listener.accept());
    (client.expect("connected"), accepted.expect("accepted").0)
}

fn reset_on_close(stream: &TcpStream) {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).expect("an open socket");
}

/// Looks until something has arrived.
async fn seen(client: &mut WireStream) -> LineState {
    let begun = Instant::now();
    loop {
        match client.look() {
            LineState::Open => assert!(begun.elapsed() < DEADLINE, "nothing arrived"),
            look => return look,
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_connection_takes_a_round_trip_and_the_server_sees_it_after_one_and_a_half() {
    let (listener, address) = listener().await;
    let begun = Instant::now();
    let client = async {
        let client = Wire::new(RTT).connect(address).await.unwrap();
        (client, begun.elapsed())
    };
    let server = async {
        let accepted = listener.accept().await.unwrap();
        (accepted, begun.elapsed())
    };
    let ((_client, connected), (_server, accepted)) = tokio::join!(client, server);
    assert!(connected >= RTT, "{connected:?}");
    if cfg!(target_os = "linux") {
        // The kernel holds the ACK back; its own clock has a coarser grain.
        assert!(
            accepted >= RTT * 3 / 2 - Duration::from_millis(1),
            "{accepted:?}"
        );
    }
}

#[tokio::test]
async fn a_refusal_takes_a_round_trip_and_stays_a_refusal() {
    let (listener, address) = listener().await;
    drop(listener);
    let begun = Instant::now();
    let error = Wire::new(RTT).connect(address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert!(begun.elapsed() >= RTT, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_question_and_its_answer_take_a_round_trip() {
    let (mut client, mut server) = pair(RTT).await;
    let begun = Instant::now();
    client.write_all(b"question").await.unwrap();
    let mut bytes = [0u8; 8];
    server.read_exact(&mut bytes).await.unwrap();
    assert!(begun.elapsed() >= RTT / 2, "{:?}", begun.elapsed());
    server.write_all(b"response").await.unwrap();
    client.read_exact(&mut bytes).await.unwrap();
    assert!(begun.elapsed() >= RTT, "{:?}", begun.elapsed());
    assert_eq!(&bytes, b"response");
}

#[tokio::test]
async fn bytes_keep_their_order_and_number_in_both_directions() {
    let (client, server) = pair(Duration::from_millis(10)).await;
    // More than both queues hold: back-pressure is part of it.
    let bytes: Vec<u8> = (0..4_000_000u32)
        .map(|number| (number % 251) as u8)
        .collect();
    let (mut client_read, mut client_write) = tokio::io::split(client);
    let (mut server_read, mut server_write) = server.into_split();
    let there = async {
        client_write.write_all(&bytes).await.unwrap();
        client_write.shutdown().await.unwrap();
    };
    let back = async {
        server_write.write_all(&bytes).await.unwrap();
        server_write.shutdown().await.unwrap();
    };
    let (mut arrived_there, mut arrived_back) = (Vec::new(), Vec::new());
    let ((), (), there, back) = tokio::join!(
        there,
        back,
        server_read.read_to_end(&mut arrived_there),
        client_read.read_to_end(&mut arrived_back)
    );
    there.unwrap();
    back.unwrap();
    assert!(
        arrived_there == bytes,
        "{} bytes arrived at the server",
        arrived_there.len()
    );
    assert!(
        arrived_back == bytes,
        "{} bytes arrived at the client",
        arrived_back.len()
    );
}

#[tokio::test]
async fn a_receiver_that_does_not_read_stops_the_sender() {
    let (mut client, _server) = pair(Duration::from_millis(2)).await;
    let chunk = vec![0u8; 64 * 1024];
    let flood = async {
        let mut written = 0usize;
        while let Ok(result) =
            tokio::time::timeout(Duration::from_millis(500), client.write(&chunk)).await
        {
            written += result.unwrap();
            assert!(written < 512 << 20, "nothing stops the sender");
        }
    };
    tokio::time::timeout(DEADLINE * 3, flood)
        .await
        .expect("the sender was stopped");
}

#[tokio::test]
async fn a_half_close_travels_and_leaves_the_other_direction_open() {
    let (mut client, mut server) = pair(RTT).await;
    let begun = Instant::now();
    client.write_all(b"last").await.unwrap();
    client.shutdown().await.unwrap();
    let mut bytes = Vec::new();
    server.read_to_end(&mut bytes).await.unwrap();
    assert!(begun.elapsed() >= RTT / 2, "{:?}", begun.elapsed());
    assert_eq!(bytes, b"last");
    server.write_all(b"still here").await.unwrap();
    drop(server);
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, b"still here");
}

#[tokio::test]
async fn the_servers_fin_is_invisible_until_it_has_travelled() {
    let (mut client, server) = pair(RTT).await;
    let begun = Instant::now();
    drop(server);
    assert_eq!(client.look(), LineState::Open);
    assert_eq!(seen(&mut client).await, LineState::Fin);
    assert!(begun.elapsed() >= RTT / 2, "{:?}", begun.elapsed());
    assert_eq!(client.read(&mut [0u8; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_request_that_crosses_the_servers_fin_is_written_whole_and_meets_the_end() {
    let (mut client, server) = pair(RTT).await;
    drop(server);
    assert_eq!(client.look(), LineState::Open);
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(client.read(&mut [0u8; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn the_servers_reset_arrives_as_a_reset_after_its_way() {
    let (mut client, server) = pair(RTT).await;
    let begun = Instant::now();
    reset_on_close(&server);
    drop(server);
    let error = client.read(&mut [0u8; 1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(begun.elapsed() >= RTT / 2, "{:?}", begun.elapsed());
    assert_eq!(client.look(), LineState::Reset);
}

#[tokio::test]
async fn a_reset_stays_a_reset_when_the_relay_meets_it_while_writing() {
    let (mut client, server) = pair(RTT).await;
    reset_on_close(&server);
    // Written before the reset can have arrived at the client.
    client.write_all(b"crossing").await.unwrap();
    drop(server);
    client.write_all(b"crossing").await.unwrap();
    let error = client.read(&mut [0u8; 1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn the_clients_abort_arrives_as_a_reset_after_its_way() {
    let (client, mut server) = pair(RTT).await;
    let begun = Instant::now();
    client.abort();
    let error = server.read(&mut [0u8; 1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(begun.elapsed() >= RTT / 2, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_clients_drop_arrives_as_a_fin_after_its_way() {
    let (client, mut server) = pair(RTT).await;
    let begun = Instant::now();
    drop(client);
    assert_eq!(server.read(&mut [0u8; 1]).await.unwrap(), 0);
    assert!(begun.elapsed() >= RTT / 2, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn without_a_round_trip_the_kernel_is_asked_what_has_arrived() {
    let (mut client, mut server) = pair(Duration::ZERO).await;
    assert_eq!(client.look(), LineState::Open);
    server.write_all(b"x").await.unwrap();
    assert_eq!(seen(&mut client).await, LineState::Data);
    assert_eq!(client.read(&mut [0u8; 1]).await.unwrap(), 1);
    drop(server);
    assert_eq!(seen(&mut client).await, LineState::Fin);
}
