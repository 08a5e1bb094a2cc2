//! What a user may set, by flags or by file, before it is a [`Plan`]: one file per topic, with the options of the topic
//! and what they come to.

// The docs of options are what `--help` prints: a URL stands there as one types it.
#![allow(rustdoc::bare_urls)]

mod counts;
mod hidden;
mod jobs;
mod layer;
mod load;
mod parse;
mod preset;
mod probes;
mod request;
mod rules;
mod shutdown;
mod target;
#[cfg(test)]
mod tests;
mod verdict;

use thiserror::Error;

pub use self::counts::CountOptions;
pub use self::hidden::Hidden;
pub use self::jobs::JobOptions;
pub use self::load::LoadOptions;
pub use self::probes::ProbeOptions;
pub use self::request::{RequestKind, RequestOptions, RequestTable};
pub use self::shutdown::ShutdownOptions;
pub use self::target::TargetOptions;
pub use self::verdict::VerdictOptions;
use crate::endpoint::{Endpoint, EndpointError};
use crate::plan::Plan;
use layer::Layer;

layer::topics! {
    /// Everything that may be set, all of it optional: what is not set by one source may be by another.
    ///
    /// With the feature `clap` these are clap's `Args` too: each field is a flag.
    ///
    /// As `lameduck-check.toml` it looks like this:
    ///
    /// ```
    /// let settings = lameduck_check::Settings::from_toml(r#"
    ///     command = ["./server", "--port", "8080"]
    ///     url = "http://127.0.0.1:8080"
    ///     get = ["/work?ms=20"]
    ///     grace = "10s"
    ///     rtt = "40ms"
    /// "#)?;
    /// let plan = settings.into_plan()?;
    /// assert_eq!(plan.grace.as_secs(), 10);
    /// # Ok::<(), lameduck_check::SettingsError>(())
    /// ```
    pub struct Settings {
        /// What is tested, and where it serves.
        pub target: TargetOptions,
        /// What it is asked.
        pub load: LoadOptions,
        /// What goes with every request.
        pub request: RequestOptions,
        /// How it says that it is ready, and that it lives.
        pub probes: ProbeOptions,
        /// Its own account of its orders, and its database.
        pub jobs: JobOptions,
        /// How and how often it is stopped.
        pub shutdown: ShutdownOptions,
        /// How many clients each load has.
        pub counts: CountOptions,
        /// What is judged, and what counts.
        pub verdict: VerdictOptions,
    }
}

/// What is wrong with the settings.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file is not TOML, or has a key that nobody knows.
    #[error(transparent)]
    Toml(toml::de::Error),
    /// The same in a file with headers or bodies, which are not shown.
    #[error("line {line}: {error}")]
    Line {
        /// The line, from 1 on.
        line: usize,
        /// What is wrong.
        error: toml::de::Error,
    },
    /// Something needed is not set.
    #[error("{what} is missing; {fix}")]
    Missing {
        /// The flag.
        what: &'static str,
        /// What to give.
        fix: &'static str,
    },
    /// A URL is wrong.
    #[error("{flag}: {reason}")]
    Url {
        /// The flag.
        flag: &'static str,
        /// What is wrong with it.
        reason: EndpointError,
    },
    /// A value is wrong.
    #[error("{flag} `{value}`: {expected}")]
    Value {
        /// The flag.
        flag: String,
        /// The value.
        value: String,
        /// What would be right.
        expected: String,
    },
}

impl Settings {
    /// Reads the text of a `lameduck-check.toml`.
    ///
    /// # Errors
    /// When it is no TOML, a value has the wrong type, or a key is unknown (the error names it and the known ones).
    pub fn from_toml(text: &str) -> Result<Self, SettingsError> {
        Self::read(text).map_err(|mut error| {
            // The line that is wrong would be shown, and may hold a secret. What is wrong is said in any case.
            if text.contains("header") || text.contains("body") {
                let at = error.span().map_or(0, |span| span.start);
                let before = text.get(..at).unwrap_or_default();
                let line = before.matches('\n').count() + 1;
                error.set_input(None);
                return SettingsError::Line { line, error };
            }
            SettingsError::Toml(error)
        })
    }

    /// These settings where they are set, the others elsewhere.
    #[must_use]
    pub fn over(self, other: Self) -> Self {
        Layer::over(self, other)
    }

    /// Where the target serves and what goes with every request there: enough to ask it something.
    ///
    /// # Errors
    /// The first thing that is missing or wrong in that, by the name of its flag.
    pub fn into_endpoint(self) -> Result<Endpoint, SettingsError> {
        let trust = self.target.trust(parse::speaks_tls(&self.target.url))?;
        let mut origin = self.target.endpoint(trust.as_ref())?;
        self.request.origin(&mut origin)?;
        Ok(origin)
    }

    /// The plan, once everything is there and right.
    ///
    /// # Errors
    /// The first thing that is missing or wrong, by the name of its flag.
    pub fn into_plan(self) -> Result<Plan, SettingsError> {
        let speaks_tls = parse::speaks_tls(&self.target.url) || self.probes.speak_tls();
        let trust = self.target.trust(speaks_tls)?;
        let mut plan = self.target.into_plan(trust.as_ref())?;
        if let Some(name) = &self.shutdown.preset {
            preset::apply(name, &mut plan)?;
        }
        let served = plan.url.authority.clone();
        self.verdict.plan(&mut plan)?;
        self.request.origin(&mut plan.url)?;
        self.load.plan(&mut plan, self.request.asks()?)?;
        self.request.plan(&mut plan)?;
        load::bodies_are_uploads(&mut plan);
        self.jobs.plan(&mut plan)?;
        load::is_something(&plan)?;
        self.probes.plan(&mut plan, &served, trust.as_ref())?;
        self.shutdown.plan(&mut plan)?;
        self.counts.plan(&mut plan)?;
        Ok(plan)
    }
}
