//! Which services there are, for clients that ask (`grpcurl`).

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::map_request_with_state;
use futures_util::StreamExt;
use lameduck::Handle;
use tonic_reflection::server::Builder;

use super::proto;

const HEALTH_FILES: &[u8] = tonic_health::pb::FILE_DESCRIPTOR_SET;

/// Both versions of the service: old clients know the second name alone.
pub(super) fn router(handle: Handle) -> Router {
    let files = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(proto::FILES)
            .register_encoded_file_descriptor_set(HEALTH_FILES)
    };
    // They fail only if the files cannot be read.
    let (Ok(v1), Ok(v1alpha)) = (files().build_v1(), files().build_v1alpha()) else {
        return Router::new();
    };
    Router::new()
        .route_service("/grpc.reflection.v1.ServerReflection/{method}", v1)
        .route_service(
            "/grpc.reflection.v1alpha.ServerReflection/{method}",
            v1alpha,
        )
        .layer(map_request_with_state(handle, ask_no_more))
}

/// Ends what the client says when the drain begins. Some clients keep their stream open for the next
/// question, and whoever answers would wait for it.
async fn ask_no_more(State(handle): State<Handle>, request: Request) -> Request {
    request.map(|questions| {
        let draining = async move { handle.until_draining().await };
        Body::from_stream(questions.into_data_stream().take_until(draining))
    })
}
