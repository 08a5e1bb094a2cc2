//! What cannot be a setting, found before a server starts: it would close every connection, or panic with the first.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use lameduck_core::BadConfiguration;

/// The first setting that cannot be, and what to write instead.
#[derive(Default)]
pub(crate) struct SettingProblem(Option<String>);

impl SettingProblem {
    fn found(&mut self, name: &str, value: impl Display, expected: impl Display) {
        self.0
            .get_or_insert_with(|| format!("{name}({value}): expected {expected}"));
    }

    pub(crate) fn at_least<T: Display + PartialOrd>(
        &mut self,
        name: &str,
        value: Option<T>,
        least: T,
    ) {
        if let Some(value) = value
            && value < least
        {
            self.found(name, value, format_args!("at least {least}"));
        }
    }

    pub(crate) fn within<T: Display + PartialOrd>(
        &mut self,
        name: &str,
        value: Option<T>,
        range: RangeInclusive<T>,
    ) {
        if let Some(value) = value
            && !range.contains(&value)
        {
            let (least, most) = range.into_inner();
            self.found(name, value, format_args!("{least} to {most}"));
        }
    }

    pub(crate) fn more_than_zero(&mut self, name: &str, value: Option<Duration>) {
        if value == Some(Duration::ZERO) {
            self.found(name, "0s", "more than zero, for example 30 s");
        }
    }

    /// What TCP can count of a time, in seconds.
    pub(crate) fn in_seconds(&mut self, name: &str, value: Option<Duration>, most: u64) {
        if let Some(value) = value
            && !(1..=most).contains(&value.as_secs())
        {
            let value = format!("{value:?}");
            self.found(name, value, format_args!("1 s to {most} s"));
        }
    }

    /// As an error.
    pub(crate) fn told(self) -> Result<(), BadConfiguration> {
        match self.0 {
            None => Ok(()),
            Some(problem) => Err(BadConfiguration::new(problem)),
        }
    }
}
