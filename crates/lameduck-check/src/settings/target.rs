//! What is tested, and where it serves.

use std::path::PathBuf;

use super::SettingsError;
use super::layer::options;
use super::parse::{self, value};
use crate::endpoint::Endpoint;
use crate::plan::{Plan, Trigger};
use crate::wire::Trust;

/// Bytes of a Unix socket's path, at most.
const LONGEST_SOCKET: usize = 107;

options! {
    /// What is tested, and where it serves.
    #[heading("Target")]
    pub struct TargetOptions {
        /// Where the target serves, like http://127.0.0.1:8080 or https://127.0.0.1:8443; a path in it goes before each
        /// other path, gRPC methods left aside
        #[arg(long, value_name = "URL")]
        pub url: Option<String>,
        /// Everything that goes to --url goes over this Unix socket [default for --url: http://localhost]
        #[arg(long, value_name = "PATH")]
        pub unix: Option<PathBuf>,
        /// Over TLS: who signed the target's certificate, or the certificate itself (PEM), beside whom this machine
        /// believes
        #[arg(long, value_name = "FILE")]
        pub ca: Option<PathBuf>,
        /// Over TLS: believe any certificate
        #[arg(long, conflicts_with = "ca")]
        pub insecure: bool,
        /// Over TLS: the certificate of clients (PEM), with what is between it and who signed it
        #[arg(long, value_name = "FILE")]
        pub cert: Option<PathBuf>,
        /// Over TLS: the key of that certificate (PEM)
        #[arg(long, value_name = "FILE")]
        pub key: Option<PathBuf>,
        /// Instead of a command: a process that runs already. It is asked to stop once, and never killed
        ///
        /// Its exit code and its output are not seen, and it cannot be started again: what needs these is skipped.
        #[arg(long, value_name = "N", conflicts_with_all = ["command", "trigger"])]
        pub pid: Option<u32>,
        /// Instead of a command: what replaces or stops that which serves, like 'kubectl rollout restart deploy/shop'
        ///
        /// Clients are at work for --before, until the command has ended, and for --after. What it starts stays. No
        /// shell reads it: write sh -c '…' for pipes and variables.
        #[arg(long, value_name = "COMMAND", conflicts_with = "command")]
        pub trigger: Option<String>,
        /// With --trigger: load before it [default: 5s]
        #[arg(long, value_name = "TIME", requires = "trigger")]
        pub before: Option<String>,
        /// With --trigger: load after its end [default: 10s]
        #[arg(long, value_name = "TIME", requires = "trigger")]
        pub after: Option<String>,
        /// With --trigger: it has to fail, and the old version has to serve on
        #[arg(long, requires = "trigger")]
        pub expect_rollback: bool,
        /// The service as a whole must never refuse: others serve its address too
        #[arg(long)]
        pub continuous: bool,
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
    /// Whose certificates are believed and which one is shown, if that was said or anything `speaks_tls`.
    pub(super) fn trust(&self, speaks_tls: bool) -> Result<Option<Trust>, SettingsError> {
        let trust = parse::trust(self.ca.as_deref(), self.insecure, speaks_tls)?;
        match (&self.cert, &self.key) {
            (None, None) => Ok(trust),
            (Some(_), None) => Err(SettingsError::Missing {
                what: "--key",
                fix: "--cert is shown to the target by whoever has its key: give --key FILE (PEM) too",
            }),
            (None, Some(_)) => Err(SettingsError::Missing {
                what: "--cert",
                fix: "--key is the key of a certificate: give --cert FILE (PEM) too",
            }),
            (Some(cert), Some(key)) => match trust.filter(|_| speaks_tls) {
                Some(trust) => parse::showing(trust, cert, key).map(Some),
                None => Err(value(
                    "--cert",
                    cert.display().to_string(),
                    "certificates are shown over TLS alone: give a --url that begins with https://",
                )),
            },
        }
    }

    /// Where it serves.
    pub(super) fn endpoint(&self, trust: Option<&Trust>) -> Result<Endpoint, SettingsError> {
        let usual = self.unix.as_ref().map(|_| "http://localhost");
        let url = self
            .url
            .as_deref()
            .or(usual)
            .ok_or(SettingsError::Missing {
                what: "--url",
                fix: "say where the target serves, like --url http://127.0.0.1:8080",
            })?;
        let mut url = parse::endpoint("--url", url, trust)?;
        if let Some(socket) = &self.unix {
            if socket.as_os_str().len() > LONGEST_SOCKET || socket.as_os_str().is_empty() {
                return Err(value(
                    "--unix",
                    socket.display().to_string(),
                    "expected the path of a socket, of 107 bytes at most (unix(7)), like /run/shop.sock",
                ));
            }
            url = url.over_unix(socket);
        }
        if url.path.contains('?') {
            return Err(value(
                "--url",
                url.url(),
                "expected no query in it: the path of --url goes before each other path, and a query behind that, like \
                 --get '/work?ms=20'",
            ));
        }
        Ok(url)
    }

    /// A plan without a load.
    pub(super) fn into_plan(self, trust: Option<&Trust>) -> Result<Plan, SettingsError> {
        let url = self.endpoint(trust)?;
        let kinds = [
            !self.command.is_empty(),
            self.pid.is_some(),
            self.trigger.is_some(),
        ];
        match kinds.into_iter().filter(|is_set| *is_set).count() {
            0 => {
                return Err(SettingsError::Missing {
                    what: "the command",
                    fix: "give it and its arguments after `--`, like -- ./server --port 8080 (or --pid N, or --trigger \
                          COMMAND)",
                });
            }
            1 => {}
            _ => {
                let expected = "expected one target: a command, --pid or --trigger";
                let also = self.trigger.or(self.pid.map(|pid| pid.to_string()));
                return Err(value(
                    "--trigger or --pid",
                    also.unwrap_or_default(),
                    expected,
                ));
            }
        }
        let mut plan = Plan::new(url, self.command);
        plan.pid = self.pid;
        plan.continuous = self.continuous;
        if let Some(trigger) = self.trigger {
            let mut trigger = Trigger::new(parse::words("--trigger", &trigger)?);
            trigger.before = parse::duration("--before", self.before, trigger.before)?;
            trigger.after = parse::duration("--after", self.after, trigger.after)?;
            trigger.expect_rollback = self.expect_rollback;
            plan.trigger = Some(trigger);
        }
        Ok(plan)
    }
}
