//! actix-web as a part of a lifecycle, with a middleware that does what `Handle::layer` does for tower
//! services.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Server, Service, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::{ConnectionType, Version};
use actix_web::web::{self, Bytes, Payload, Query, ServiceConfig};
use actix_web::{App, Error, HttpResponse, HttpServer};
use clap::Parser;
use futures_util::{Future, StreamExt};
use lameduck::inflight::Guard;
use lameduck::{Exit, Handle};
use pin_project_lite::pin_project;
use servers::{Args, app, lifecycle};

#[tokio::main]
async fn main() -> Exit {
    let args = Args::parse();
    if args.plain {
        return match plain(&args).await {
            Ok(()) => Exit::CLEAN,
            Err(_) => Exit::FAILED,
        };
    }
    let life = lifecycle(&args.admin);
    let listener = args.listener();
    life.task("http", move |handle| {
        let server = listener.and_then(|listener| server(listener, handle.clone()));
        async move { serve(server?, handle).await }
    })
    .run()
    .await
}

fn server(listener: std::net::TcpListener, handle: Handle) -> io::Result<Server> {
    // Whole seconds, and it looks once a second.
    let drain = handle.budget().drain_until().as_secs();
    let server = HttpServer::new(move || {
        let handle = handle.clone();
        App::new()
            .configure(routes)
            .wrap_fn(move |request, service| track(&handle, request, service))
    });
    let server = server
        .disable_signals()
        .shutdown_timeout(drain)
        // Idle peers are not sent away, but time out. The defaults are 5 s.
        .keep_alive(Duration::from_secs(2))
        .client_request_timeout(Duration::from_secs(2));
    // And not `listen_auto_h2c`: HTTP/2 peers are never told to go, and go on till the deadline.
    Ok(server.listen(listener)?.run())
}

/// Serves until it has drained, or the time for that is over.
async fn serve(server: Server, handle: Handle) -> io::Result<()> {
    let control = server.handle();
    let served = tokio::spawn(server);
    tokio::select! {
        ended = served => return ended?,
        () = handle.until_draining() => {}
    }
    tokio::select! {
        () = control.stop(true) => {}
        () = handle.until_drain_deadline() => control.stop(false).await,
    }
    Ok(())
}

/// Has a request in the ledger until the last byte of its response has been taken, and tells the
/// peer that the connection has no future.
fn track<S, B>(
    handle: &Handle,
    request: ServiceRequest,
    service: &S,
) -> impl Future<Output = Result<ServiceResponse<Tracked<B>>, Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    let name = format!("{} {}", request.method(), request.uri());
    let guard = handle.track("request", name);
    let http1 = request.version() <= Version::HTTP_11;
    let (handle, response) = (handle.clone(), service.call(request));
    async move {
        let response = response.await?;
        let closing = http1 && handle.is_shutting_down();
        Ok(response.map_body(|head, body| {
            if closing {
                head.set_connection_type(ConnectionType::Close);
            }
            Tracked {
                body,
                _guard: guard,
            }
        }))
    }
}

pin_project! {
    /// A response's body that keeps its request in the ledger.
    struct Tracked<B> {
        #[pin]
        body: B,
        _guard: Guard,
    }
}

impl<B: MessageBody> MessageBody for Tracked<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, B::Error>>> {
        self.project().body.poll_next(cx)
    }
}

fn routes(config: &mut ServiceConfig) {
    config
        .route("/work", web::get().to(work))
        .route("/upload", web::post().to(upload))
        .route("/stream", web::get().to(stream));
}

async fn work(takes: Query<app::Takes>) -> &'static str {
    app::work(takes.into_inner()).await
}

async fn upload(mut body: Payload) -> Result<String, PayloadError> {
    let mut bytes = 0;
    while let Some(chunk) = body.next().await {
        bytes += chunk?.len();
    }
    Ok(bytes.to_string())
}

async fn stream(takes: Query<app::Takes>) -> HttpResponse {
    HttpResponse::Ok().streaming(app::chunks(takes.into_inner()))
}

async fn plain(args: &Args) -> io::Result<()> {
    let server = HttpServer::new(|| App::new().configure(routes));
    server.listen(args.listener()?)?.run().await
}
