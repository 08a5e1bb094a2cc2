//! The standard health service of gRPC (`grpc.health.v1.Health`), which follows the phase.
//!
//! # What must hold
//!
//! 1. `SERVING` is said in the phase `ready` alone. From the lame-duck phase on it is
//!    `NOT_SERVING`, while calls are served as before: the same order of things as for `/readyz`.
//! 2. Whoever watches is told so at once, and holds nobody up: a watch ends when the drain begins.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tonic::codegen::tokio_stream::Stream;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::handle::Handle;
use crate::phase::{Phase, Reached};

impl Handle {
    /// The standard health service of gRPC, to be served beside `services`, by their full names
    /// (`shop.v1.Shop`). `SERVING` while the process is ready, for each of them and for the server
    /// as a whole (the empty name); `NOT_SERVING` from the beginning of the shutdown on.
    ///
    /// It says nothing of the readiness checks ([`Lifecycle::check`](crate::Lifecycle::check)),
    /// which only the probes run. Watchers are sent every change, and their streams end with `OK`
    /// when the drain begins.
    ///
    /// ```
    /// # let handle = lameduck::Lifecycle::embedded().handle();
    /// let app = axum::Router::<()>::new()
    ///     .route_service("/grpc.health.v1.Health/{*method}", handle.grpc_health(["shop.v1.Shop"]));
    /// ```
    pub fn grpc_health<N: Into<String>>(
        &self,
        services: impl IntoIterator<Item = N>,
    ) -> HealthServer<GrpcHealth> {
        let named = services.into_iter().map(Into::into);
        HealthServer::new(GrpcHealth {
            handle: self.clone(),
            services: named.chain([String::new()]).collect(),
        })
    }
}

/// The health service that [`Handle::grpc_health`] makes.
#[derive(Debug)]
pub struct GrpcHealth {
    handle: Handle,
    services: HashSet<String>,
}

#[tonic::async_trait]
impl Health for GrpcHealth {
    type WatchStream = Watch;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !self.services.contains(&request.get_ref().service) {
            return Err(Status::not_found("no such service here"));
        }
        Ok(Response::new(response(status(self.handle.phase()))))
    }

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Watch>, Status> {
        let phase = self.handle.phase();
        Ok(Response::new(Watch {
            known: self.services.contains(&request.get_ref().service),
            phase,
            told: None,
            next: self.handle.phases().reached(after(phase)),
            handle: self.handle.clone(),
        }))
    }
}

fn status(phase: Phase) -> ServingStatus {
    match phase {
        Phase::Ready => ServingStatus::Serving,
        _ => ServingStatus::NotServing,
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

/// The phase that a watcher waits for next.
fn after(phase: Phase) -> Phase {
    match phase {
        Phase::Starting => Phase::Ready,
        Phase::Ready => Phase::LameDuck,
        _ => Phase::Draining,
    }
}

/// What a watcher is sent: the status, then each change of it, until the drain begins.
#[derive(Debug)]
pub struct Watch {
    handle: Handle,
    /// Whether there is a service of that name. There never will be if there is none now, but the
    /// protocol has the stream stay open all the same.
    known: bool,
    phase: Phase,
    told: Option<ServingStatus>,
    next: Reached,
}

impl Stream for Watch {
    type Item = Result<HealthCheckResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let status = match self.known {
                true => status(self.phase),
                false => ServingStatus::ServiceUnknown,
            };
            if self.told != Some(status) {
                self.told = Some(status);
                return Poll::Ready(Some(Ok(response(status))));
            }
            if self.phase >= Phase::Draining {
                return Poll::Ready(None);
            }
            self.phase = ready!(Pin::new(&mut self.next).poll(cx));
            self.next = self.handle.phases().reached(after(self.phase));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::phase::Driver;

    fn ask(service: &str) -> Request<HealthCheckRequest> {
        Request::new(HealthCheckRequest {
            service: service.to_owned(),
        })
    }

    fn service(handle: &Handle) -> GrpcHealth {
        GrpcHealth {
            handle: handle.clone(),
            services: ["", "shop.v1.Shop"].map(str::to_owned).into(),
        }
    }

    async fn next(watch: &mut Watch) -> Option<ServingStatus> {
        let item = poll_fn(|cx| Pin::new(&mut *watch).poll_next(cx)).await;
        item.map(|it| it.unwrap().status())
    }

    #[tokio::test]
    async fn health_is_serving_in_the_phase_ready_alone() {
        let driver = Driver::new();
        let handle = Handle::new(driver.phases());
        let health = service(&handle);
        let check = async |name| {
            let answer = health.check(ask(name)).await;
            answer.map(|it| it.into_inner().status())
        };
        assert_eq!(check("").await.unwrap(), ServingStatus::NotServing);
        let driver = driver.ready();
        assert_eq!(check("").await.unwrap(), ServingStatus::Serving);
        assert_eq!(check("shop.v1.Shop").await.unwrap(), ServingStatus::Serving);
        let driver = driver.lame_duck();
        assert_eq!(check("").await.unwrap(), ServingStatus::NotServing);
        assert_eq!(
            check("shop.v1.Shop").await.unwrap(),
            ServingStatus::NotServing
        );
        let _driver = driver.drain();
        assert_eq!(check("").await.unwrap(), ServingStatus::NotServing);
        let unknown = check("shop.v2.Shop").await.unwrap_err();
        assert_eq!(unknown.code(), tonic::Code::NotFound);
    }

    #[tokio::test]
    async fn a_watch_sees_every_change_and_ends_with_the_drain() {
        let driver = Driver::new();
        let handle = Handle::new(driver.phases());
        let health = service(&handle);
        let watch = async |name| health.watch(ask(name)).await.unwrap().into_inner();
        let (mut known, mut unknown) = (watch("shop.v1.Shop").await, watch("shop.v2.Shop").await);
        let expected = [
            ServingStatus::NotServing,
            ServingStatus::Serving,
            ServingStatus::NotServing,
        ];
        let seen = tokio::spawn(async move {
            let mut seen = Vec::new();
            while let Some(status) = next(&mut known).await {
                seen.push(status);
                tokio::task::yield_now().await;
            }
            seen
        });
        // On one thread: the watcher goes on until it waits before the next phase begins.
        let settle = async || {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        };
        settle().await;
        let driver = driver.ready();
        settle().await;
        let driver = driver.lame_duck();
        settle().await;
        assert!(!seen.is_finished());
        let _driver = driver.drain();
        assert_eq!(seen.await.unwrap(), expected);
        assert_eq!(
            next(&mut unknown).await,
            Some(ServingStatus::ServiceUnknown)
        );
        assert_eq!(next(&mut unknown).await, None);
    }
}
