//! What the admin port answers.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::metrics::{self, Metrics};
use super::status::{Part, Status};
use lameduck_core::Handle;
use lameduck_core::Readiness;
use lameduck_core::internal::CheckOutcome;
use lameduck_core::internal::Reason;
use lameduck_core::phase::Phase;

pub(super) type Answer = Response<Full<Bytes>>;

/// How old an outcome of a check `/status` may show before it runs the check again.
const STALE: Duration = Duration::from_secs(5);

/// How long `/status` waits for checks that have never run, so that the first look shows them.
const FIRST_LOOK: Duration = Duration::from_millis(100);

const ROUTES: &str = "\
/livez     200 while the process lives
/readyz    200 while it should get traffic (?verbose: why, or why not)
/startupz  200 once it has started
/metrics   figures for Prometheus
/status    the state of the process as JSON (?offset=100&limit=500: more of what is in flight)
/          the same as a page
/drain     begins the shutdown; answers when load balancers have had their time
";

const NO_DRAIN: &str = "\
/drain is off: whoever reaches this port could stop the service. Where only those who may can reach
it, turn it on where the probes are set up: Probes::drain_route().
";

const TEXT: &str = "text/plain; charset=utf-8";
const READ: &str = "GET, HEAD";

/// A page that runs only its own script, and asks only this port.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; \
     style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(super) struct Routes {
    handle: Handle,
    readiness: Arc<Readiness>,
    metrics: Metrics,
    drain: AtomicBool,
    /// For answers that have to wait for something.
    slow: Semaphore,
    started: Instant,
}

impl Routes {
    /// At most `slow` answers may wait for something at a time.
    pub fn new(handle: Handle, readiness: Arc<Readiness>, slow: usize) -> Routes {
        let started = Instant::now();
        Routes {
            metrics: Metrics::new(handle.clone(), readiness.clone(), started),
            handle,
            readiness,
            drain: AtomicBool::new(false),
            slow: Semaphore::new(slow),
            started,
        }
    }

    /// The start-up is over, and with it is known whether `/drain` begins the shutdown.
    pub fn complete(&self, drain_route: bool) {
        self.drain.store(drain_route, Relaxed);
    }

    /// Answers a request of `peer`. Does not read its body.
    pub async fn answer<B>(&self, request: &Request<B>, peer: SocketAddr) -> Answer {
        let mut answer = self.route(request, peer).await;
        let headers = answer.headers_mut();
        let mut set = |name: HeaderName, value| {
            headers.insert(name, HeaderValue::from_static(value));
        };
        set(header::CACHE_CONTROL, "no-store");
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        if self.handle.phase() > Phase::Ready {
            set(header::CONNECTION, "close");
        }
        answer
    }

    async fn route<B>(&self, request: &Request<B>, peer: SocketAddr) -> Answer {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let verbose = request.uri().query().is_some_and(|query| {
            let mut keys = query.split('&').map(|pair| pair.split('=').next());
            keys.any(|key| key == Some("verbose"))
        });
        match request.uri().path() {
            "/drain" if !self.drain.load(Relaxed) => text(StatusCode::NOT_FOUND, NO_DRAIN),
            "/drain" if matches!(*request.method(), Method::GET | Method::POST) => {
                self.drain(peer).await
            }
            "/drain" => not_allowed("GET, POST"),
            "/" | "/livez" | "/readyz" | "/startupz" | "/metrics" | "/status" if !reads => {
                not_allowed(READ)
            }
            "/livez" => verdict("alive", vec![Line::good("thread", "answers")], verbose),
            "/readyz" => verdict("ready", self.ready().await, verbose),
            "/startupz" => verdict("started", vec![self.phase(Phase::Ready..)], verbose),
            "/metrics" => match self.metrics.text() {
                Ok(page) => answer(StatusCode::OK, metrics::CONTENT_TYPE, page),
                Err(e) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{e}\n")),
            },
            "/status" => match Part::of(request.uri().query()) {
                Ok(part) => typed("application/json", self.status(part).await.to_json()),
                Err(problem) => text(StatusCode::BAD_REQUEST, format!("{problem}\n")),
            },
            "/" => {
                let page = self.status(Part::FIRST).await.to_page();
                let mut page = typed("text/html; charset=utf-8", page);
                page.headers_mut().insert(
                    header::CONTENT_SECURITY_POLICY,
                    HeaderValue::from_static(POLICY),
                );
                page
            }
            _ => text(
                StatusCode::NOT_FOUND,
                format!("nothing here; there is\n{ROUTES}"),
            ),
        }
    }

    fn phase(&self, good: impl std::ops::RangeBounds<Phase>) -> Line {
        let phase = self.handle.phase();
        Line {
            good: Some(good.contains(&phase)),
            name: "phase".to_owned(),
            said: phase.name().to_owned(),
            brief: phase.name().to_owned(),
        }
    }

    /// Whether the process serves and nobody has asked it to stop. The phase alone would not do: it
    /// is moved by the application's runtime, which may be blocked.
    fn serves(&self) -> Line {
        let mut line = self.phase(Phase::Ready..=Phase::Ready);
        if let Some(reason) = self.handle.reason() {
            line.good = Some(false);
            line.said = format!("{}, shutting down after {reason}", line.said);
        }
        line
    }

    async fn ready(&self) -> Vec<Line> {
        // Where the answer is known, pools should not be asked to work.
        let mut checks: Vec<Line> = if self.serves().good == Some(true) {
            match self.may_wait() {
                Some(_permit) => {
                    let outcomes = self.readiness.run().await;
                    outcomes.iter().map(|(n, o)| Line::of(n, o)).collect()
                }
                None => vec![Line::bad("probes", "too many wait for the checks already")],
            }
        } else {
            let names = self.readiness.latest();
            names.iter().map(|(n, _)| Line::not_run(n)).collect()
        };
        // Looked at last: it may have changed while the checks ran.
        checks.insert(0, self.serves());
        checks
    }

    async fn status(&self, part: Part) -> Status<'_> {
        if self.handle.phase() == Phase::Ready {
            let new = self.readiness.latest().iter().any(|(_, o)| o.is_none());
            match new.then(|| self.may_wait()).flatten() {
                Some(_permit) => {
                    let _ = timeout(FIRST_LOOK, self.readiness.run()).await;
                }
                None => self.readiness.refresh(STALE),
            }
        }
        Status::now(&self.handle, &self.readiness, self.started, part)
    }

    /// A place among those whose answer takes time; `None` if there are so many that there would be no
    /// connections left for who asks whether we live.
    fn may_wait(&self) -> Option<SemaphorePermit<'_>> {
        self.slow.try_acquire().ok()
    }

    async fn drain(&self, peer: SocketAddr) -> Answer {
        let reason = format!("drain requested by {peer}");
        self.handle.begin(Reason::Asked(reason));
        let Some(_permit) = self.may_wait() else {
            let told = "the shutdown has begun; too many wait for the drain already\n";
            return text(StatusCode::SERVICE_UNAVAILABLE, told);
        };
        let phase = self.handle.phases().reached(Phase::Draining).await;
        text(StatusCode::OK, format!("{phase}\n"))
    }
}

/// One line of a verbose answer.
struct Line {
    /// `None` if it says nothing either way.
    good: Option<bool>,
    name: String,
    said: String,
    /// What stands for it in a brief answer if it is bad.
    brief: String,
}

impl Line {
    fn good(name: &str, said: &str) -> Line {
        Line {
            good: Some(true),
            name: name.to_owned(),
            said: said.to_owned(),
            brief: name.to_owned(),
        }
    }

    fn bad(name: &str, said: &str) -> Line {
        Line {
            good: Some(false),
            brief: said.to_owned(),
            ..Line::good(name, said)
        }
    }

    fn of(name: &str, outcome: &CheckOutcome) -> Line {
        // Most take less than a millisecond.
        let took = format!("{:.1} ms", outcome.took.as_secs_f64() * 1e3);
        Line {
            good: Some(outcome.error.is_none()),
            name: name.to_owned(),
            said: match &outcome.error {
                None => format!("ok, {took}"),
                Some(error) => format!("failed, {took}: {error}"),
            },
            brief: name.to_owned(),
        }
    }

    fn not_run(name: &str) -> Line {
        Line {
            good: None,
            name: name.to_owned(),
            said: "not run in this phase".to_owned(),
            brief: name.to_owned(),
        }
    }
}

/// `200` if no line is bad. Without `verbose` only the first bad one is named, and not why: the
/// text of an error may be more than a load balancer should know.
fn verdict(what: &str, lines: Vec<Line>, verbose: bool) -> Answer {
    let bad = lines.iter().find(|line| line.good == Some(false));
    let (status, word) = match bad {
        None => (StatusCode::OK, what.to_owned()),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, format!("not {what}")),
    };
    let mut body = String::new();
    if verbose {
        for line in &lines {
            let mark = match line.good {
                Some(true) => '+',
                Some(false) => '-',
                None => ' ',
            };
            let (name, said) = (one_line(&line.name), one_line(&line.said));
            let _ = writeln!(body, "[{mark}] {name}: {said}");
        }
    }
    body.push_str(&word);
    if let (Some(line), false) = (bad, verbose) {
        let _ = write!(body, ": {}", one_line(&line.brief));
    }
    body.push('\n');
    text(status, body)
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split(['\n', '\r']).map(str::trim).collect();
    words.join(" ").trim().to_owned()
}

fn not_allowed(allow: &'static str) -> Answer {
    let body = format!("this takes {allow}\n");
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, body);
    let allow = HeaderValue::from_static(allow);
    answer.headers_mut().insert(header::ALLOW, allow);
    answer
}

fn typed(content_type: &'static str, body: Result<String, serde_json::Error>) -> Answer {
    match body {
        Ok(body) => answer(StatusCode::OK, content_type, body),
        Err(e) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{e}\n")),
    }
}

/// In place of an answer for which there is no room.
pub(super) fn too_many_unread() -> Answer {
    let told = "too many answers wait to be read by others; try again\n";
    text(StatusCode::SERVICE_UNAVAILABLE, told)
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    answer(status, TEXT, body)
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    answer
}
