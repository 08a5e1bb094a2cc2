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
            let Some(url) = url else { return Ok(None) };
            let mut probe = parse::endpoint(flag, &url, trust)?;
            if probe.is_at(&plan.url) {
                probe.authority.clone_from(&plan.url.authority);
                probe.headers = plan.url.headers.clone();
            }
            Ok(Some(probe))
        };
        let (ready, live) = (
            endpoint("--ready", self.ready)?,
            endpoint("--live", self.live)?,
        );
        (plan.ready, plan.live) = (ready, live);
        Ok(())
    }
}
