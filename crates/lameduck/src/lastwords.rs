//! How a process ends itself by force: it says what is stuck, then it is gone.
//!
//! # What must hold
//!
//! The process ends within [`PATIENCE`] of the call, whatever is blocked: standard error may be a
//! full pipe, the report's file system may hang, a `tracing` subscriber may hold a lock. So the
//! words are spoken by a thread of their own, and nobody waits for it longer than that.

use std::io::Write;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::handle::Handle;
use crate::report::Report;

/// The most the last words may take: 300 ms, or half of the watchdog's margin if that is less.
const PATIENCE: Duration = Duration::from_millis(300);

/// The most that the report at a proper end may take where there is time left until the process is
/// ended by force: on a machine with far too much to do, a thread may wait that long for its turn.
const PATIENCE_IN_TIME: Duration = Duration::from_secs(1);

/// Ends the process with `code` after it has named everything in flight, with `why` as the reason.
pub(crate) fn end(handle: &Handle, why: &'static str, code: u8) -> ! {
    let patience = PATIENCE.min(handle.budget().margin() / 2);
    let handle = handle.clone();
    patiently(patience, move || {
        let report = handle.report(why, Some(code));
        speak(&report);
        report.trace();
    });
    exit_now(code)
}

/// The exit code of a report that has gone out as an event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traced(u8);

/// Sends the report as an event only. For the time before telemetry is flushed: an event that comes
/// after that gets nowhere.
pub(crate) fn trace(report: Report, handle: &Handle) -> Traced {
    let traced = Traced(report.exit);
    let patience = PATIENCE.min(handle.budget().margin() / 2);
    patiently(patience, move || report.trace());
    traced
}

/// Tells `report` in its three forms: lines, file, and event, unless that has gone out and said the
/// same of the end.
pub(crate) fn tell(report: Report, traced: Option<Traced>, handle: &Handle) {
    let left = handle.left_until(handle.budget().forced_at());
    patiently(left.clamp(PATIENCE, PATIENCE_IN_TIME), move || {
        speak(&report);
        if traced != Some(Traced(report.exit)) {
            report.trace();
        }
    });
}

/// Does something that may hang, on a thread of its own.
fn patiently(patience: Duration, speak: impl FnOnce() + Send + 'static) {
    let (said, heard) = mpsc::channel();
    let speaker = thread::Builder::new()
        .name("lameduck-last-words".into())
        .spawn(move || {
            speak();
            let _ = said.send(());
        });
    if speaker.is_ok() {
        let _ = heard.recv_timeout(patience);
    }
}

/// Writes to standard error, past the lock of `eprintln!`, which a blocked thread may hold.
pub(crate) fn say(text: &str) {
    let _ = raw_stderr().write_all(text.as_bytes());
}

fn speak(report: &Report) {
    say(&format!("{report}\n"));
    if let Some(path) = std::env::var_os("LAMEDUCK_REPORT")
        && let Err(e) = write_whole(path.as_ref(), &report.to_json())
    {
        say(&format!(
            "lameduck: LAMEDUCK_REPORT={}: {e}\n",
            path.display()
        ));
    }
}

/// Writes a file so that nobody ever reads half of it. A pipe or a terminal is written to as it is.
fn write_whole(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|m| !m.is_file()) {
        return std::fs::OpenOptions::new()
            .write(true)
            .open(path)?
            .write_all(text.as_bytes());
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    std::fs::write(&part, text)?;
    std::fs::rename(&part, path)
}

#[cfg(unix)]
fn raw_stderr() -> impl Write {
    struct Raw;
    impl Write for Raw {
        fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
            Ok(rustix::io::write(rustix::stdio::stderr(), buf)?)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    Raw
}

#[cfg(not(unix))]
fn raw_stderr() -> impl Write {
    std::io::stderr()
}

/// Ends the process without running destructors or `atexit` handlers: they may wait for a lock
/// that a blocked thread holds.
pub(crate) fn exit_now(code: u8) -> ! {
    crate::sys::exit_now(code)
}
