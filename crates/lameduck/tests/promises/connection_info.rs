//! What a handler learns of its client, by axum's own extractors and by ours.

use std::future::{Future, Ready, pending, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use axum::serve::ListenerExt;
use lameduck::{ConnectionAddr, ConnectionInfo, Draining, Http, Listener, TrackLayer};
use tower_service::Service;

use crate::in_process::{ANYWHERE, Server};
use crate::service::until;

fn app() -> Router {
    Router::new()
        .route(
            "/axum",
            get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }),
        )
        .route("/ours", get(ours))
        .route("/maybe", get(maybe))
        .route("/draining", get(|_: Draining| async { "found" }))
}

async fn ours(info: ConnectionInfo) -> String {
    let text = |addr: Option<SocketAddr>| addr.map_or("none".to_owned(), |it| it.to_string());
    format!("{} {}", text(info.peer_addr()), text(info.local_addr()))
}

async fn maybe(info: Option<ConnectionInfo>) -> &'static str {
    info.map_or("none", |_| "some")
}

/// What axum's extractor and ours say on one connection, twice.
#[track_caller]
fn tells_the_addresses(server: &Server) {
    let mut client = server.client();
    let own = format!("127.0.0.1:{}", client.port());
    for _ in 0..2 {
        assert_eq!(client.get("/axum").text(), own);
    }
}

#[test]
fn connect_info_of_axum_works_in_a_plain_router_and_so_does_ours() {
    let server = Server::of(Http::new("api", ANYWHERE, app()).with_connection_info());
    tells_the_addresses(&server);
    let mut client = server.client();
    let both = format!("127.0.0.1:{} {}", client.port(), server.address);
    assert_eq!(client.get("/ours").text(), both);
    assert_eq!(client.get("/maybe").text(), "some");
    assert_eq!(client.get("/draining").text(), "found");
    server.ends_clean();
}

#[test]
fn into_make_service_with_connect_info_is_served() {
    let app_with_info = app().into_make_service_with_connect_info::<SocketAddr>();
    let server = Server::of(Http::new("api", ANYWHERE, app_with_info));
    tells_the_addresses(&server);
    assert_eq!(server.client().get("/draining").text(), "found");
    server.ends_clean();

    let app_with_info = app().into_make_service_with_connect_info::<ConnectionInfo>();
    let server = Server::run(|life| life.component(Http::new("api", ANYWHERE, app_with_info)));
    let mut client = server.client();
    let both = format!("127.0.0.1:{} {}", client.port(), server.address);
    assert_eq!(client.get("/ours").text(), both);
    server.ends_clean();

    let server = Server::of(Http::new("api", ANYWHERE, app().into_make_service()));
    assert_eq!(server.client().get("/maybe").text(), "none");
    server.ends_clean();
}

#[test]
fn without_any_of_it_the_answer_says_what_to_write() {
    let server = Server::of(Http::new("api", ANYWHERE, app()));
    let mut client = server.client();
    let refused = client.get("/ours");
    assert_eq!(refused.status, 500);
    assert!(
        refused.text().contains("with_connection_info()"),
        "{refused:?}"
    );
    assert_eq!(client.get("/maybe").text(), "none");
    server.ends_clean();
}

#[test]
fn over_a_unix_socket_the_system_says_which_process_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock");
    let at = path.clone();
    let app = app().route(
        "/who",
        get(|info: ConnectionInfo| async move {
            let who = info.peer_credentials().unwrap();
            assert_eq!(info.local(), &ConnectionAddr::Unix(Some(at)));
            assert_eq!(info.peer(), &ConnectionAddr::Unix(None));
            format!("{} {}", who.uid(), who.pid().unwrap())
        }),
    );
    let bind = format!("unix:{}", path.display());
    let server = Server::of(Http::new("api", bind.as_str(), app).with_connection_info());
    let mut client = server.client();
    let uid = rustix::process::getuid().as_raw();
    assert_eq!(
        client.get("/who").text(),
        format!("{uid} {}", std::process::id())
    );
    assert_eq!(client.get("/ours").text(), "none none");
    assert_eq!(client.get("/axum").status, 500, "there is no such address");
    server.ends_clean();
}

#[test]
fn connect_info_of_axum_works_behind_axum_serve_with_our_listener() {
    let socket = std::net::TcpListener::bind(ANYWHERE).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let server = Server::at(address, |life| {
        life.task("api", |handle| async move {
            let listener = Listener::new(&handle, socket)?;
            let closed = listener.closed();
            let app = app()
                .layer(TrackLayer::new(&handle))
                .into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener.tap_io(|_| ()), app)
                .with_graceful_shutdown(closed)
                .await
        })
    });
    tells_the_addresses(&server);
    server.ends_clean();
}

/// Makes no service, in one way or another.
#[derive(Clone)]
struct Maker {
    ends: bool,
    asked: Arc<std::sync::atomic::AtomicBool>,
}

impl Service<ConnectionInfo> for Maker {
    type Response = Router;
    type Error = &'static str;
    type Future = Pin<Box<dyn Future<Output = Result<Router, &'static str>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: ConnectionInfo) -> Self::Future {
        self.asked.store(true, std::sync::atomic::Ordering::Relaxed);
        match self.ends {
            true => {
                let refused: Ready<_> = ready(Err("no"));
                Box::pin(refused)
            }
            false => Box::pin(pending()),
        }
    }
}

#[test]
fn a_connection_without_a_service_ends_in_order() {
    let asked = Arc::default();
    let maker = Maker { ends: true, asked };
    let server = Server::of(Http::new("api", ANYWHERE, maker));
    assert_eq!(server.client().rest().unwrap(), b"");
    server.ends_clean();
}

#[test]
fn idle_exits_although_a_service_is_never_made() {
    let asked = Arc::default();
    let maker = Maker { ends: false, asked };
    let server = Server::of(Http::new("api", ANYWHERE, maker.clone()));
    let mut client = server.client();
    until("it is asked", || {
        maker
            .asked
            .load(std::sync::atomic::Ordering::Relaxed)
            .then_some(())
    });
    let began = Instant::now();
    server.ends_clean();
    assert!(began.elapsed() < Duration::from_secs(4), "{began:?}");
    assert_eq!(client.rest().unwrap(), b"");
}
