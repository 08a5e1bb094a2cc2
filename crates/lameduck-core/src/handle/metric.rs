//! What can be measured of a process: the figures of the page `/metrics`, for whoever has a registry of its own.
//!
//! # What must hold
//!
//! 1. Each figure has one name, one label and one help text, here and nowhere else: whoever brings them into a
//!    registry (`lameduck-prometheus`, `lameduck-metrics`, `lameduck-opentelemetry`, the page) adds a format and no words.
//! 2. Nothing is counted for it: a figure is read when it is asked for.
//! 3. A value of a label that has been told is told again, at zero if need be: a gap is no figure.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use super::Handle;
use crate::inflight::kind::{UNNAMED, before_its_end};
use crate::shutdown::phase::Phase;

/// A figure of a process with a [`Lifecycle`](crate::Lifecycle), as on the page `/metrics`.
///
/// For whoever brings them into a registry that no crate of ours knows:
///
/// ```
/// use lameduck_core::{Lifecycle, Metric};
///
/// let handle = Lifecycle::embedded().handle();
/// for metric in Metric::ALL {
///     for sample in metric.read(&handle) {
///         println!("{} {:?} {}", metric.name(), sample.label, sample.value);
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Metric {
    /// `lameduck_phase{phase}`: 1 for the current phase, 0 for each other.
    Phase,
    /// `lameduck_in_flight{kind}`: work that a shutdown would wait for.
    InFlight,
    /// `lameduck_ended_total{kind}`: work that has ended.
    Ended,
    /// `lameduck_check_ok{check}`: whether a readiness check passed when it ran last; nothing for one that has not
    /// run.
    CheckOk,
    /// `lameduck_grace_seconds`: the time allowed for a shutdown.
    Grace,
    /// `lameduck_time_left_seconds`: what is left of it until the process ends itself by force.
    TimeLeft,
    /// `lameduck_quiet_seconds`: the time since traffic came last.
    Quiet,
    /// `lameduck_uptime_seconds`: the time since the lifecycle was made.
    Uptime,
}

/// Of what sort a [`Metric`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetricKind {
    /// It goes up and down.
    Gauge,
    /// It only goes up, until the process ends.
    Counter,
}

/// One value of a [`Metric`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MetricSample {
    /// The value of the metric's [label](Metric::label); `None` if it has none.
    pub label: Option<Cow<'static, str>>,
    /// In the metric's [unit](Metric::unit). Without one a whole number.
    pub value: f64,
}

impl Metric {
    /// All of them, in the order of the page. What may come with later versions is in here too.
    pub const ALL: &'static [Metric] = &[
        Metric::Phase,
        Metric::InFlight,
        Metric::Ended,
        Metric::CheckOk,
        Metric::Grace,
        Metric::TimeLeft,
        Metric::Quiet,
        Metric::Uptime,
    ];

    /// The whole name, with the unit and the `_total` of a counter, as Prometheus has it.
    pub const fn name(self) -> &'static str {
        match self {
            Metric::Phase => "lameduck_phase",
            Metric::InFlight => "lameduck_in_flight",
            Metric::Ended => "lameduck_ended_total",
            Metric::CheckOk => "lameduck_check_ok",
            Metric::Grace => "lameduck_grace_seconds",
            Metric::TimeLeft => "lameduck_time_left_seconds",
            Metric::Quiet => "lameduck_quiet_seconds",
            Metric::Uptime => "lameduck_uptime_seconds",
        }
    }

    /// What it means, in one sentence.
    pub const fn help(self) -> &'static str {
        match self {
            Metric::Phase => {
                "Where the process stands between its start and its end: 1 for the current phase."
            }
            Metric::InFlight => "Work that a shutdown would wait for.",
            Metric::Ended => "Work that has ended.",
            Metric::CheckOk => "Whether a readiness check passed when it ran last.",
            Metric::Grace => "The time allowed from the signal to the end of the process.",
            Metric::TimeLeft => {
                "The time left until the process ends itself by force, once a shutdown has begun; before that, the time there would be."
            }
            Metric::Quiet => "The time since a request came last that was not a probe's.",
            Metric::Uptime => "The time since the lifecycle was made.",
        }
    }

    /// Whether it may go down.
    pub const fn kind(self) -> MetricKind {
        match self {
            Metric::Ended => MetricKind::Counter,
            _ => MetricKind::Gauge,
        }
    }

    /// `seconds`, or `None` for what is counted.
    pub const fn unit(self) -> Option<&'static str> {
        match self {
            Metric::Grace | Metric::TimeLeft | Metric::Quiet | Metric::Uptime => Some("seconds"),
            _ => None,
        }
    }

    /// The name of its label: `phase`, `kind` or `check`; `None` if there is one value only.
    pub const fn label(self) -> Option<&'static str> {
        match self {
            Metric::Phase => Some("phase"),
            Metric::InFlight | Metric::Ended => Some("kind"),
            Metric::CheckOk => Some("check"),
            _ => None,
        }
    }

    /// Its values as of now, one for each value of the label. From any thread, also while the application's runtime is
    /// blocked. Takes some microseconds, [`InFlight`](Metric::InFlight) some milliseconds with 100,000 requests
    /// in flight.
    pub fn read(self, handle: &Handle) -> Vec<MetricSample> {
        match self {
            Metric::Phase => {
                let now = handle.phase();
                let is_now = |phase: Phase| f64::from(u8::from(phase == now));
                Phase::ALL
                    .iter()
                    .map(|it| MetricSample::of(it.name(), is_now(*it)))
                    .collect()
            }
            Metric::InFlight => {
                let counts = in_flight(handle).into_iter();
                counts
                    .map(|(kind, n)| MetricSample::of(kind, n as f64))
                    .collect()
            }
            Metric::Ended => {
                let ended = handle.ledger().ended().into_iter();
                ended
                    .map(|it| MetricSample::of(it.kind, it.count as f64))
                    .collect()
            }
            Metric::CheckOk => checks(handle),
            Metric::Grace => MetricSample::seconds(handle.budget().grace()),
            Metric::TimeLeft => MetricSample::seconds(handle.time_left()),
            Metric::Quiet => MetricSample::seconds(handle.traffic().quiet_for()),
            Metric::Uptime => MetricSample::seconds(handle.uptime()),
        }
    }
}

impl MetricSample {
    fn of(label: impl Into<Cow<'static, str>>, value: f64) -> MetricSample {
        MetricSample {
            label: Some(label.into()),
            value,
        }
    }

    fn seconds(value: Duration) -> Vec<MetricSample> {
        vec![MetricSample {
            label: None,
            value: value.as_secs_f64(),
        }]
    }
}

/// How much is in flight, by kind. One that has been seen stays, at zero.
fn in_flight(handle: &Handle) -> BTreeMap<&'static str, u64> {
    let ledger = handle.ledger();
    let ended = ledger.ended();
    let page = ledger.page(0, 0);
    let seen = ended.iter().map(|it| before_its_end(it.kind));
    let mut counts: BTreeMap<_, _> = seen.map(|kind| (kind, 0)).collect();
    for (kind, count) in page.by_kind {
        *counts.entry(kind).or_default() += count;
    }
    let unnamed = ledger.len().saturating_sub(page.named);
    *counts.entry(UNNAMED).or_default() += unnamed as u64;
    counts
}

fn checks(handle: &Handle) -> Vec<MetricSample> {
    let Some(readiness) = handle.readiness() else {
        return Vec::new();
    };
    let latest = readiness.latest().into_iter();
    let told = latest.filter_map(|(name, outcome)| Some((name.to_owned(), outcome?)));
    told.map(|(name, outcome)| MetricSample::of(name, f64::from(u8::from(outcome.error.is_none()))))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::inflight::kind::{CLIENT_GONE, REQUEST};
    use crate::shutdown::phase::Driver;

    fn value(metric: Metric, handle: &Handle, label: &str) -> Option<f64> {
        let samples = metric.read(handle);
        let found = samples
            .into_iter()
            .find(|it| it.label.as_deref() == Some(label));
        found.map(|it| it.value)
    }

    #[test]
    fn names_are_as_prometheus_wants_them_and_each_is_there_once() {
        let mut names = BTreeSet::new();
        for metric in Metric::ALL {
            let name = metric.name();
            assert!(names.insert(name), "{name} twice");
            assert_eq!(
                name.ends_with("_total"),
                metric.kind() == MetricKind::Counter,
                "{name}"
            );
            assert_eq!(
                name.ends_with("_seconds"),
                metric.unit().is_some(),
                "{name}"
            );
            assert!(metric.help().ends_with('.'), "{name}");
        }
    }

    #[test]
    fn each_sample_has_a_label_exactly_where_the_metric_says_so() {
        let driver = Driver::new();
        let handle = Handle::new(driver.phases());
        let _job = handle.track("job", "receipt 17");
        for metric in Metric::ALL {
            for sample in metric.read(&handle) {
                assert_eq!(
                    sample.label.is_some(),
                    metric.label().is_some(),
                    "{metric:?}"
                );
            }
        }
        assert_eq!(value(Metric::Phase, &handle, "starting"), Some(1.0));
        assert_eq!(value(Metric::Phase, &handle, "draining"), Some(0.0));
        let _driver = driver.ready().lame_duck().drain();
        assert_eq!(value(Metric::Phase, &handle, "draining"), Some(1.0));
        assert_eq!(Metric::TimeLeft.read(&handle)[0].value, 29.0);
    }

    #[test]
    fn a_kind_that_was_told_is_told_again_however_it_ended() {
        let handle = Handle::new(Driver::new().phases());
        let request = handle.track(REQUEST, "GET /");
        let _counted = handle.track_unnamed();
        assert_eq!(value(Metric::InFlight, &handle, REQUEST), Some(1.0));
        assert_eq!(value(Metric::InFlight, &handle, UNNAMED), Some(1.0));
        request.end_as(CLIENT_GONE);
        assert_eq!(value(Metric::InFlight, &handle, REQUEST), Some(0.0));
        assert_eq!(value(Metric::InFlight, &handle, CLIENT_GONE), None);
        assert_eq!(value(Metric::Ended, &handle, CLIENT_GONE), Some(1.0));
    }
}
