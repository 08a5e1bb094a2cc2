#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

use std::sync::{Mutex, PoisonError};

use lameduck_core::{Handle, Metric, MetricKind};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Error, Gauge, GaugeVec, IntCounterVec, Opts};

/// A collector of every [`Metric`], for [`Registry::register`](prometheus::Registry::register) or
/// [`prometheus::register`].
///
/// # Errors
///
/// None that is known: what `prometheus` says of a name or label that it refuses.
pub fn collector(handle: &Handle) -> Result<Box<LifecycleCollector>, Error> {
    let instruments = Metric::ALL.iter().map(|it| Instrument::of(*it));
    let instruments: Vec<Instrument> = instruments.collect::<Result<_, Error>>()?;
    Ok(Box::new(LifecycleCollector {
        handle: handle.clone(),
        descriptions: instruments.iter().flat_map(Instrument::described).collect(),
        instruments: Mutex::new(instruments),
    }))
}

/// What [`collector`] makes.
#[derive(Debug)]
pub struct LifecycleCollector {
    handle: Handle,
    descriptions: Vec<Desc>,
    /// Set anew by whoever collects, who has them for himself until he has read them.
    instruments: Mutex<Vec<Instrument>>,
}

impl Collector for LifecycleCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Whatever panicked in here, all are set anew.
        let instruments = self.instruments.lock();
        let instruments = instruments.unwrap_or_else(PoisonError::into_inner);
        let collected = instruments.iter().flat_map(|it| it.collect(&self.handle));
        // What has no value yet has no place on a page.
        collected.filter(|it| !it.get_metric().is_empty()).collect()
    }
}

/// A metric, and the instrument of `prometheus` that shows it.
#[derive(Debug)]
struct Instrument {
    metric: Metric,
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    Gauge(Gauge),
    Gauges(GaugeVec),
    Counters(IntCounterVec),
}

impl Instrument {
    fn of(metric: Metric) -> Result<Instrument, Error> {
        let opts = Opts::new(metric.name(), metric.help());
        let shown = match (metric.kind(), metric.label()) {
            (MetricKind::Counter, label) => {
                Shown::Counters(IntCounterVec::new(opts, label.as_slice())?)
            }
            (_, Some(label)) => Shown::Gauges(GaugeVec::new(opts, &[label])?),
            (_, None) => Shown::Gauge(Gauge::with_opts(opts)?),
        };
        Ok(Instrument { metric, shown })
    }

    fn described(&self) -> Vec<Desc> {
        let described = match &self.shown {
            Shown::Gauge(it) => it.desc(),
            Shown::Gauges(it) => it.desc(),
            Shown::Counters(it) => it.desc(),
        };
        described.into_iter().cloned().collect()
    }

    fn collect(&self, handle: &Handle) -> Vec<MetricFamily> {
        let samples = self.metric.read(handle);
        match &self.shown {
            Shown::Gauge(gauge) => {
                samples.iter().for_each(|it| gauge.set(it.value));
                gauge.collect()
            }
            Shown::Gauges(gauges) => {
                gauges.reset();
                for it in &samples {
                    gauges.with_label_values(it.label.as_slice()).set(it.value);
                }
                gauges.collect()
            }
            Shown::Counters(counters) => {
                counters.reset();
                for it in &samples {
                    let counter = counters.with_label_values(it.label.as_slice());
                    counter.inc_by(it.value as u64);
                }
                counters.collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lameduck_core::Lifecycle;
    use prometheus::{Registry, TextEncoder};

    use super::*;

    fn page(registry: &Registry) -> String {
        let encoder = TextEncoder::new();
        encoder.encode_to_string(&registry.gather()).unwrap()
    }

    fn has(page: &str, line: &str) {
        assert!(page.lines().any(|it| it == line), "no {line:?} in\n{page}");
    }

    #[test]
    fn a_registry_has_each_figure_as_of_now_and_counts_nothing_twice() {
        let life = Lifecycle::embedded();
        let handle = life.handle();
        let registry = Registry::new();
        registry.register(collector(&handle).unwrap()).unwrap();
        let job = handle.track("job", "receipt 17");
        let first = page(&registry);
        has(&first, "lameduck_phase{phase=\"starting\"} 1");
        has(&first, "lameduck_phase{phase=\"draining\"} 0");
        has(&first, "lameduck_in_flight{kind=\"job\"} 1");
        has(&first, "# TYPE lameduck_grace_seconds gauge");
        has(&first, "lameduck_grace_seconds 30");
        drop(job);
        for _ in 0..2 {
            let page = page(&registry);
            has(&page, "lameduck_in_flight{kind=\"job\"} 0");
            has(&page, "# TYPE lameduck_ended_total counter");
            has(&page, "lameduck_ended_total{kind=\"job\"} 1");
        }
    }

    #[test]
    fn two_at_once_see_whole_figures() {
        let life = Lifecycle::embedded();
        let handle = life.handle();
        for _ in 0..100 {
            drop(handle.track("job", "receipt"));
        }
        let registry = Registry::new();
        registry.register(collector(&handle).unwrap()).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        has(&page(&registry), "lameduck_ended_total{kind=\"job\"} 100");
                    }
                });
            }
        });
    }
}
