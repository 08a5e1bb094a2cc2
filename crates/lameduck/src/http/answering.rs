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
        Panicked { panic: Option<Box<dyn Any + Send>> },
    }
}

impl<S> Answering<S>
where
    S: Service<Request<Incoming>> + Clone,
{
    /// Has a clone of `service` work on `request`. If it panics, the future does.
    pub(super) fn of(service: &S, request: Request<Incoming>) -> Self {
        let called = catch_unwind(AssertUnwindSafe(|| {
            let mut service = service.clone();
            match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(())) => Answering::Called {
                    answer: service.call(request),
                },
                // What is wrong with it, it says when it is asked again.
                Poll::Ready(Err(_)) | Poll::Pending => Answering::NotReady {
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
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            Project::Called { answer } => answer.poll(cx),
            Project::NotReady { waiting } => waiting.as_mut().poll(cx),
            Project::Panicked { panic } => match panic.take() {
                Some(panic) => resume_unwind(panic),
                None => Poll::Pending,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use http::Response;
    use http_body_util::Full;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::{Exit, Lifecycle};

    #[derive(Clone, Copy, PartialEq)]
    enum Mood {
        /// Ready when asked for the third time, of whichever clone.
        Slow,
        Broken,
        PanicsWhenAsked,
        PanicsWhenCalled,
    }

    #[derive(Clone)]
    struct Moody(Mood, Arc<AtomicUsize>);

    impl Service<Request<Incoming>> for Moody {
        type Response = Response<Full<Bytes>>;
        type Error = &'static str;
        type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            match self.0 {
                Mood::Slow if self.1.fetch_add(1, Ordering::Relaxed) < 2 => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Mood::Broken => Poll::Ready(Err("broken")),
                Mood::PanicsWhenAsked => panic!("asked"),
                _ => Poll::Ready(Ok(())),
            }
        }

        fn call(&mut self, _: Request<Incoming>) -> Self::Future {
            assert!(self.0 != Mood::PanicsWhenCalled, "called");
            std::future::ready(Ok(Response::new(Full::from("at last"))))
        }
    }

    #[tokio::test]
    async fn each_mood_of_a_service_has_its_answer() {
        for (mood, status) in [
            (Mood::Slow, "HTTP/1.1 200"),
            (Mood::Broken, "HTTP/1.1 500"),
            (Mood::PanicsWhenAsked, "HTTP/1.1 500"),
            (Mood::PanicsWhenCalled, "HTTP/1.1 500"),
        ] {
            let service = Moody(mood, Arc::default());
            let life = Lifecycle::embedded().http("api", "127.0.0.1:0", service);
            let handle = life.handle();
            let life = tokio::spawn(life.run());
            let address = loop {
                match handle.address("api") {
                    Some(address) => break address,
                    None => tokio::task::yield_now().await,
                }
            };
            let mut peer = TcpStream::connect(address).await.unwrap();
            let request = b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
            peer.write_all(request).await.unwrap();
            let mut answer = String::new();
            peer.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with(status), "{answer}");
            handle.shutdown("asked enough");
            assert_eq!(life.await.unwrap(), Exit::CLEAN);
        }
    }
}
