//! What the environment says. It wins over the builder, because whoever runs a service knows its
//! deadline better than whoever wrote it. A lifecycle that is embedded in somebody else's process asks it nothing,
//! unless it was made so.
//!
//! Builder and environment refuse the same values: each setting has one function that looks at it, which both call.
//!
//! | variable | value |
//! |---|---|
//! | `LAMEDUCK_GRACE` | a duration: `30s`, `1m 30s`, `500ms` |
//! | `LAMEDUCK_LAME_DUCK` | `auto`, `off`, a duration, or `MIN..MAX` |
//! | `LAMEDUCK_ADMIN` | an address for the probes: `0.0.0.0:9090`, `[::]:9090`, `localhost:9090` |
//! | `LAMEDUCK_REPORT` | a file for the shutdown report as JSON |
//! | `LAMEDUCK_DETAILS` | `on` or `off`: whether queries, errors of checks and values in SQL are told |
//! | `LAMEDUCK_REPORT_TEXT` | `on` or `off`: whether the report is written to standard error |
//! | `LAMEDUCK_PROBERS` | who is no traffic: `/up,MyChecker/` |
//! | `LAMEDUCK_SIGNALS` | the signals that begin a shutdown: `TERM,INT,QUIT` |
//! | `LAMEDUCK_WEBSOCKET_WINDOW` | a duration: `8s`, `0s` |

pub mod address;
#[cfg(unix)]
pub(crate) mod inherited;

use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use crate::base::BadConfiguration;
use crate::report::file as report_file;
use crate::shutdown::budget::Budget;
use crate::shutdown::traffic::Probers;
use crate::system::signal_set::SignalSet;

/// A variable with a value that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}={value}: {problem}")]
pub(crate) struct BadVariable {
    name: &'static str,
    value: String,
    problem: String,
}

/// How long a process goes on serving after it has said that it will stop.
///
/// Traffic needs time to move: a load balancer polls readiness, kube-proxy rewrites its rules in
/// batches. The phase ends when no request has come for a second, but not before the minimum and not after
/// the maximum. Health checks do not count ([`Lifecycle::probers`](crate::Lifecycle::probers)), nor connections
/// without a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LameDuck {
    /// 3 s to 10 s under Kubernetes (`KUBERNETES_SERVICE_HOST` is set), off elsewhere. Clipped to
    /// a tenth and a third of the grace where that is less. In a rolling update on Kubernetes new
    /// connections kept coming for 2 s after SIGTERM, however quiet the traffic, so a minimum is
    /// needed beside the quiet.
    #[default]
    Auto,
    /// No such phase: straight to the drain.
    Off,
    /// At least `min`, then until it is quiet, at most `max`. With both the same, a fixed time.
    ///
    /// There is always time left to drain: of a grace of 30 s a `min` of more than 18 s is refused, and a `max` of
    /// more than 12 s is cut to that, or to `min` (of 10 s: 5.25 s and 3.5 s). A cut is told when the process starts.
    Between {
        /// The least.
        min: Duration,
        /// The most.
        max: Duration,
    },
}

impl From<Duration> for LameDuck {
    fn from(fixed: Duration) -> LameDuck {
        LameDuck::Between {
            min: fixed,
            max: fixed,
        }
    }
}

impl From<std::ops::Range<Duration>> for LameDuck {
    fn from(range: std::ops::Range<Duration>) -> LameDuck {
        LameDuck::Between {
            min: range.start,
            max: range.end,
        }
    }
}

/// What is no lame-duck phase.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadLameDuck {
    /// Not a form of it.
    #[error("{0}; expected auto, off, a duration or a range, for example 2s..10s")]
    NotUnderstood(String),
    /// A range that is empty.
    #[error(
        "the minimum, {}, is more than the maximum, {}; give the lesser first, for example 2s..10s",
        humantime::format_duration(*.min),
        humantime::format_duration(*.max)
    )]
    MinimumAboveMaximum {
        /// The least.
        min: Duration,
        /// The most.
        max: Duration,
    },
}

impl FromStr for LameDuck {
    type Err = BadLameDuck;

    fn from_str(s: &str) -> Result<LameDuck, BadLameDuck> {
        let duration = |s: &str| {
            humantime::parse_duration(s.trim())
                .map_err(|e| BadLameDuck::NotUnderstood(e.to_string()))
        };
        let it = match s.trim() {
            "auto" => LameDuck::Auto,
            "off" => LameDuck::Off,
            s => match s.split_once("..") {
                Some((min, max)) => LameDuck::from(duration(min)?..duration(max)?),
                None => LameDuck::from(duration(s)?),
            },
        };
        it.check()?;
        Ok(it)
    }
}

impl LameDuck {
    /// Whether it can be, whoever asks for it.
    pub(crate) fn check(self) -> Result<(), BadLameDuck> {
        match self {
            LameDuck::Between { min, max } if min > max => {
                Err(BadLameDuck::MinimumAboveMaximum { min, max })
            }
            _ => Ok(()),
        }
    }
}

/// The lame-duck phase as it will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub min: Duration,
    pub max: Duration,
}

impl Window {
    pub(crate) const NONE: Window = Window {
        min: Duration::ZERO,
        max: Duration::ZERO,
    };
}

/// A lame-duck phase that leaves no time to drain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a lame-duck phase of at least {} does not fit into a grace of {}: at most {} can be given to it",
    humantime::format_duration(*.min),
    humantime::format_duration(*.grace),
    humantime::format_duration(*.most)
)]
pub(crate) struct TooLong {
    min: Duration,
    grace: Duration,
    most: Duration,
}

impl LameDuck {
    /// How long it will be. Less than was asked for if that left too little time to drain.
    pub(crate) fn window(self, budget: &Budget, kubernetes: bool) -> Result<Window, TooLong> {
        let (min, max) = match self {
            LameDuck::Off => (Duration::ZERO, Duration::ZERO),
            LameDuck::Auto if kubernetes => (
                Duration::from_secs(3).min(budget.grace() / 10),
                Duration::from_secs(10).min(budget.grace() / 3),
            ),
            LameDuck::Auto => (Duration::ZERO, Duration::ZERO),
            LameDuck::Between { min, max } => (min, max),
        };
        let most = budget.lame_duck_until();
        if min > most {
            let grace = budget.grace();
            return Err(TooLong { min, grace, most });
        }
        Ok(Window {
            min,
            max: max.min(budget.quiet_awaited_until()).max(min),
        })
    }

    /// The most that was asked for.
    pub(crate) fn most(self) -> Duration {
        match self {
            LameDuck::Between { max, .. } => max,
            LameDuck::Auto | LameDuck::Off => Duration::ZERO,
        }
    }
}

/// Everything the environment may set.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// Whether it was asked.
    pub read: bool,
    pub grace: Option<Budget>,
    pub lame_duck: Option<LameDuck>,
    pub signals: Option<SignalSet>,
    pub probers: Option<Probers>,
    pub admin: Option<String>,
    pub report_text: Option<bool>,
    pub details: Option<bool>,
    pub kubernetes: bool,
}

impl Environment {
    pub(crate) fn read() -> (Environment, Vec<BadVariable>) {
        Environment::parse(|name| std::env::var_os(name).map(|v| v.to_string_lossy().into_owned()))
    }

    pub(crate) fn parse(var: impl Fn(&str) -> Option<String>) -> (Environment, Vec<BadVariable>) {
        let mut bad = Vec::new();
        fn one<T, E: Display>(
            var: impl Fn(&str) -> Option<String>,
            bad: &mut Vec<BadVariable>,
            name: &'static str,
            parse: impl Fn(&str) -> Result<T, E>,
        ) -> Option<T> {
            // A variable set to nothing is a variable not set, as everywhere in a shell.
            let value = var(name).filter(|v| !v.trim().is_empty())?;
            match parse(value.trim()) {
                Ok(it) => Some(it),
                Err(e) => {
                    let problem = e.to_string();
                    bad.push(BadVariable {
                        name,
                        value,
                        problem,
                    });
                    None
                }
            }
        }
        // Only looked at: it is read again when there is something to write.
        one(&var, &mut bad, "LAMEDUCK_REPORT", |s| {
            report_file::check(Path::new(s))
        });
        // Only looked at, like the report's: it is for WebSockets, which are none of ours.
        one(&var, &mut bad, "LAMEDUCK_WEBSOCKET_WINDOW", |s| {
            humantime::parse_duration(s)
                .map_err(|e| format!("{e}; expected a duration, for example 8s"))
        });
        let environment = Environment {
            read: true,
            grace: one(&var, &mut bad, "LAMEDUCK_GRACE", parse_grace),
            lame_duck: one(&var, &mut bad, "LAMEDUCK_LAME_DUCK", LameDuck::from_str),
            admin: one(&var, &mut bad, "LAMEDUCK_ADMIN", |s| {
                address::check(s).map(|()| s.to_owned())
            }),
            report_text: one(&var, &mut bad, "LAMEDUCK_REPORT_TEXT", on_or_off),
            details: one(&var, &mut bad, "LAMEDUCK_DETAILS", on_or_off),
            probers: one(&var, &mut bad, "LAMEDUCK_PROBERS", Probers::from_str),
            signals: one(&var, &mut bad, "LAMEDUCK_SIGNALS", SignalSet::parse),
            kubernetes: var("KUBERNETES_SERVICE_HOST").is_some(),
        };
        (environment, bad)
    }
}

fn on_or_off(s: &str) -> Result<bool, BadConfiguration> {
    match s {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(BadConfiguration::new("expected on or off")),
    }
}

fn parse_grace(s: &str) -> Result<Budget, BadConfiguration> {
    let bad = |e: String| BadConfiguration::new(e);
    let grace = humantime::parse_duration(s)
        .map_err(|e| bad(format!("{e}; expected a duration, for example 30s")))?;
    Budget::new(grace).map_err(|e| bad(e.to_string()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn parse(pairs: &[(&str, &str)]) -> (Environment, Vec<String>) {
        let (environment, bad) = Environment::parse(|name| {
            pairs
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        });
        (environment, bad.iter().map(ToString::to_string).collect())
    }

    const fn s(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn every_form_of_the_lame_duck_is_understood() {
        assert_eq!("auto".parse(), Ok(LameDuck::Auto));
        assert_eq!("off".parse(), Ok(LameDuck::Off));
        assert_eq!("5s".parse(), Ok(LameDuck::from(s(5))));
        assert_eq!("2s..10s".parse(), Ok(LameDuck::from(s(2)..s(10))));
        assert!("10s..2s".parse::<LameDuck>().is_err());
    }

    #[test]
    fn auto_means_three_to_ten_seconds_under_kubernetes_and_off_elsewhere() {
        let budget = Budget::default();
        let window = |kubernetes| LameDuck::Auto.window(&budget, kubernetes).unwrap();
        assert_eq!(
            window(true),
            Window {
                min: s(3),
                max: s(10)
            }
        );
        assert_eq!(
            window(false),
            Window {
                min: s(0),
                max: s(0)
            }
        );
    }

    #[test]
    fn a_lame_duck_longer_than_the_drain_is_refused() {
        let error = LameDuck::from(s(30))
            .window(&Budget::default(), false)
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("does not fit into a grace of 30s"),
            "{error}"
        );
    }

    #[test]
    fn every_lame_duck_leaves_time_to_drain_whatever_the_grace() {
        let mut grace = crate::shutdown::budget::LEAST_GRACE;
        while grace <= s(3600) {
            let budget = Budget::new(grace).unwrap();
            for asked in [s(0)..s(86_400), grace / 4..grace, grace / 2..grace / 2] {
                let window = LameDuck::from(asked).window(&budget, true);
                let max = window.map_or(Duration::ZERO, |it| it.max);
                let left = budget.drain_until() - max;
                assert!(left >= budget.drain_until() / 4, "{grace:?}: {max:?}");
            }
            grace = grace * 11 / 10;
        }
        let of_10_s = LameDuck::from(s(2)..s(10)).window(&Budget::new(s(10)).unwrap(), false);
        let max = Duration::from_millis(3500);
        assert_eq!(of_10_s.unwrap(), Window { min: s(2), max });
    }

    #[test]
    fn a_bad_value_is_refused_by_variable_value_and_example() {
        let (_, bad) = parse(&[("LAMEDUCK_GRACE", "soon"), ("LAMEDUCK_LAME_DUCK", "2..10")]);
        assert_eq!(bad.len(), 2);
        assert!(
            bad[0].starts_with("LAMEDUCK_GRACE=soon: ") && bad[0].contains("30s"),
            "{}",
            bad[0]
        );
        assert!(bad[1].starts_with("LAMEDUCK_LAME_DUCK=2..10: ") && bad[1].contains("2s..10s"));
        let (_, bad) = parse(&[("LAMEDUCK_ADMIN", "9090")]);
        assert_eq!(
            bad,
            ["LAMEDUCK_ADMIN=9090: expected ADDRESS:PORT, for example 0.0.0.0:9090"]
        );
        let (_, bad) = parse(&[("LAMEDUCK_WEBSOCKET_WINDOW", "8")]);
        assert!(
            bad[0].starts_with("LAMEDUCK_WEBSOCKET_WINDOW=8: ") && bad[0].contains("8s"),
            "{}",
            bad[0]
        );
        let (_, bad) = parse(&[("LAMEDUCK_REPORT", "/no/such/folder/r.json")]);
        assert!(
            bad[0].starts_with("LAMEDUCK_REPORT=/no/such/folder/r.json: "),
            "{}",
            bad[0]
        );
    }

    #[test]
    fn an_empty_variable_is_no_variable() {
        let (environment, bad) = parse(&[("LAMEDUCK_GRACE", ""), ("LAMEDUCK_ADMIN", " ")]);
        assert!(bad.is_empty() && environment.grace.is_none() && environment.admin.is_none());
    }
}
