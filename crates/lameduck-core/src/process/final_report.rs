//! What a process says when it ends: the report, as a file, as an event and as lines, and at an end by force what
//! is stuck.
//!
//! # What must hold
//!
//! 1. Nobody has to take it. All is spoken by threads that were there from the start
//!    ([`voice`](crate::voice)), and waited for within a bound.
//! 2. What the application's own hooks do with the report ([`report::hooks`](crate::report::hooks)) is waited for
//!    within the same bound.
//! 3. The file comes first, then the event, then the lines, whose end is what a platform keeps of a log.
//! 4. What is planned ends the process, whatever becomes of its last words: the scribe, who finds them, is another
//!    thread than the [`watchdog`](crate::process::watchdog).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use std::{env, io};

use crate::handle::Handle;
use crate::report::file as report_file;
use crate::report::{LetGo, Report};
use crate::shutdown::budget;
use crate::shutdown::forced_end::{Cause, ForcedEnd};
use crate::shutdown::phase::Phase;
use crate::voice::{self, stderr};

/// The most that the report at a proper end may take where there is time left until the process is
/// ended by force: on a machine with far too much to do, a thread may wait that long for its turn.
const PATIENCE_IN_TIME: Duration = Duration::from_secs(1);

/// Starts the scribe. It sleeps until the time of a plan has come, and says then what is stuck.
pub(crate) fn start(handle: Handle, forced_end: Arc<ForcedEnd>) -> io::Result<Thread> {
    let started = thread::Builder::new()
        .name("lameduck-scribe".into())
        .spawn(move || {
            let plan = forced_end.until_it_has_come();
            // It formats what the application says, which may panic.
            let _ = catch_unwind(AssertUnwindSafe(|| {
                tell_by_force(&handle, plan.cause, plan.code);
            }));
            let until = Instant::now() + plan.patience();
            voice::said_within(plan.patience());
            handle.report_hooks().done_by(until);
            forced_end.said();
        })?;
    Ok(started.thread().clone())
}

/// Says at an end by force what is stuck.
fn tell_by_force(handle: &Handle, cause: Cause, code: u8) {
    let told = handle.told();
    let report = Arc::new(final_report(handle, told.as_deref(), cause, code));
    write_file(report.clone(), handle);
    send_event(report.clone());
    write_lines(report.clone(), handle);
    handle.report_hooks().call(&report);
}

/// What there is to say at an end by force, after what has been `told`.
fn final_report(handle: &Handle, told: Option<&Report>, cause: Cause, code: u8) -> Report {
    let why = match (cause, handle.phase()) {
        (Cause::Deadline, Phase::Starting) => "start-up was still under way when the time was over",
        (Cause::Deadline | Cause::StillThere, _) => "still under way when the time was over",
        (Cause::Signal, _) => "a third signal ended the process",
    };
    // What is over has been told: only its end is another.
    let mut report = match told {
        Some(told) => told.clone(),
        None => handle.report(why, Some(code)),
    };
    let found = match (cause, handle.phase()) {
        (Cause::StillThere, _) => Some((
            "process",
            "main",
            "a blocking thread (tokio::task::spawn_blocking, a read of standard input), or main itself, \
             kept the process after the shutdown until the grace was over",
        )),
        (Cause::Deadline, Phase::Starting) if report.let_go.is_empty() => {
            Some(("start-up", "main", why))
        }
        (Cause::Deadline, Phase::Ready) => Some((
            "runtime",
            "tokio",
            "its threads were blocked: the shutdown never began",
        )),
        _ => None,
    };
    if let Some((kind, name, why)) = found {
        let age = handle.begun_for().unwrap_or_default();
        report.adds(LetGo {
            kind: kind.to_owned(),
            name: name.to_owned(),
            age,
            why: why.to_owned(),
        });
    }
    report.exit = code;
    report.forced = true;
    report
}

/// Ends the process with `code`, soon: within the [`patience`](budget::Budget::patience) of the budget, in which all that is in flight is named.
pub(crate) fn end(handle: &Handle, code: u8) {
    if let Some(forced_end) = handle.forced_end() {
        let patience = handle.budget().patience();
        forced_end.plan(Duration::ZERO, patience, Cause::Signal, code);
    }
}

/// The exit code of a report that has gone out as an event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traced(u8);

/// Sends the report as an event only, and waits for it and the events before. For the time before telemetry is
/// flushed: an event that comes after that gets nowhere.
pub(crate) fn trace(report: Report, handle: &Handle) -> Traced {
    let traced = Traced(report.exit);
    send_event(Arc::new(report));
    voice::events_said_within(handle.budget().patience());
    traced
}

/// Tells `report` in its three forms: file, event (unless that has gone out and said the same of the end), lines.
/// Not if the process is being ended by force: who does that has more to say.
pub(crate) fn tell(report: Arc<Report>, traced: Option<Traced>, handle: &Handle) {
    let mut told = handle.told();
    if handle
        .forced_end()
        .is_some_and(|it| it.has_come().is_some())
    {
        return;
    }
    *told = Some(report.clone());
    write_file(report.clone(), handle);
    if traced != Some(Traced(report.exit)) {
        send_event(report.clone());
    }
    write_lines(report.clone(), handle);
    handle.report_hooks().call(&report);
    drop(told);
    // Not up to the end by force, which would make this one of them.
    let budget = handle.budget();
    let left = handle.left_until(budget.forced_at() - budget.patience());
    let patience = left.clamp(budget::PATIENCE, PATIENCE_IN_TIME);
    let until = Instant::now() + patience;
    voice::said_within(patience);
    handle.report_hooks().done_by(until);
}

/// Gives the report of a refusal to the hooks; the rest has been said.
pub(crate) fn tell_hooks(report: &Arc<Report>, handle: &Handle) {
    handle.report_hooks().call(report);
    handle
        .report_hooks()
        .done_by(Instant::now() + PATIENCE_IN_TIME);
}

fn write_file(report: Arc<Report>, handle: &Handle) {
    if !handle.reads_environment() {
        return;
    }
    let Some(path) = env::var_os("LAMEDUCK_REPORT").filter(|it| !it.is_empty()) else {
        return;
    };
    voice::file(move || {
        let path = PathBuf::from(path);
        if let Err(e) = report_file::write(&path, &report.to_json()) {
            say(format!("LAMEDUCK_REPORT={}: {e}", path.display()));
        }
    });
}

fn send_event(report: Arc<Report>) {
    voice::event(report.level(), move || report.trace());
}

fn write_lines(report: Arc<Report>, handle: &Handle) {
    if handle.tells_in_lines() {
        voice::lines(move || format!("{report}\n"));
    }
}

/// Writes one line to standard error.
pub(crate) fn say(text: impl Into<String>) {
    let text = text.into();
    voice::lines(move || format!("lameduck: {text}\n"));
}

/// The same, at once and by this thread: for who has no other. What there is no room for is lost.
pub(crate) fn say_now(text: &str) {
    stderr::write_now(&format!("lameduck: {text}\n"));
}
