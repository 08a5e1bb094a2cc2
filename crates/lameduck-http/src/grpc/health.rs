//! The standard health service of gRPC (`grpc.health.v1.Health`), which follows readiness.
//!
//! # What must hold
//!
//! 1. `SERVING` is said when `/readyz` says 200, and only then: in the phase `ready`, while every
//!    readiness check passes. From the signal on it is `NOT_SERVING`, while calls are served as
//!    before.
//! 2. Whoever watches is told of a phase at once and of a check soon, and holds nobody up: a watch
//!    ends when the drain begins.
//! 3. However many watch, a check runs no more often than for one of them.

use std::collections::HashSet;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream;
use tokio::time::sleep;
use tonic::codegen::tokio_stream::Stream;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use lameduck_core::Handle;
use lameduck_core::phase::Phase;

/// How old what a watcher knows of the checks may be.
const LOOK: Duration = Duration::from_secs(1);

/// The standard health service of gRPC, to be served beside `services`, by their full names
/// (`shop.v1.Shop`). For each of them, and for the server as a whole (the empty name), it says
/// what `/readyz` says: `SERVING` while the process is ready and its readiness checks
/// ([`Lifecycle::check`](lameduck_core::Lifecycle::check)) pass, `NOT_SERVING` from the beginning of the
/// shutdown on.
///
/// Watchers are sent every change, and their streams end with `OK` when the drain begins. While
/// there are any, each check runs once a second.
///
/// ```
/// # let handle = lameduck_core::Lifecycle::embedded().handle();
/// let app = axum::Router::<()>::new()
///     .route_service("/grpc.health.v1.Health/{*method}", lameduck_http::grpc_health(&handle, ["shop.v1.Shop"]));
/// ```
pub fn grpc_health<N: Into<String>>(
    handle: &Handle,
    services: impl IntoIterator<Item = N>,
) -> HealthServer<GrpcHealth> {
    let named = services.into_iter().map(Into::into);
    HealthServer::new(GrpcHealth {
        handle: handle.clone(),
        services: named.chain([String::new()]).collect(),
    })
}

/// The health service that [`grpc_health`] makes.
#[derive(Debug)]
pub struct GrpcHealth {
    handle: Handle,
    services: HashSet<String>,
}

#[tonic::async_trait]
impl Health for GrpcHealth {
    type WatchStream = GrpcHealthWatch;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !self.services.contains(&request.get_ref().service) {
            return Err(Status::not_found("no such service here"));
        }
        let status = status(&self.handle, Duration::ZERO).await;
        Ok(Response::new(response(status)))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<GrpcHealthWatch>, Status> {
        let watcher = Watcher {
            known: self.services.contains(&request.get_ref().service),
            told: None,
            handle: self.handle.clone(),
        };
        let told = stream::unfold(watcher, async |mut watcher| {
            let status = watcher.next().await?;
            Some((Ok(response(status)), watcher))
        });
        Ok(Response::new(GrpcHealthWatch(Box::pin(told))))
    }
}

/// Whether there should be traffic, by checks that ran no longer than `age` ago.
async fn status(handle: &Handle, age: Duration) -> ServingStatus {
    let serves = || handle.phase() == Phase::Ready && !handle.is_shutting_down();
    // Where the answer is known, pools should not be asked to work.
    if serves()
        && let Some(readiness) = handle.readiness()
        && !readiness.passes(age).await
    {
        return ServingStatus::NotServing;
    }
    // Looked at last: it may have changed while the checks ran.
    match serves() {
        true => ServingStatus::Serving,
        false => ServingStatus::NotServing,
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

/// What a watcher is sent: the status, then each change of it, until the drain begins.
pub struct GrpcHealthWatch(Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>);

impl Stream for GrpcHealthWatch {
    type Item = Result<HealthCheckResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for GrpcHealthWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcHealthWatch").finish_non_exhaustive()
    }
}

struct Watcher {
    handle: Handle,
    /// Whether there is a service of that name. There never will be if there is none now, but the
    /// protocol has the stream stay open all the same.
    known: bool,
    told: Option<ServingStatus>,
}

impl Watcher {
    /// The status once it is another than was told last; `None` when the drain begins.
    async fn next(&mut self) -> Option<ServingStatus> {
        loop {
            let phase = self.handle.phase();
            let status = match self.known {
                true => status(&self.handle, LOOK).await,
                false => ServingStatus::ServiceUnknown,
            };
            if self.told != Some(status) {
                self.told = Some(status);
                return Some(status);
            }
            let next = phase.next().filter(|_| phase < Phase::Draining)?;
            // Without a check only the phase can change.
            let depends = self.known
                && phase == Phase::Ready
                && self.handle.readiness().is_some_and(|it| it.depends());
            tokio::select! {
                _ = self.handle.phases().reached(next) => {}
                () = sleep(LOOK), if depends => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use tokio::runtime;
    use tokio::time::Instant;

    use super::*;
    use lameduck_core::Readiness;
    use lameduck_core::internal::Check;
    use lameduck_core::phase::Driver;

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

    async fn next(watch: &mut GrpcHealthWatch) -> Option<ServingStatus> {
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

    #[tokio::test(start_paused = true)]
    async fn health_follows_the_readiness_checks() {
        let driver = Driver::new().ready();
        let handle = Handle::new(driver.phases());
        let (good, runs) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let check = {
            let (good, runs) = (good.clone(), runs.clone());
            Check::new("db", LOOK, move || {
                runs.fetch_add(1, Ordering::SeqCst);
                let good = good.load(Ordering::SeqCst);
                async move {
                    if good {
                        Ok(())
                    } else {
                        Err("no database".into())
                    }
                }
            })
        };
        let here = runtime::Handle::current();
        let readiness = Arc::new(Readiness::new(here.clone(), driver.phases()));
        readiness.depend_on(vec![check], &here);
        handle.depend_on(&readiness);

        let health = service(&handle);
        let check = async || health.check(ask("")).await.unwrap().into_inner().status();
        let watch = async |name| health.watch(ask(name)).await.unwrap().into_inner();
        assert_eq!(check().await, ServingStatus::NotServing);
        let mut watch = [watch("").await, watch("shop.v1.Shop").await];
        for watch in &mut watch {
            assert_eq!(next(watch).await, Some(ServingStatus::NotServing));
        }
        assert_eq!(
            runs.load(Ordering::SeqCst),
            1,
            "watchers asked again at once"
        );
        good.store(true, Ordering::SeqCst);
        assert_eq!(check().await, ServingStatus::Serving);
        let began = Instant::now();
        for watch in &mut watch {
            assert_eq!(next(watch).await, Some(ServingStatus::Serving));
        }
        assert!(began.elapsed() <= LOOK, "{:?}", began.elapsed());
        good.store(false, Ordering::SeqCst);
        let before = runs.load(Ordering::SeqCst);
        for watch in &mut watch {
            assert_eq!(next(watch).await, Some(ServingStatus::NotServing));
        }
        assert!(
            runs.load(Ordering::SeqCst) <= before + 2,
            "each watcher asked for itself"
        );

        good.store(true, Ordering::SeqCst);
        for watch in &mut watch {
            assert_eq!(next(watch).await, Some(ServingStatus::Serving));
        }
        handle.shutdown("test");
        assert_eq!(check().await, ServingStatus::NotServing);
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
