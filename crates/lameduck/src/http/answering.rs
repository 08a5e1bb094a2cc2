//! The user's service at work on one request.
//!
//! Before a service is called it must be asked whether it is ready. Nearly all always are, so it is
//! asked and called at once; one that is not is asked again by the request's task, which it can
//! wake. A future for the asking alone would move each request three times more.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::Service as HyperService;
use hyper_util::service::TowerToHyperService;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::component::BoxError;

type Waiting<S> = <TowerToHyperService<S> as HyperService<Request<Incoming>>>::Future;

pin_project! {
    /// Completes with what the service answers.
    #[project = Project]
    pub(super) enum Answering<S>
    where
        S: Service<Request<Incoming>>,
        S: Clone,
    {
        Called { #[pin] answer: S::Future },
        NotReady { waiting: Pin<Box<Waiting<S>>> },
        Failed { error: Option<BoxError> },
        Panicked { panic: Option<Box<dyn Any + Send>> },
    }
}

impl<S> Answering<S>
where
    S: Service<Request<Incoming>> + Clone,
    S::Error: Into<BoxError>,
{
    /// Has a clone of `service` work on `request`. If it panics, the future does.
    pub(super) fn of(service: &S, request: Request<Incoming>) -> Self {
        let called = catch_unwind(AssertUnwindSafe(|| {
            let mut service = service.clone();
            match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(())) => Answering::Called {
                    answer: service.call(request),
                },
                Poll::Ready(Err(error)) => Answering::Failed {
                    error: Some(error.into()),
                },
                Poll::Pending => Answering::NotReady {
                    waiting: Box::pin(TowerToHyperService::new(service).call(request)),
                },
            }
        }));
        called.unwrap_or_else(|panic| Answering::Panicked { panic: Some(panic) })
    }
}

impl<S> Future for Answering<S>
where
    S: Service<Request<Incoming>> + Clone,
    S::Error: Into<BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            Project::Called { answer } => answer.poll(cx).map_err(Into::into),
            Project::NotReady { waiting } => waiting.as_mut().poll(cx).map_err(Into::into),
            Project::Failed { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                None => Poll::Pending,
            },
            Project::Panicked { panic } => match panic.take() {
                Some(panic) => resume_unwind(panic),
                None => Poll::Pending,
            },
        }
    }
}
