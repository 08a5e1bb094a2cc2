//! Providers, which are flushed and shut down last of all.

use lameduck_core::internal::off_runtime;
use lameduck_core::{BoxError, Close};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;

async fn end(
    flush: impl FnOnce() -> OTelSdkResult + Send + 'static,
    shutdown: impl FnOnce() -> OTelSdkResult + Send + 'static,
) -> Result<(), BoxError> {
    let ended = off_runtime(|| {
        let flushed = flush();
        match shutdown() {
            Err(OTelSdkError::AlreadyShutdown) => Ok(()),
            ended => flushed.and(ended),
        }
    });
    Ok(ended.await??)
}

/// A provider that is flushed and shut down: `SdkTracerProvider`, `SdkMeterProvider`, `SdkLoggerProvider`. Give it to
/// [`Lifecycle::flush`](lameduck_core::Lifecycle::flush), and keep clones for yourself.
pub fn provider<P: Provider>(provider: P) -> OpenTelemetryProvider<P> {
    OpenTelemetryProvider(provider)
}

/// What [`provider`] makes.
#[derive(Debug)]
pub struct OpenTelemetryProvider<P>(P);

impl<P: Provider> Close for OpenTelemetryProvider<P> {
    async fn close(&mut self) -> Result<(), BoxError> {
        let (flush, shutdown) = (self.0.clone(), self.0.clone());
        end(move || flush.flush(), move || shutdown.end()).await
    }
}

/// The three kinds of providers. Not to be implemented elsewhere.
pub trait Provider: sealed::Ends + Clone + Send + Sync + 'static {}

mod sealed {
    use super::OTelSdkResult;

    pub trait Ends {
        fn flush(&self) -> OTelSdkResult;
        fn end(&self) -> OTelSdkResult;
    }
}

macro_rules! provider {
    ($($it:ty),*) => {$(
        impl sealed::Ends for $it {
            fn flush(&self) -> OTelSdkResult {
                self.force_flush()
            }

            fn end(&self) -> OTelSdkResult {
                self.shutdown()
            }
        }

        impl Provider for $it {}
    )*};
}

provider!(SdkTracerProvider, SdkMeterProvider, SdkLoggerProvider);
