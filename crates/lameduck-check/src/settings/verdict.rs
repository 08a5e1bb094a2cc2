//! What is judged, and what counts.

use std::path::PathBuf;

use super::layer::options;
use super::{SettingsError, rules};
use crate::plan::Plan;

options! {
    /// What is judged, and what counts.
    #[heading("Verdict")]
    pub struct VerdictOptions {
        /// Judge only these promises, like keepalive-lossless,accept-lossless
        #[arg(long, value_name = "PROMISE", value_delimiter = ',')]
        pub only: Vec<String>,
        /// Do not judge these promises
        #[arg(long, value_name = "PROMISE", value_delimiter = ',')]
        pub except: Vec<String>,
        /// Promises that are known to be broken do not count: what --json wrote, or one name on each line
        #[arg(long, value_name = "FILE")]
        pub baseline: Option<PathBuf>,
        /// Exit codes that are right when nothing was let go, like 0,143 [default: 0]
        #[arg(long, value_name = "CODE", value_delimiter = ',')]
        pub expect_exit: Vec<i32>,
        /// Conventions count too: exit codes, Connection: close, what is said of stuck requests, repeated signals
        #[arg(long)]
        pub strict: bool,
        /// Exit 0 instead of 3 when nothing was broken, but something asked for was not tried or is undecided
        #[arg(long)]
        pub allow_untested: bool,
    }
}

impl VerdictOptions {
    pub(super) fn plan(self, plan: &mut Plan) -> Result<(), SettingsError> {
        plan.rules = rules::rules(&self.only, &self.except, self.baseline.as_deref())?;
        plan.rules.strict = self.strict;
        plan.rules.allow_untested = self.allow_untested;
        if !self.expect_exit.is_empty() {
            plan.expect_exit = rules::exit_codes(self.expect_exit)?;
        }
        Ok(())
    }
}
