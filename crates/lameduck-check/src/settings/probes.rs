//! How the target says that it is ready, and that it lives.

use super::layer::options;
use super::{SettingsError, parse};
use crate::plan::Plan;
use crate::wire::Trust;

options! {
    /// How the target says that it is ready, and that it lives.
    #[heading("Probes")]
    pub struct ProbeOptions {
        /// The readiness probe
        #[arg(long, value_name = "URL")]
        pub ready: Option<String>,
        /// The liveness probe
        #[arg(long, value_name = "URL")]
        pub live: Option<String>,
    }
}

impl ProbeOptions {
    pub(super) fn plan(self, plan: &mut Plan, trust: Option<&Trust>) -> Result<(), SettingsError> {
        let endpoint = |flag, url: Option<String>| {
            url.map(|url| parse::endpoint(flag, &url, trust))
                .transpose()
        };
        plan.ready = endpoint("--ready", self.ready)?;
        plan.live = endpoint("--live", self.live)?;
        Ok(())
    }
}
