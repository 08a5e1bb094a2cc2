#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

use std::borrow::Cow;
use std::time::Duration;

#[cfg(doc)]
use lameduck_core::Phase;
use lameduck_core::{Handle, Metric, MetricKind};
use metrics::{Label, Unit, counter, describe_counter, describe_gauge, gauge};

/// Says to the recorder what each [`Metric`] means. [`record_every`] does so by itself.
pub fn describe() {
    for metric in Metric::ALL.iter().copied() {
        let unit = match metric.unit() {
            Some("seconds") => Unit::Seconds,
            _ => Unit::Count,
        };
        match metric.kind() {
            MetricKind::Counter => describe_counter!(metric.name(), unit, metric.help()),
            _ => describe_gauge!(metric.name(), unit, metric.help()),
        }
    }
}

/// Sets each [`Metric`] to what it is now. For exporters that are asked: call it before the page is rendered.
pub fn record(handle: &Handle) {
    for metric in Metric::ALL.iter().copied() {
        for sample in metric.read(handle) {
            let labels: Vec<Label> = metric
                .label()
                .zip(sample.label)
                .map(|(name, value): (_, Cow<'static, str>)| Label::new(name, value))
                .into_iter()
                .collect();
            match metric.kind() {
                MetricKind::Counter => {
                    counter!(metric.name(), labels).absolute(sample.value as u64);
                }
                _ => gauge!(metric.name(), labels).set(sample.value),
            }
        }
    }
}

/// Sets each [`Metric`] `every` so often, and with each change of the [`Phase`], until the process has stopped. For
/// exporters that push. An interval of less than 10 ms is taken for that.
///
/// It is a task of the runtime that it is called in, and no component: the shutdown does not wait for it, and its
/// last figures are those of the phase `stopped`, if the runtime is still there.
///
/// # Panics
///
/// Outside of a tokio runtime with a clock.
pub fn record_every(handle: &Handle, every: Duration) {
    describe();
    let every = every.max(Duration::from_millis(10));
    let handle = handle.clone();
    tokio::spawn(async move {
        loop {
            let phase = handle.phase();
            record(&handle);
            let Some(next) = phase.next() else {
                return;
            };
            let _ = tokio::time::timeout(every, handle.phases().reached(next)).await;
        }
    });
}

#[cfg(test)]
mod tests {
    use lameduck_core::{Exit, Lifecycle};
    use metrics::with_local_recorder;
    use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

    use super::*;

    fn has(page: &PrometheusHandle, line: &str) -> bool {
        page.render().lines().any(|it| it == line)
    }

    #[test]
    fn a_recorder_is_told_each_figure_as_of_now() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let page = recorder.handle();
        let handle = Lifecycle::embedded().handle();
        let job = handle.track("job", "receipt 17");
        with_local_recorder(&recorder, || {
            describe();
            record(&handle);
        });
        for line in [
            "lameduck_phase{phase=\"starting\"} 1",
            "lameduck_phase{phase=\"draining\"} 0",
            "lameduck_in_flight{kind=\"job\"} 1",
            "# HELP lameduck_in_flight Work that a shutdown would wait for.",
            "lameduck_grace_seconds 30",
        ] {
            assert!(has(&page, line), "no {line:?} in\n{}", page.render());
        }
        drop(job);
        for _ in 0..2 {
            with_local_recorder(&recorder, || record(&handle));
            assert!(has(&page, "lameduck_in_flight{kind=\"job\"} 0"));
            assert!(has(&page, "# TYPE lameduck_ended_total counter"));
            assert!(has(&page, "lameduck_ended_total{kind=\"job\"} 1"));
        }
    }

    async fn until(page: &PrometheusHandle, line: &str) {
        let found = async {
            while !has(page, line) {
                tokio::task::yield_now().await;
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(20), found).await;
        assert!(found.is_ok(), "never {line:?} in\n{}", page.render());
    }

    #[test]
    fn each_phase_is_told_when_it_comes_however_long_the_interval_is() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let page = recorder.handle();
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        with_local_recorder(&recorder, || {
            runtime.block_on(async {
                let life = Lifecycle::embedded().task("mail", |handle| async move {
                    handle.until_draining().await;
                    Ok::<_, std::io::Error>(())
                });
                let handle = life.handle();
                record_every(&handle, Duration::from_secs(3600));
                let running = tokio::spawn(life.run());
                until(&page, "lameduck_phase{phase=\"ready\"} 1").await;
                handle.shutdown("test");
                assert_eq!(running.await.unwrap(), Exit::CLEAN);
                until(&page, "lameduck_phase{phase=\"stopped\"} 1").await;
                assert!(has(&page, "lameduck_phase{phase=\"ready\"} 0"));
            });
        });
    }
}
