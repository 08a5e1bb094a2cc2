//! The shop's own reports: it writes one file in each round, which is read before the next begins.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lameduck_check::report::TimelinePhase;
use lameduck_check::{Event, Observer};
use serde::Deserialize;

use crate::progress::Progress;

/// As much of a report as the timeline needs.
#[derive(Deserialize)]
struct DemoReport {
    phases: Vec<DemoPhase>,
}

#[derive(Deserialize)]
struct DemoPhase {
    phase: String,
    ms: f64,
}

/// Keeps the phases that the shop reports in each round, and passes everything on to the progress.
pub(super) struct Reports {
    file: PathBuf,
    progress: Progress,
    phases: Mutex<BTreeMap<u32, Vec<TimelinePhase>>>,
}

impl Reports {
    pub(super) fn new(file: PathBuf, progress: Progress) -> Self {
        Self {
            file,
            progress,
            phases: Mutex::default(),
        }
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The phases that the shop reported in a round; none when it wrote no report.
    pub(super) fn phases(&self, round: u32) -> Vec<TimelinePhase> {
        let phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        phases.get(&round).cloned().unwrap_or_default()
    }

    /// A shop that was stopped before it had started writes none, so what is missing is no error.
    fn read(&self) -> Option<Vec<TimelinePhase>> {
        let text = std::fs::read_to_string(&self.file).ok()?;
        // Else the next round could take it for its own.
        std::fs::remove_file(&self.file).ok()?;
        let report: DemoReport = serde_json::from_str(&text).ok()?;
        let phase = |it: DemoPhase| {
            Some(TimelinePhase {
                name: it.phase,
                lasted: Duration::try_from_secs_f64(it.ms / 1e3).ok()?,
            })
        };
        report.phases.into_iter().map(phase).collect()
    }
}

impl Observer for Reports {
    fn on(&self, event: &Event<'_>) {
        if let Event::RoundEnded { round } = event
            && let Some(read) = self.read()
        {
            let mut phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
            phases.insert(round.number, read);
        }
        self.progress.on(event);
    }
}
