//! What is wrong with a setting, in words for who set it.

/// A setting that cannot be used: exit code 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadConfiguration(String);

impl BadConfiguration {
    /// `problem` says what was found, and what to write instead.
    pub fn new(problem: impl Into<String>) -> BadConfiguration {
        BadConfiguration(problem.into())
    }
}
