//! `/metrics`: the phase, what is in flight and what has ended, for Prometheus.
//!
//! Nothing is counted for it: each figure is read when it is asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::EncodeMetric;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::{Registry, Unit};

use super::status::UNNAMED;
use lameduck_core::Handle;
use lameduck_core::Readiness;
use lameduck_core::inflight::kind::is_an_end;
use lameduck_core::phase::Phase;

/// The text format of OpenMetrics, which Prometheus reads since 2.5.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const PHASES: [Phase; 6] = [
    Phase::Starting,
    Phase::Ready,
    Phase::LameDuck,
    Phase::Draining,
    Phase::Closing,
    Phase::Stopped,
];

#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
}

impl Metrics {
    pub fn new(handle: Handle, readiness: Arc<Readiness>, started: Instant) -> Metrics {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Figures {
            handle,
            readiness,
            started,
        }));
        Metrics { registry }
    }

    /// All figures as of now.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        text::encode(&mut page, &self.registry)?;
        Ok(page)
    }
}

#[derive(Debug)]
struct Figures {
    handle: Handle,
    readiness: Arc<Readiness>,
    started: Instant,
}

impl Collector for Figures {
    fn encode(&self, mut to: DescriptorEncoder) -> fmt::Result {
        let now = self.handle.phase();
        gauges(
            &mut to,
            "lameduck_phase",
            "Where the process stands between its start and its end: 1 for the current phase.",
            "phase",
            PHASES.map(|phase| (phase.name(), i64::from(phase == now))),
        )?;

        let ledger = self.handle.ledger();
        let ended = ledger.ended();
        let page = ledger.page(0, 0);
        // A kind that has been seen stays at zero rather than vanish: a gap is no figure.
        let seen = ended.iter().map(|e| e.kind);
        // Nothing is in flight under a kind that only says how it ended.
        let seen = seen.filter(|kind| !is_an_end(kind));
        let mut in_flight: BTreeMap<&str, i64> = seen.map(|kind| (kind, 0)).collect();
        for (kind, count) in page.by_kind {
            *in_flight.entry(kind).or_default() += i64::try_from(count).unwrap_or(i64::MAX);
        }
        let unnamed = ledger.len().saturating_sub(page.named);
        *in_flight.entry(UNNAMED).or_default() += i64::try_from(unnamed).unwrap_or(i64::MAX);
        gauges(
            &mut to,
            "lameduck_in_flight",
            "Work that a shutdown would wait for.",
            "kind",
            in_flight,
        )?;

        let mut family = to.encode_descriptor(
            "lameduck_ended",
            "Work that has ended.",
            None,
            MetricType::Counter,
        )?;
        for e in &ended {
            let label = [("kind", e.kind)];
            ConstCounter::new(e.count).encode(family.encode_family(&label)?)?;
        }

        let checks: Vec<_> = self
            .readiness
            .latest()
            .into_iter()
            .filter_map(|(name, outcome)| Some((name, outcome?)))
            .collect();
        gauges(
            &mut to,
            "lameduck_check_ok",
            "Whether a readiness check passed when it ran last.",
            "check",
            checks
                .iter()
                .map(|(n, o)| (*n, i64::from(o.error.is_none()))),
        )?;

        seconds(
            &mut to,
            "lameduck_grace",
            "The time allowed from the signal to the end of the process.",
            self.handle.budget().grace(),
        )?;
        seconds(
            &mut to,
            "lameduck_time_left",
            "The time left until the process ends itself by force, once a shutdown has begun; before that, the time there would be.",
            self.handle.time_left(),
        )?;
        seconds(
            &mut to,
            "lameduck_quiet",
            "The time since a connection or a request came last.",
            self.handle.traffic().quiet_for(),
        )?;
        seconds(
            &mut to,
            "lameduck_uptime",
            "The time since the admin port was opened.",
            self.started.elapsed(),
        )
    }
}

fn gauges<'a>(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    values: impl IntoIterator<Item = (&'a str, i64)>,
) -> fmt::Result {
    let mut family = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (value_of_label, value) in values {
        let label = [(label, value_of_label)];
        family.encode_family(&label)?.encode_gauge(&value)?;
    }
    Ok(())
}

fn seconds(to: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: Duration) -> fmt::Result {
    to.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)?
        .encode_gauge(&value.as_secs_f64())
}
