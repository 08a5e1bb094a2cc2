//! A whole life round what is to be closed, and its report.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{LazyLock, Mutex, Once};
use std::time::{Duration, Instant};

use lameduck::{Exit, Lifecycle, Phase};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

/// How a life ended.
pub struct Ended {
    pub exit: Exit,
    pub report: Value,
    pub took: Duration,
}

impl Ended {
    /// What the report says of a closer; `None` if it closed.
    pub fn error(&self, closer: &str) -> Option<String> {
        let closed = self.report["closed"].as_array().unwrap();
        let it = closed.iter().find(|it| it["name"] == closer);
        let it = it.unwrap_or_else(|| panic!("{closer} is not in {}", self.report));
        it["error"].as_str().map(str::to_owned)
    }

    #[track_caller]
    pub fn cleanly(&self) {
        assert_eq!(self.exit, Exit::CLEAN, "{:#}", self.report);
    }
}

/// Runs `life` until it is ready and shuts it down at once.
pub async fn end(life: Lifecycle) -> Ended {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| tracing::subscriber::set_global_default(Reports).unwrap());
    let handle = life.handle();
    // Reports are told to the whole process; each life has a reason of its own.
    let reason = format!("test {:?} {:p}", std::thread::current().id(), &handle);
    let running = tokio::spawn(life.run());
    handle.phases().reached(Phase::Ready).await;
    let began = Instant::now();
    handle.shutdown(reason.clone());
    let exit = running.await.unwrap();
    let took = began.elapsed();
    let report = within(5, || async { REPORTS.lock().unwrap().remove(&reason) }).await;
    Ended { exit, report, took }
}

/// Whether a report with this closer in it has gone out as an event by now.
pub fn reported(closer: &str) -> bool {
    let has = |report: &Value| {
        let closed = report["closed"].as_array();
        closed.is_some_and(|all| all.iter().any(|it| it["name"] == closer))
    };
    REPORTS.lock().unwrap().values().any(has)
}

/// The first `Some` of `look`.
///
/// # Panics
/// If there is none within `seconds`.
#[track_caller]
pub fn within<T, F: Future<Output = Option<T>>>(
    seconds: u64,
    mut look: impl FnMut() -> F,
) -> impl Future<Output = T> {
    let at = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(Instant::now() < deadline, "not within {seconds} s: {at}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

static REPORTS: LazyLock<Mutex<HashMap<String, Value>>> = LazyLock::new(Mutex::default);

/// Keeps the reports that go out as events.
struct Reports;

struct Report(Option<Value>);

impl Visit for Report {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "report" {
            self.0 = Some(serde_json::from_str(value).unwrap());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl Subscriber for Reports {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "lameduck::report"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut it = Report(None);
        event.record(&mut it);
        if let Some(report) = it.0 {
            let reason = report["reason"].as_str().unwrap().to_owned();
            REPORTS.lock().unwrap().insert(reason, report);
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
