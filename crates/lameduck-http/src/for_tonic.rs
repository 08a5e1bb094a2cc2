//! What `tonic::Request::remote_addr` and `peer_certs` look for in a request.

use http::Extensions;
#[cfg(feature = "rustls")]
use tokio_rustls::server::TlsStream;
#[cfg(feature = "rustls")]
use tonic::transport::server::Connected;
use tonic::transport::server::TcpConnectInfo;

use super::conn::Conn;

/// tonic's own type for a connection over TLS, which only one of its streams makes.
#[cfg(feature = "rustls")]
pub(super) type TlsInfo = <TlsStream<tokio::net::TcpStream> as Connected>::ConnectInfo;

/// The addresses of a connection, in tonic's own type.
pub(super) fn tcp_info(conn: &Conn) -> TcpConnectInfo {
    let facts = conn.facts();
    TcpConnectInfo {
        local_addr: facts.and_then(|it| it.local.tcp()),
        remote_addr: facts.and_then(|it| it.peer.tcp()),
    }
}

pub(super) fn insert_into(extensions: &mut Extensions, conn: &Conn) {
    extensions.insert(tcp_info(conn));
    #[cfg(feature = "rustls")]
    if let Some(tls) = conn.tls_facts() {
        extensions.insert(tls.tonic.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use bytes::Bytes;
    use tonic::{Request, Status};

    use lameduck_core::{Exit, Lifecycle};

    /// Calls a method of a service that answers each call with its client's address.
    async fn told(address: &str) -> (SocketAddr, String) {
        let socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let own = socket.local_addr().unwrap();
        let (mut client, connection) = h2::client::handshake(socket).await.unwrap();
        let connection = tokio::spawn(connection);
        let call = http::Request::post("http://test/grpc.health.v1.Health/Check")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .unwrap();
        let (answer, mut message) = client.send_request(call, false).unwrap();
        message
            .send_data(Bytes::from_static(&[0; 5]), true)
            .unwrap();
        let answer = answer.await.unwrap();
        let text = answer.headers()["grpc-message"].to_str().unwrap();
        let text = text.replace("%3A", ":");
        drop((client, message, answer));
        connection.await.unwrap().unwrap();
        (own, text)
    }

    #[tokio::test]
    async fn tonic_knows_the_clients_address() {
        let (_, health) = tonic_health::server::health_reporter();
        let says_who = |request: Request<()>| -> Result<Request<()>, Status> {
            let who = request.remote_addr().map(|it| it.to_string());
            Err(Status::aborted(who.unwrap_or_default()))
        };
        let service = tonic::service::interceptor::InterceptedService::new(health, says_who);
        let life = Lifecycle::embedded().component(crate::Http::new("api", "127.0.0.1:0", service));
        let handle = life.handle();
        let life = tokio::spawn(life.run());
        let address = loop {
            match handle.address("api") {
                Some(address) => break address,
                None => tokio::task::yield_now().await,
            }
        };
        let (own, told) = told(&address).await;
        assert_eq!(told, own.to_string());
        handle.shutdown("asked enough");
        assert_eq!(life.await.unwrap(), Exit::CLEAN);
    }
}
