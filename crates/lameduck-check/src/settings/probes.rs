//! How the target says that it is ready, and that it lives.

use super::layer::options;
use super::{SettingsError, parse};
use crate::plan::{Plan, ReadyWhen};
use crate::wire::Trust;

options! {
    /// How the target says that it is ready, and that it lives.
    #[heading("Probes")]
    pub struct ProbeOptions {
        /// The readiness probe
        #[arg(long, value_name = "URL")]
        pub ready: Option<String>,
        /// The target is ready for the first time when it writes a line like this (a part of it, or a regular
        /// expression)
        #[arg(long, value_name = "REGEX", conflicts_with_all = ["ready_notify", "ready_port"])]
        pub ready_line: Option<String>,
        /// The target is ready for the first time when it sends READY=1 to NOTIFY_SOCKET, as under systemd
        #[arg(long, conflicts_with = "ready_port")]
        pub ready_notify: bool,
        /// The target is ready for the first time when it takes connections
        #[arg(long)]
        pub ready_port: bool,
        /// The liveness probe
        #[arg(long, value_name = "URL")]
        pub live: Option<String>,
    }
}

impl ProbeOptions {
    pub(super) fn speak_tls(&self) -> bool {
        parse::speaks_tls(&self.ready) || parse::speaks_tls(&self.live)
    }

    /// `served` is what `--url` calls the target.
    pub(super) fn plan(
        self,
        plan: &mut Plan,
        served: &str,
        trust: Option<&Trust>,
    ) -> Result<(), SettingsError> {
        let endpoint = |flag, url: Option<String>| {
            let Some(url) = url else { return Ok(None) };
            let mut probe = parse::endpoint(flag, &url, trust)?;
            // What has the same name is reached in the same way.
            if probe.authority == served && probe.tls.is_some() == plan.url.tls.is_some() {
                probe.unix.clone_from(&plan.url.unix);
            }
            if probe.is_at(&plan.url) {
                if probe.authority == served {
                    probe.authority.clone_from(&plan.url.authority);
                }
                probe.headers = plan.url.headers.clone();
            }
            Ok(Some(probe))
        };
        let (ready, live) = (
            endpoint("--ready", self.ready)?,
            endpoint("--live", self.live)?,
        );
        (plan.ready, plan.live) = (ready, live);
        plan.ready_when = match (self.ready_line, self.ready_notify, self.ready_port) {
            (None, false, false) => ReadyWhen::Answered,
            (None, true, false) => ReadyWhen::Notified,
            (None, false, true) => ReadyWhen::Listening,
            (Some(line), false, false) => match line.parse() {
                Ok(pattern) => ReadyWhen::Line(pattern),
                Err(expected) => return Err(parse::value("--ready-line", line, expected)),
            },
            (line, ..) => {
                return Err(parse::value(
                    "--ready-line",
                    line.unwrap_or_default(),
                    "expected one of --ready-line, --ready-notify and --ready-port",
                ));
            }
        };
        Ok(())
    }
}
