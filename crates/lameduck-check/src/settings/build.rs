//! From settings to a plan: what is missing or wrong is named by its flag.

use std::time::Duration;

use bytes::Bytes;

use super::parse::{self, duration, paths, requests, value};
use super::{Settings, SettingsError, rules};
use crate::plan::Plan;
use crate::request::RequestTemplate;

/// Bytes of an upload, unless set.
const UPLOAD_BYTES: usize = 64 * 1024;

/// The second round trip, where none was set.
const FAR: Duration = Duration::from_millis(40);

/// What Kubernetes needs to take a pod out of its endpoints everywhere, unless it is set.
const NOTICE: Duration = Duration::from_secs(3);

impl Settings {
    /// The plan, once everything is there and right.
    ///
    /// # Errors
    /// The first thing that is missing or wrong, by the name of its flag.
    pub fn into_plan(self) -> Result<Plan, SettingsError> {
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
        let trust = parse::trust(self.ca.as_deref(), self.insecure.unwrap_or(false))?;
        let endpoint = |flag, url| parse::endpoint(flag, url, trust.as_ref());
        let mut plan = Plan::new(endpoint("--url", url)?, self.command);
        plan.rules = rules::rules(&self.only, &self.except, self.baseline.as_deref())?;
        plan.rules.strict = self.strict.unwrap_or(false);
        plan.rules.allow_untested = self.allow_untested.unwrap_or(false);
        if !self.expect_exit.is_empty() {
            plan.expect_exit = rules::exit_codes(self.expect_exit)?;
        }
        plan.get = requests("--get", self.get, RequestTemplate::get)?;
        plan.slow = requests("--slow", self.slow, RequestTemplate::get)?;
        plan.downloads = requests("--stream", self.stream, RequestTemplate::get)?;
        let body = Bytes::from(vec![b'u'; UPLOAD_BYTES]);
        plan.uploads = requests("--upload", self.upload, |path| {
            RequestTemplate::post(path, body.clone())
                .header("content-type", "application/octet-stream")
        })?;
        plan.websockets = paths("--ws", self.ws)?;
        plan.event_streams = requests("--sse", self.sse, |path| {
            RequestTemplate::get(path).header("accept", "text/event-stream")
        })?;
        let data = parse::hex("--grpc-data", self.grpc_data.as_deref().unwrap_or(""))?;
        plan.grpc = parse::grpc("--grpc", &self.grpc, &data)?;
        plan.grpc_streams = parse::grpc("--grpc-stream", &self.grpc_stream, &data)?;
        plan.ledger = self
            .ledger
            .as_deref()
            .map(|command| parse::words("--ledger", command))
            .transpose()?;
        let orders = match (plan.ledger.is_some(), self.post.is_empty()) {
            (true, true) => vec![parse::ORDER.to_owned()],
            _ => self.post,
        };
        plan.post = orders
            .iter()
            .map(|text| parse::order(text))
            .collect::<Result<_, _>>()?;
        if plan.ledger.is_none() && self.settle.is_some() {
            return Err(SettingsError::Missing {
                what: "--ledger",
                fix: "--settle says how long its jobs may take: give --ledger COMMAND too",
            });
        }
        plan.settle = duration("--settle", self.settle, plan.settle)?;
        if self.postgres.is_none() && self.postgres_log.is_some() {
            return Err(SettingsError::Missing {
                what: "--postgres",
                fix: "--postgres-log is the log of that server: give --postgres URL too",
            });
        }
        (plan.postgres, plan.postgres_log) = (self.postgres, self.postgres_log);
        let loads = [
            &plan.get,
            &plan.slow,
            &plan.uploads,
            &plan.downloads,
            &plan.post,
            &plan.event_streams,
            &plan.grpc,
            &plan.grpc_streams,
        ];
        if loads.iter().all(|load| load.is_empty()) && plan.websockets.is_empty() {
            return Err(SettingsError::Missing {
                what: "--get",
                fix: "without a load nothing is tested: name something quick that the target serves, like --get /health",
            });
        }
        plan.h2 = self.h2.unwrap_or(false);
        if plan.h2 && plan.get.is_empty() && plan.slow.is_empty() && plan.event_streams.is_empty() {
            return Err(SettingsError::Missing {
                what: "--get",
                fix: "--h2 needs something to ask, like --get /",
            });
        }
        plan.ready = self
            .ready
            .as_deref()
            .map(|url| endpoint("--ready", url))
            .transpose()?;
        // Who watches readiness has a balancer that does.
        plan.notice = match (self.notice, &plan.ready) {
            (None, None) => None,
            (notice, _) => Some(duration("--notice", notice, NOTICE)?),
        };
        plan.live = self
            .live
            .as_deref()
            .map(|url| endpoint("--live", url))
            .transpose()?;
        plan.tell_grace = self.grace.is_some();
        plan.grace = duration("--grace", self.grace, plan.grace)?;
        if plan.grace.is_zero() {
            return Err(value(
                "--grace",
                "0s".to_owned(),
                "expected more than no time at all, like 30s",
            ));
        }
        // Near by, some faults have a window of microseconds; over a distance, others are hidden by the way there.
        if self.rtt.is_none() {
            plan.more_rtts = vec![FAR];
        }
        plan.rtt = duration("--rtt", self.rtt, plan.rtt)?;
        plan.start_timeout = duration("--start-timeout", self.start_timeout, plan.start_timeout)?;
        if let Some(signal) = self.signal {
            plan.signal = signal
                .parse()
                .map_err(|expected: String| value("--signal", signal, expected))?;
        }
        plan.rounds = self.rounds.unwrap_or(plan.rounds);
        if plan.rounds == 0 {
            return Err(value("--rounds", "0".to_owned(), "expected 1 or more"));
        }
        plan.until = self
            .until
            .map(|until| parse::share("--until", until))
            .transpose()?;
        plan.startup_rounds = self.startup_rounds.unwrap_or(plan.startup_rounds);
        plan.seed = self.seed.unwrap_or(plan.seed);
        let clients = &mut plan.clients;
        clients.keep_alive = self.clients.unwrap_or(clients.keep_alive);
        clients.pooled = self.clients.map_or(clients.pooled, |it| it.div_ceil(2));
        clients.per_request = self.per_request.unwrap_or(clients.per_request);
        clients.slow = self.slow_clients.unwrap_or(clients.slow);
        clients.uploads = self.upload_clients.unwrap_or(clients.uploads);
        clients.downloads = self.stream_clients.unwrap_or(clients.downloads);
        clients.orders = self.post_clients.unwrap_or(clients.orders);
        clients.h2 = self.h2_connections.unwrap_or(clients.h2);
        clients.websockets = self.ws_clients.unwrap_or(clients.websockets);
        clients.event_streams = self.sse_clients.unwrap_or(clients.event_streams);
        clients.grpc = self.grpc_clients.unwrap_or(clients.grpc);
        clients.idle = self.idle.unwrap_or(clients.idle);
        Ok(plan)
    }
}
