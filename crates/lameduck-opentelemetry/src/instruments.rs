//! What can be measured of a process, as instruments that are asked.

use lameduck_core::{Handle, Metric, MetricKind, MetricSample};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

/// Makes an observable instrument of every [`Metric`] on `meter`: gauges, and a counter for what has ended. Names and
/// attributes are those of the page `/metrics`; times are in seconds (`s`).
///
/// Nothing runs for it: each is read when the meter's provider collects. So its last export is of the phase in which the
/// provider is flushed, which is `closing` for one that [`provider`](crate::provider) flushes. The instruments live as
/// long as the provider; calling this twice for one meter observes everything twice.
pub fn observe(meter: &Meter, handle: &Handle) {
    for metric in Metric::ALL.iter().copied() {
        let handle = handle.clone();
        // A unit of `1` would become a part of the name in Prometheus.
        let unit = metric.unit().map(|_| "s");
        match metric.kind() {
            MetricKind::Counter => {
                let counter = meter.u64_observable_counter(metric.name());
                let counter = counter
                    .with_description(metric.help())
                    .with_callback(move |it| {
                        for sample in metric.read(&handle) {
                            let value = sample.value as u64;
                            it.observe(value, &attributes(metric, sample));
                        }
                    });
                match unit {
                    Some(unit) => counter.with_unit(unit).build(),
                    None => counter.build(),
                };
            }
            _ => {
                let gauge = meter.f64_observable_gauge(metric.name());
                let gauge = gauge
                    .with_description(metric.help())
                    .with_callback(move |it| {
                        for sample in metric.read(&handle) {
                            let value = sample.value;
                            it.observe(value, &attributes(metric, sample));
                        }
                    });
                match unit {
                    Some(unit) => gauge.with_unit(unit).build(),
                    None => gauge.build(),
                };
            }
        }
    }
}

fn attributes(metric: Metric, sample: MetricSample) -> Vec<KeyValue> {
    let pair = metric.label().zip(sample.label);
    let pair = pair.map(|(name, value)| KeyValue::new(name, value));
    pair.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use lameduck_core::{Exit, Lifecycle};
    use opentelemetry::metrics::MeterProvider;
    use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
    use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};

    use super::*;

    /// Every value of a metric, with its attribute.
    fn points(exported: &ResourceMetrics, name: &str) -> Vec<(String, f64)> {
        let metrics = exported.scope_metrics().flat_map(|it| it.metrics());
        let mut points = Vec::new();
        let told = |mut attributes: Box<dyn Iterator<Item = &KeyValue> + '_>| {
            let pair = attributes.next();
            pair.map_or(String::new(), |it| format!("{}={}", it.key, it.value))
        };
        for metric in metrics.filter(|it| it.name() == name) {
            match metric.data() {
                AggregatedMetrics::F64(MetricData::Gauge(gauge)) => {
                    for it in gauge.data_points() {
                        points.push((told(Box::new(it.attributes())), it.value()));
                    }
                }
                AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                    assert!(sum.is_monotonic());
                    for it in sum.data_points() {
                        points.push((told(Box::new(it.attributes())), it.value() as f64));
                    }
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        points
    }

    fn value(exported: &ResourceMetrics, name: &str, attribute: &str) -> Option<f64> {
        let points = points(exported, name);
        let found = points.iter().find(|(it, _)| it == attribute);
        found.map(|(_, value)| *value)
    }

    #[tokio::test]
    async fn a_meter_tells_each_figure_as_of_now_and_last_of_all_that_it_closes() {
        let exporter = InMemoryMetricExporter::default();
        let provider = SdkMeterProvider::builder()
            .with_periodic_exporter(exporter.clone())
            .build();
        let life = Lifecycle::embedded().task("mail", |handle| async move {
            handle.until_draining().await;
            Ok::<_, std::io::Error>(())
        });
        let handle = life.handle();
        observe(&provider.meter("test"), &handle);
        let job = handle.track("job", "receipt 17");
        provider.force_flush().unwrap();
        let first = exporter.get_finished_metrics().unwrap().pop().unwrap();
        assert_eq!(value(&first, "lameduck_phase", "phase=starting"), Some(1.0));
        assert_eq!(value(&first, "lameduck_in_flight", "kind=job"), Some(1.0));
        assert_eq!(value(&first, "lameduck_grace_seconds", ""), Some(30.0));
        drop(job);

        handle.shutdown("test");
        let life = life.flush("metrics", crate::provider(provider));
        assert_eq!(life.run().await, Exit::CLEAN);
        let last = exporter.get_finished_metrics().unwrap().pop().unwrap();
        assert_eq!(value(&last, "lameduck_phase", "phase=closing"), Some(1.0));
        assert_eq!(value(&last, "lameduck_phase", "phase=starting"), Some(0.0));
        assert_eq!(value(&last, "lameduck_in_flight", "kind=job"), Some(0.0));
        assert_eq!(value(&last, "lameduck_ended_total", "kind=job"), Some(1.0));
        // No check has run, so nothing is told of any.
        let silent = "lameduck_check_ok";
        for metric in Metric::ALL {
            let told = !points(&last, metric.name()).is_empty();
            assert_eq!(told, metric.name() != silent, "{}", metric.name());
        }
    }
}
