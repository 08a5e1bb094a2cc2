//! Hooks of the application's that get the report.
//!
//! # What must hold
//!
//! 1. A hook holds nothing up: it runs on a thread of its own, which is there from the moment it is given, and it is
//!    waited for no longer than the report itself is.
//! 2. One that hangs or panics keeps nothing from the others.
//! 3. A hook is called with each report that counts: the one of a proper end, and that of an end by force, be it the
//!    first or one more.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use tracing::Dispatch;

use crate::report::Report;
use crate::voice::Speaker;

struct Hook {
    speaker: Speaker,
    run: Arc<dyn Fn(&Report) + Send + Sync>,
}

/// Those of one lifecycle.
#[derive(Default)]
pub(crate) struct ReportHooks {
    all: Mutex<Vec<Hook>>,
}

impl ReportHooks {
    /// Held for a push, and to hand reports over, which never blocks.
    fn all(&self) -> MutexGuard<'_, Vec<Hook>> {
        self.all.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// One more; starts its thread.
    pub(crate) fn add(&self, run: impl Fn(&Report) + Send + Sync + 'static) -> std::io::Result<()> {
        let speaker = Speaker::start("lameduck-report", |_| ())?;
        let run = Arc::new(run);
        self.all().push(Hook { speaker, run });
        Ok(())
    }

    /// Has each of them called, and waits for nobody.
    pub(crate) fn call(&self, report: &Arc<Report>) {
        let subscriber = tracing::dispatcher::get_default(Dispatch::clone);
        for hook in self.all().iter() {
            let (run, report) = (hook.run.clone(), report.clone());
            let subscriber = subscriber.clone();
            hook.speaker
                .say(move || tracing::dispatcher::with_default(&subscriber, || run(&report)));
        }
    }

    /// Waits until all calls so far have returned, but not beyond `until`. Blocks the thread.
    pub(crate) fn done_by(&self, until: Instant) {
        let so_far: Vec<_> = self.all().iter().map(|it| it.speaker.so_far()).collect();
        for it in so_far {
            it.said_by(until);
        }
    }
}
