//! Providers of `opentelemetry_sdk`: what has been recorded is exported, then exporters are shut
//! down.
//!
//! Both block, so both run on a thread of their own. Flushing comes first and on its own because
//! only a shutdown that follows the specification to the letter includes it, and processors may be
//! the application's.

use ::opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use ::opentelemetry_sdk::logs::SdkLoggerProvider;
use ::opentelemetry_sdk::metrics::SdkMeterProvider;
use ::opentelemetry_sdk::trace::SdkTracerProvider;

use super::Close;
use super::off_runtime::off_runtime;
use crate::component::BoxError;

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

impl Close for SdkTracerProvider {
    async fn close(&mut self) -> Result<(), BoxError> {
        let (flush, shutdown) = (self.clone(), self.clone());
        end(move || flush.force_flush(), move || shutdown.shutdown()).await
    }
}

impl Close for SdkMeterProvider {
    async fn close(&mut self) -> Result<(), BoxError> {
        let (flush, shutdown) = (self.clone(), self.clone());
        end(move || flush.force_flush(), move || shutdown.shutdown()).await
    }
}

impl Close for SdkLoggerProvider {
    async fn close(&mut self) -> Result<(), BoxError> {
        let (flush, shutdown) = (self.clone(), self.clone());
        end(move || flush.force_flush(), move || shutdown.shutdown()).await
    }
}
