//! Subscribers of `tracing` as they are found in services, good ones and bad ones.

use std::str::FromStr;
use std::time::Duration;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Where events go.
#[derive(Clone, Copy)]
pub enum Sink {
    /// To standard error, as the documentation of `tracing-subscriber` has it.
    Stderr,
    /// To standard error by `eprintln!`, which panics when it cannot write.
    Prints,
    /// Nowhere: it waits for ever.
    Blocks,
    /// Nowhere: it panics.
    Panics,
}

impl FromStr for Sink {
    type Err = String;

    fn from_str(s: &str) -> Result<Sink, String> {
        match s {
            "stderr" => Ok(Sink::Stderr),
            "prints" => Ok(Sink::Prints),
            "blocks" => Ok(Sink::Blocks),
            "panics" => Ok(Sink::Panics),
            _ => Err(format!(
                "--subscriber {s}: expected stderr, prints, blocks or panics"
            )),
        }
    }
}

impl Sink {
    /// Makes it the subscriber of the process.
    pub fn install(self) {
        if let Sink::Stderr = self {
            tracing_subscriber::fmt()
                .with_writer(std::io::stderr)
                .with_ansi(false)
                .init();
        } else {
            let _ = tracing::subscriber::set_global_default(Bad(self));
        }
    }
}

struct Bad(Sink);

impl Subscriber for Bad {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("lameduck")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        match self.0 {
            Sink::Stderr => {}
            Sink::Prints => eprintln!("{} {event:?}", "event ".repeat(200)),
            Sink::Blocks => std::thread::sleep(Duration::from_secs(3600)),
            Sink::Panics => panic!("a bug in the subscriber"),
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
