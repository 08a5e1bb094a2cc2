//! Providers of `opentelemetry_sdk`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lameduck::{Exit, Lifecycle};
use opentelemetry::trace::{Tracer, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};

use crate::life::end;

#[derive(Debug)]
struct Exporter {
    exported: Arc<AtomicUsize>,
    blocks_for: Duration,
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        std::thread::sleep(self.blocks_for);
        self.exported.fetch_add(batch.len(), Ordering::Relaxed);
        Ok(())
    }
}

fn traces(blocks_for: Duration) -> (SdkTracerProvider, Arc<AtomicUsize>) {
    let exported = Arc::new(AtomicUsize::new(0));
    let exporter = Exporter {
        exported: exported.clone(),
        blocks_for,
    };
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .build();
    for _ in 0..10 {
        provider.tracer("test").start("a span");
    }
    (provider, exported)
}

#[tokio::test]
async fn what_was_recorded_is_exported() {
    let (provider, exported) = traces(Duration::from_millis(20));
    let clone = provider.clone();
    let life = Lifecycle::embedded()
        .flush("traces", lameduck::opentelemetry::provider(provider))
        .flush(
            "metrics",
            lameduck::opentelemetry::provider(SdkMeterProvider::builder().build()),
        )
        .flush(
            "logs",
            lameduck::opentelemetry::provider(SdkLoggerProvider::builder().build()),
        );
    end(life).await.cleanly();
    assert_eq!(exported.load(Ordering::Relaxed), 10);
    drop(clone);
}

#[tokio::test]
async fn a_provider_that_was_shut_down_is_flushed_already() {
    let (provider, _) = traces(Duration::ZERO);
    provider.shutdown().unwrap();
    end(Lifecycle::embedded().flush("traces", lameduck::opentelemetry::provider(provider)))
        .await
        .cleanly();
}

#[tokio::test]
async fn a_collector_that_hangs_is_named_and_the_next_flusher_has_its_time() {
    let (provider, _) = traces(Duration::from_secs(20));
    let life = Lifecycle::embedded()
        .grace(Duration::from_secs(3))
        .flush("traces", lameduck::opentelemetry::provider(provider))
        .flush_with("log", || async { Ok::<_, std::io::Error>(()) });
    let ended = end(life).await;
    assert_eq!(ended.exit, Exit::LET_GO);
    assert!(ended.error("traces").unwrap().contains("not done within"));
    assert_eq!(ended.error("log"), None);
    assert!(ended.took < Duration::from_secs(3), "{:?}", ended.took);
}
