//! The user's service at work on one request.
//!
//! Before a service is called it must be asked whether it is ready, and it may take its time to say so.
//! Both happen when the future is polled: a panic is caught there, and what the service answers with is
//! written in place. A request and an answer are hundreds of bytes, and each copy of one shows.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::Request;
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower_service::Service;

pin_project! {
    /// Completes with what the service answers.
    #[project = Project]
    pub(crate) enum ServiceCall<S>
    where
        S: Service<Request<Incoming>>,
    {
        /// Without a request once it has been called and has panicked.
        Asked { service: S, request: Option<Request<Incoming>> },
        Called { #[pin] answer: S::Future },
    }
}

impl<S> ServiceCall<S>
where
    S: Service<Request<Incoming>>,
{
    #[inline]
    pub(crate) fn of(service: S, request: Request<Incoming>) -> Self {
        ServiceCall::Asked {
            service,
            request: Some(request),
        }
    }

    /// The same once it is pinned.
    #[inline]
    pub(crate) fn get_asked(self: Pin<&mut Self>) -> Option<&mut Request<Incoming>> {
        match self.project() {
            Project::Asked { request, .. } => request.as_mut(),
            Project::Called { .. } => None,
        }
    }

    /// The request, until the service has been called with it.
    #[inline]
    pub(crate) fn asked(&mut self) -> Option<&mut Request<Incoming>> {
        match self {
            ServiceCall::Asked { request, .. } => request.as_mut(),
            ServiceCall::Called { .. } => None,
        }
    }
}

impl<S> Future for ServiceCall<S>
where
    S: Service<Request<Incoming>>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let answer = match self.as_mut().project() {
                Project::Called { answer } => return answer.poll(cx),
                Project::Asked { service, request } => {
                    ready!(service.poll_ready(cx))?;
                    match request.take() {
                        Some(request) => service.call(request),
                        None => return Poll::Pending,
                    }
                }
            };
            self.set(ServiceCall::Called { answer });
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
    use lameduck_core::{Exit, Lifecycle};

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
            let life =
                Lifecycle::embedded().component(crate::Http::new("api", "127.0.0.1:0", service));
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
