//! How and how often the target is stopped.

use std::time::Duration;

use super::SettingsError;
use super::layer::options;
use super::parse::{self, duration, value};
use crate::plan::Plan;

/// The second round trip, where none was set.
const FAR: Duration = Duration::from_millis(40);

/// What Kubernetes needs to take a pod out of its endpoints everywhere.
const NOTICE: Duration = Duration::from_secs(3);

/// Less has no room for a shutdown under load.
const LEAST_BUDGET: Duration = Duration::from_secs(10);
/// The grace of a run that has a budget, at most: what `docker stop` allows.
const SHORT_GRACE: Duration = Duration::from_secs(10);

options! {
    /// How and how often the target is stopped.
    #[heading("Shutdown")]
    pub struct ShutdownOptions {
        /// What the target has from signal to end; when given, told to it as LAMEDUCK_GRACE [default: 30s]
        #[arg(long, value_name = "TIME")]
        pub grace: Option<String>,
        /// The signal: TERM, INT, QUIT, HUP, USR1, USR2 or WINCH [default: TERM, or what --preset says]
        #[arg(long, value_name = "NAME")]
        pub signal: Option<String>,
        /// The signal and the exit codes of a server that people run, like nginx; `list` shows them all
        #[arg(long, value_name = "NAME")]
        pub preset: Option<String>,
        /// How long balancers and DNS may still send to the target after the signal: until then it must turn nobody
        /// away; 0s for no such demand [default: 3s with --ready, else none]
        #[arg(long, value_name = "TIME")]
        pub notice: Option<String>,
        /// Put a round trip between clients and target, like 40ms; 0ms for the loopback alone [default: none, then
        /// 40ms]
        #[arg(long, value_name = "TIME")]
        pub rtt: Option<String>,
        /// Shutdowns under load, for each round trip [default: 3]
        #[arg(long, value_name = "N")]
        pub rounds: Option<u32>,
        /// Rule out that more than this share of shutdowns has a loss, like 1%: as many shutdowns as that takes (299),
        /// or until one has a loss
        #[arg(long, value_name = "PERCENT")]
        pub until: Option<String>,
        /// What the whole run may take, like 60s: what has no room in it is left out, and told. Then --grace is a sixth of
        /// it, at most 10s, if it is not set
        #[arg(long, value_name = "TIME")]
        pub budget: Option<String>,
        /// Shutdowns during start-up, 0 for none [default: 5]
        #[arg(long, value_name = "N")]
        pub startup_rounds: Option<u32>,
        /// Makes think times and the moment of the signal the same again [default: 1]
        #[arg(long, value_name = "N")]
        pub seed: Option<u64>,
        /// How long the target may take to be ready [default: 30s]
        #[arg(long, value_name = "TIME")]
        pub start_timeout: Option<String>,
    }
}

impl ShutdownOptions {
    pub(super) fn plan(self, plan: &mut Plan) -> Result<(), SettingsError> {
        // Who watches readiness has a balancer that does.
        plan.notice = match (self.notice, &plan.ready) {
            (None, None) => None,
            (notice, _) => Some(duration("--notice", notice, NOTICE)?),
        };
        let budget = self.budget.is_some();
        plan.budget = match budget {
            true => Some(duration("--budget", self.budget, Duration::ZERO)?),
            false => None,
        };
        if let Some(budget) = plan.budget {
            if budget < LEAST_BUDGET {
                let given = humantime::format_duration(budget).to_string();
                return Err(value("--budget", given, "expected 10s or more, like 60s"));
            }
            plan.grace = (budget / 6).min(SHORT_GRACE);
        }
        plan.tell_grace = self.grace.is_some() || plan.budget.is_some();
        plan.grace = duration("--grace", self.grace, plan.grace)?;
        if plan.grace.is_zero() {
            return Err(value(
                "--grace",
                "0s".to_owned(),
                "expected more than no time at all, like 30s",
            ));
        }
        // Near by, some faults have a window of microseconds; over a distance, others are hidden by the way there.
        // What is tried once is tried where more is exposed; a deploy is seen as it is.
        match (&self.rtt, &plan.trigger, plan.pid) {
            (Some(_), ..) | (None, Some(_), _) => {}
            (None, None, Some(_)) => plan.rtt = FAR,
            (None, None, None) => plan.more_rtts = vec![FAR],
        }
        plan.rtt = duration("--rtt", self.rtt, plan.rtt)?;
        plan.start_timeout = duration("--start-timeout", self.start_timeout, plan.start_timeout)?;
        if let (Some(_), Some(rounds @ 2..)) = (plan.pid, self.rounds) {
            let expected = "a process that runs already can be stopped once: give its command after `--` instead";
            return Err(value("--rounds", rounds.to_string(), expected));
        }
        if let Some(signal) = self.signal {
            plan.signal = signal
                .parse()
                .map_err(|expected: String| value("--signal", signal, expected))?;
        }
        let once = plan.trigger.is_some() || plan.pid.is_some();
        plan.rounds = self.rounds.unwrap_or(if once { 1 } else { plan.rounds });
        if plan.rounds == 0 {
            return Err(value("--rounds", "0".to_owned(), "expected 1 or more"));
        }
        let until = self.until.map(|until| parse::share("--until", until));
        plan.until = until.transpose()?;
        plan.startup_rounds = self.startup_rounds.unwrap_or(plan.startup_rounds);
        plan.seed = self.seed.unwrap_or(plan.seed);
        Ok(())
    }
}
