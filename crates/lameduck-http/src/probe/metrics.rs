//! `/metrics`: the phase, what is in flight and what has ended, for Prometheus.
//!
//! What there is to tell is [`Metric`]'s to say; here it gets its format.

use std::fmt;

use lameduck_core::{Handle, Metric, MetricKind};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::EncodeMetric;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::{Registry, Unit};

/// The text format of OpenMetrics, which Prometheus reads since 2.5.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug)]
pub(super) struct MetricsPage(Registry);

impl MetricsPage {
    pub fn new(handle: Handle) -> MetricsPage {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(OpenMetrics(handle)));
        MetricsPage(registry)
    }

    /// All figures as of now.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        text::encode(&mut page, &self.0)?;
        Ok(page)
    }
}

#[derive(Debug)]
struct OpenMetrics(Handle);

impl Collector for OpenMetrics {
    fn encode(&self, mut to: DescriptorEncoder) -> fmt::Result {
        let metrics = Metric::ALL.iter();
        metrics
            .copied()
            .try_for_each(|it| encode(it, &self.0, &mut to))
    }
}

fn encode(metric: Metric, handle: &Handle, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let unit = metric.unit().map(|it| Unit::Other(it.to_owned()));
    let is_counter = metric.kind() == MetricKind::Counter;
    let kind = match is_counter {
        true => MetricType::Counter,
        false => MetricType::Gauge,
    };
    let help = metric.help();
    let mut family = to.encode_descriptor(stem(metric), help, unit.as_ref(), kind)?;
    for sample in metric.read(handle) {
        let label = metric.label().zip(sample.label.as_deref());
        let value = sample.value;
        match label {
            Some(label) if is_counter => {
                ConstCounter::new(value as u64).encode(family.encode_family(&[label])?)?
            }
            Some(label) => family
                .encode_family(&[label])?
                .encode_gauge(&(value as i64))?,
            // Whatever has no label is a time.
            None => family.encode_gauge(&value)?,
        }
    }
    Ok(())
}

/// The name without what the format appends by itself.
fn stem(metric: Metric) -> &'static str {
    let name = metric.name();
    let name = name.strip_suffix("_total").unwrap_or(name);
    let unit = metric.unit().and_then(|unit| name.strip_suffix(unit));
    unit.map_or(name, |it| it.trim_end_matches('_'))
}
