//! What is tested, and where it serves.

use std::path::PathBuf;

use super::SettingsError;
use super::layer::options;
use super::parse::{self, value};
use crate::plan::Plan;
use crate::wire::Trust;

options! {
    /// What is tested, and where it serves.
    #[heading("Target")]
    pub struct TargetOptions {
        /// Where the target serves, like http://127.0.0.1:8080 or https://127.0.0.1:8443; a path in it goes before each
        /// other path, gRPC methods left aside
        #[arg(long, value_name = "URL")]
        pub url: Option<String>,
        /// Over TLS: who signed the target's certificate, or the certificate itself (PEM)
        #[arg(long, value_name = "FILE")]
        pub ca: Option<PathBuf>,
        /// Over TLS: believe any certificate
        #[arg(long, conflicts_with = "ca")]
        pub insecure: bool,
        /// The target: program and arguments
        ///
        /// Started anew for each round, in a process group of its own. The signal goes to this process alone, as an
        /// orchestrator sends it: a shell in between must `exec` the server. All that it starts is followed, and ended
        /// when the round is over.
        #[arg(last = true, value_name = "COMMAND")]
        pub command: Vec<String>,
    }
}

impl TargetOptions {
    /// Whose certificates are believed, if that was said.
    pub(super) fn trust(&self) -> Result<Option<Trust>, SettingsError> {
        parse::trust(self.ca.as_deref(), self.insecure)
    }

    /// A plan without a load.
    pub(super) fn into_plan(self, trust: Option<&Trust>) -> Result<Plan, SettingsError> {
        let url = self.url.as_deref().ok_or(SettingsError::Missing {
            what: "--url",
            fix: "say where the target serves, like --url http://127.0.0.1:8080",
        })?;
        if self.command.is_empty() {
            return Err(SettingsError::Missing {
                what: "the command",
                fix: "give it and its arguments after `--`, like -- ./server --port 8080",
            });
        }
        let url = parse::endpoint("--url", url, trust)?;
        if url.path.contains('?') {
            return Err(value(
                "--url",
                url.url(),
                "expected no query in it: the path of --url goes before each other path, and a query behind that, like \
                 --get '/work?ms=20'",
            ));
        }
        Ok(Plan::new(url, self.command))
    }
}
