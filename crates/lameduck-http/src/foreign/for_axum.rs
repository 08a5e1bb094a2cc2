//! The listener for axum's own server.

use std::future::pending;
use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::foreign_listener::Listener;

/// For `axum::serve(listener, app).with_graceful_shutdown(closed)`: it never ends by itself.
///
/// For `app.into_make_service_with_connect_info::<SocketAddr>()` give axum `listener.tap_io(|_| ())`
/// (`axum::serve::ListenerExt`): axum knows the address type of what is tapped, and of its own listeners.
impl axum::serve::Listener for Listener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        match Listener::accept(self).await {
            Some(accepted) => accepted,
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(Listener::local_addr(self))
    }
}
