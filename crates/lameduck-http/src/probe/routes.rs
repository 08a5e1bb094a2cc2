//! What probes are answered, on the admin port and on the service's own.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::metrics::{self, MetricsPage};
use super::status::{StatusPage, StatusPart};
use lameduck_core::Handle;
use lameduck_core::internal::CheckOutcome;
use lameduck_core::internal::Reason;
use lameduck_core::phase::Phase;

pub(super) type ProbeAnswer = Response<Full<Bytes>>;

/// How old an outcome of a check `/status` may show before it runs the check again.
const STALE: Duration = Duration::from_secs(5);

/// How long `/status` waits for checks that have never run, so that the first look shows them.
const FIRST_LOOK: Duration = Duration::from_millis(100);

const DRAIN: &str =
    "/drain     begins the shutdown; answers when load balancers have had their time\n";

const NO_DRAIN: &str = "\
/drain is off: whoever reaches this port could stop the service. Where only those who may can reach
it, turn it on where the probes are set up: Probes::drain_route().
";

const TEXT: &str = "text/plain; charset=utf-8";
const READ: &str = "GET, HEAD";

/// A page that runs only its own script, and asks only this port.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; \
     style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Something that is asked for by `GET` or `HEAD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Livez,
    Readyz,
    Startupz,
    Metrics,
    StatusPage,
    Page,
}

impl Route {
    /// All, in the order in which they are told.
    pub const ALL: [Route; 6] = [
        Route::Livez,
        Route::Readyz,
        Route::Startupz,
        Route::Metrics,
        Route::StatusPage,
        Route::Page,
    ];

    pub const fn path(self) -> &'static str {
        match self {
            Route::Livez => "/livez",
            Route::Readyz => "/readyz",
            Route::Startupz => "/startupz",
            Route::Metrics => "/metrics",
            Route::StatusPage => "/status",
            Route::Page => "/",
        }
    }

    /// What it is for, as a line for people.
    const fn told(self) -> &'static str {
        match self {
            Route::Livez => "/livez     200 while the process lives\n",
            Route::Readyz => {
                "/readyz    200 while it should get traffic (?verbose: why, or why not)\n"
            }
            Route::Startupz => "/startupz  200 once it has started\n",
            Route::Metrics => "/metrics   figures for Prometheus\n",
            Route::StatusPage => {
                "/status    the state of the process as JSON (?offset=100&limit=500: more of what is in flight)\n"
            }
            Route::Page => "/          the same as a page\n",
        }
    }
}

/// Says what there is, to who has asked for something else.
pub(super) fn nothing_here(routes: &[Route]) -> ProbeAnswer {
    let mut answer = text(StatusCode::NOT_FOUND, there_is(routes));
    for_now(&mut answer);
    answer
}

fn there_is(routes: &[Route]) -> String {
    let told = routes.iter().map(|it| it.told());
    let mut body = "nothing here; there is\n".to_owned();
    body.extend(told);
    body
}

pub(super) struct Routes {
    handle: Handle,
    metrics: MetricsPage,
    drain: AtomicBool,
    /// For answers that have to wait for something.
    slow: Semaphore,
}

impl Routes {
    /// Where so many may ask at a time: the answers of three of four may wait for something.
    pub fn new(handle: Handle, most: usize) -> Routes {
        Routes {
            metrics: MetricsPage::new(handle.clone()),
            handle,
            drain: AtomicBool::new(false),
            slow: Semaphore::new(most * 3 / 4),
        }
    }

    /// The start-up is over, and with it is known whether `/drain` begins the shutdown.
    pub fn complete(&self, drain_route: bool) {
        self.drain.store(drain_route, Relaxed);
    }

    /// Answers a request of `peer` on the admin port. Does not read its body.
    pub async fn answer<B>(&self, request: &Request<B>, peer: SocketAddr) -> ProbeAnswer {
        let path = request.uri().path();
        let mut answer = match Route::ALL.into_iter().find(|it| it.path() == path) {
            Some(route) => return self.closing(self.answer_to(route, request).await),
            None if path != "/drain" => text(StatusCode::NOT_FOUND, there_is(&Route::ALL) + DRAIN),
            None if !self.drain.load(Relaxed) => text(StatusCode::NOT_FOUND, NO_DRAIN),
            None if matches!(*request.method(), Method::GET | Method::POST) => {
                self.drain(peer).await
            }
            None => not_allowed("GET, POST"),
        };
        for_now(&mut answer);
        self.closing(answer)
    }

    /// The same, with an end of its connection once the shutdown has begun.
    fn closing(&self, mut answer: ProbeAnswer) -> ProbeAnswer {
        if self.handle.phase() > Phase::Ready {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, close);
        }
        answer
    }

    /// Probes are answered at `path` of the application's own port: whoever asks there is no traffic.
    pub fn is_asked_at(&self, path: &str) {
        self.handle.traffic().answers_probes_at(path);
    }

    /// Answers a request for `route`, whatever its path. Does not read its body.
    pub async fn answer_to<B>(&self, route: Route, request: &Request<B>) -> ProbeAnswer {
        let asked = ProbeRequest::of(request);
        let mut answer = self.asked_for(route, asked).await;
        for_now(&mut answer);
        answer
    }

    async fn asked_for(&self, route: Route, asked: ProbeRequest<'_>) -> ProbeAnswer {
        if !asked.reads {
            return not_allowed(READ);
        }
        match route {
            Route::Livez => verdict(
                "alive",
                vec![CheckLine::good("thread", "answers")],
                asked.verbose(),
            ),
            Route::Readyz => verdict("ready", self.ready().await, asked.verbose()),
            Route::Startupz => {
                let started = vec![self.phase(Phase::Ready..)];
                verdict("started", started, asked.verbose())
            }
            Route::Metrics => match self.metrics.text() {
                Ok(page) => answer(StatusCode::OK, metrics::CONTENT_TYPE, page),
                Err(e) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{e}\n")),
            },
            Route::StatusPage => match StatusPart::of(asked.query) {
                Ok(part) => {
                    let status = self.status(part, |it| it.to_json()).await;
                    typed("application/json", status)
                }
                Err(problem) => text(StatusCode::BAD_REQUEST, format!("{problem}\n")),
            },
            Route::Page => {
                let page = self.status(StatusPart::FIRST, |it| it.to_page()).await;
                let mut page = typed("text/html; charset=utf-8", page);
                page.headers_mut().insert(
                    header::CONTENT_SECURITY_POLICY,
                    HeaderValue::from_static(POLICY),
                );
                page
            }
        }
    }

    fn phase(&self, good: impl std::ops::RangeBounds<Phase>) -> CheckLine {
        let phase = self.handle.phase();
        CheckLine {
            good: Some(good.contains(&phase)),
            name: "phase".to_owned(),
            said: phase.name().to_owned(),
            brief: phase.name().to_owned(),
        }
    }

    /// Whether the process serves and nobody has asked it to stop. The phase alone would not do: it
    /// is moved by the application's runtime, which may be blocked.
    fn serves(&self) -> CheckLine {
        let mut line = self.phase(Phase::Ready..=Phase::Ready);
        if let Some(reason) = self.handle.reason() {
            line.good = Some(false);
            line.said = format!("{}, shutting down after {reason}", line.said);
        }
        line
    }

    async fn ready(&self) -> Vec<CheckLine> {
        // Where the answer is known, pools should not be asked to work.
        let mut checks: Vec<CheckLine> = match self.handle.readiness() {
            None => Vec::new(),
            Some(readiness) if self.serves().good == Some(true) => match self.may_wait() {
                Some(_permit) => {
                    let outcomes = readiness.run().await;
                    outcomes.iter().map(|(n, o)| CheckLine::of(n, o)).collect()
                }
                None => vec![CheckLine::bad(
                    "probes",
                    "too many wait for the checks already",
                )],
            },
            Some(readiness) => {
                let names = readiness.latest();
                names.iter().map(|(n, _)| CheckLine::not_run(n)).collect()
            }
        };
        // Looked at last: it may have changed while the checks ran.
        checks.insert(0, self.serves());
        checks
    }

    async fn status<T>(&self, part: StatusPart, told: impl FnOnce(&StatusPage<'_>) -> T) -> T {
        let readiness = self.handle.readiness();
        if let (Some(readiness), Phase::Ready) = (&readiness, self.handle.phase()) {
            let new = readiness.latest().iter().any(|(_, o)| o.is_none());
            match new.then(|| self.may_wait()).flatten() {
                Some(_permit) => {
                    let _ = timeout(FIRST_LOOK, readiness.run()).await;
                }
                None => readiness.refresh(STALE),
            }
        }
        told(&StatusPage::now(&self.handle, readiness.as_deref(), part))
    }

    /// A place among those whose answer takes time; `None` if there are so many that there would be no
    /// connections left for who asks whether we live.
    fn may_wait(&self) -> Option<SemaphorePermit<'_>> {
        self.slow.try_acquire().ok()
    }

    async fn drain(&self, peer: SocketAddr) -> ProbeAnswer {
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

/// What a request says beside its path.
struct ProbeRequest<'a> {
    /// Whether it only reads.
    reads: bool,
    query: Option<&'a str>,
}

impl ProbeRequest<'_> {
    fn of<B>(request: &Request<B>) -> ProbeRequest<'_> {
        ProbeRequest {
            reads: matches!(*request.method(), Method::GET | Method::HEAD),
            query: request.uri().query(),
        }
    }

    fn verbose(&self) -> bool {
        let pairs = self.query.unwrap_or_default().split('&');
        pairs
            .map(|pair| pair.split('=').next())
            .any(|key| key == Some("verbose"))
    }
}

/// What every answer has in common.
fn for_now(answer: &mut ProbeAnswer) {
    let mut set = |name: HeaderName, value| {
        let value = HeaderValue::from_static(value);
        answer.headers_mut().insert(name, value);
    };
    set(header::CACHE_CONTROL, "no-store");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
}

/// One line of a verbose answer.
struct CheckLine {
    /// `None` if it says nothing either way.
    good: Option<bool>,
    name: String,
    said: String,
    /// What stands for it in a brief answer if it is bad.
    brief: String,
}

impl CheckLine {
    fn good(name: &str, said: &str) -> CheckLine {
        CheckLine {
            good: Some(true),
            name: name.to_owned(),
            said: said.to_owned(),
            brief: name.to_owned(),
        }
    }

    fn bad(name: &str, said: &str) -> CheckLine {
        CheckLine {
            good: Some(false),
            brief: said.to_owned(),
            ..CheckLine::good(name, said)
        }
    }

    fn of(name: &str, outcome: &CheckOutcome) -> CheckLine {
        // Most take less than a millisecond.
        let took = format!("{:.1} ms", outcome.took.as_secs_f64() * 1e3);
        CheckLine {
            good: Some(outcome.error.is_none()),
            name: name.to_owned(),
            said: match &outcome.error {
                None => format!("ok, {took}"),
                Some(error) => format!("failed, {took}: {error}"),
            },
            brief: name.to_owned(),
        }
    }

    fn not_run(name: &str) -> CheckLine {
        CheckLine {
            good: None,
            name: name.to_owned(),
            said: "not run in this phase".to_owned(),
            brief: name.to_owned(),
        }
    }
}

/// `200` if no line is bad. Without `verbose` only the first bad one is named, and not why: the
/// text of an error may be more than a load balancer should know.
fn verdict(what: &str, lines: Vec<CheckLine>, verbose: bool) -> ProbeAnswer {
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

fn not_allowed(allow: &'static str) -> ProbeAnswer {
    let body = format!("this takes {allow}\n");
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, body);
    let allow = HeaderValue::from_static(allow);
    answer.headers_mut().insert(header::ALLOW, allow);
    answer
}

fn typed(content_type: &'static str, body: Result<String, serde_json::Error>) -> ProbeAnswer {
    match body {
        Ok(body) => answer(StatusCode::OK, content_type, body),
        Err(e) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{e}\n")),
    }
}

/// In place of an answer for which there is no room.
pub(super) fn too_many_unread() -> ProbeAnswer {
    let told = "too many answers wait to be read by others; try again\n";
    text(StatusCode::SERVICE_UNAVAILABLE, told)
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> ProbeAnswer {
    answer(status, TEXT, body)
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> ProbeAnswer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    answer
}
