//! What there is to run, and how: the builder.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::dependencies::Edge;
use super::signal_hooks::SignalPlan;
use super::task::Task;
use crate::base::BoxError;
use crate::component::Component;
use crate::component::admin_port::{AdminPort, OpenAdminPort};
use crate::component::announce::{self, Announce, Announcement};
use crate::component::close::{Close, Closer};
#[cfg(unix)]
use crate::environment::inherited::InheritedSockets;
use crate::environment::{Environment, LameDuck};
use crate::handle::Handle;
use crate::readiness::{Check, Readiness};
use crate::report::{Report, details};
use crate::shutdown::budget::Budget;
use crate::shutdown::phase::{Driver, at};
use crate::shutdown::traffic::Probers;
use crate::voice;

/// The life of a process: what it starts, how it stops.
///
/// Make it first thing in `main`: from then on a SIGTERM is remembered and honoured instead of
/// killing the process half way through its start.
///
/// ```no_run
/// # use lameduck_core::Lifecycle;
/// # async fn connect() -> Result<(), std::io::Error> { Ok(()) }
/// #[tokio::main]
/// async fn main() -> lameduck_core::Exit {
///     Lifecycle::new()
///         .task("cache", |handle| async move {
///             handle.until_lame_duck().await; // refresh it until the shutdown begins
///             Ok::<_, std::io::Error>(())
///         })
///         .close_with("cache file", || async { std::fs::remove_file("cache") })
///         .run()
///         .await
/// }
/// ```
#[must_use = "a lifecycle does nothing until it is run: `.run().await`"]
pub struct Lifecycle {
    pub(super) handle: Handle,
    pub(super) driver: Driver<at::StartingPhase>,
    pub(super) signals: SignalPlan,
    pub(super) environment: Environment,
    /// What was wrong with the environment or the builder's arguments.
    pub(super) bad: Vec<String>,
    /// What the system refused.
    pub(super) failed: Option<String>,
    pub(super) lame_duck: LameDuck,
    /// Who is no traffic.
    pub(super) probers: Probers,
    pub(super) components: Vec<Box<dyn Component>>,
    pub(super) hooks: Vec<Announcement>,
    pub(super) closers: Vec<Closer>,
    pub(super) flushers: Vec<Closer>,
    pub(super) edges: Vec<Edge>,
    pub(super) probes: ProbePlan,
}

/// The probes' port, and what it will answer.
#[derive(Default)]
pub(super) struct ProbePlan {
    pub(super) plan: Option<Box<dyn AdminPort>>,
    /// Once it answers.
    pub(super) port: Option<Box<dyn OpenAdminPort>>,
    pub(super) readiness: Option<Arc<Readiness>>,
    pub(super) checks: Vec<Check>,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Lifecycle::new()
    }
}

impl std::fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let components: Vec<&str> = self.components.iter().map(|c| c.name()).collect();
        f.debug_struct("Lifecycle")
            .field("handle", &self.handle)
            .field("components", &components)
            .finish_non_exhaustive()
    }
}

impl Lifecycle {
    /// A lifecycle that owns the process: it listens to signals from now on, and a watchdog ends
    /// the process before the grace is over. Anything that goes wrong here is told by
    /// [`run`](Lifecycle::run).
    ///
    /// Both are threads, and a `fork` has none of its parent's: a program that makes itself a daemon does so
    /// before this call. [`run`](Lifecycle::run) in a fork says so, and ends it with exit code 2.
    pub fn new() -> Lifecycle {
        let mut it = Lifecycle::embedded_with_env();
        if let Err(e) = it.own_the_process() {
            it.failed = Some(no_thread(&e));
        }
        it
    }

    /// A lifecycle inside a process that somebody else owns, such as a test: no signals, no
    /// watchdog, never an end by force. [`Handle::shutdown`] ends it.
    ///
    /// What its environment says is meant for the process, so it is not looked at: no `LAMEDUCK_…`, no `LISTEN_FDS`, no
    /// `NOTIFY_SOCKET`, and [`LameDuck::Auto`] is off wherever it runs.
    /// [`embedded_with_env`](Lifecycle::embedded_with_env) does look.
    pub fn embedded() -> Lifecycle {
        Lifecycle::made_by(Environment::default(), Vec::new())
    }

    /// The same, but the environment wins over the code, as it does in [`new`](Lifecycle::new): for a program
    /// that handles signals by itself and is configured like any other service.
    pub fn embedded_with_env() -> Lifecycle {
        let (environment, bad) = Environment::read();
        #[cfg_attr(not(unix), expect(unused_mut))]
        let mut bad: Vec<_> = bad.iter().map(ToString::to_string).collect();
        #[cfg(unix)]
        bad.extend(InheritedSockets::from_env().err().map(|e| e.to_string()));
        Lifecycle::made_by(environment, bad)
    }

    fn made_by(environment: Environment, bad: Vec<String>) -> Lifecycle {
        let driver = Driver::new();
        let handle = Handle::new(driver.phases());
        handle.set_reads_environment(environment.read);
        if let Some(budget) = environment.grace {
            handle.set_budget(budget);
        }
        // Not switched off by who says nothing: it is one setting for the process.
        if let Some(on) = environment.details {
            details::tell(on);
        }
        handle.set_tells_in_lines(environment.report_text.unwrap_or(true));
        Lifecycle {
            handle,
            driver,
            signals: SignalPlan::default(),
            bad,
            failed: voice::start().err().map(|e| no_thread(&e)),
            environment,
            lame_duck: LameDuck::Auto,
            probers: Probers::default(),
            components: Vec::new(),
            hooks: Vec::new(),
            closers: Vec::new(),
            flushers: Vec::new(),
            edges: Vec::new(),
            probes: ProbePlan::default(),
        }
    }

    /// The handle, to be given to whatever wants to know about the shutdown.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// The time from the signal to the end of the process. Default: 30 s; at least 500 ms, at
    /// most a day. `LAMEDUCK_GRACE` wins.
    pub fn grace(mut self, grace: Duration) -> Self {
        match Budget::new(grace) {
            Ok(budget) if self.environment.grace.is_none() => self.handle.set_budget(budget),
            Ok(_) => {}
            Err(e) => self.bad.push(e.to_string()),
        }
        self
    }

    /// How long to go on serving after the signal. Default: [`LameDuck::Auto`]; a `Duration` or
    /// a range of them will do. `LAMEDUCK_LAME_DUCK` wins. A range that is empty, or longer than what the grace has
    /// room for, is bad configuration.
    pub fn lame_duck(mut self, lame_duck: impl Into<LameDuck>) -> Self {
        self.lame_duck = lame_duck.into();
        if let Err(e) = self.lame_duck.check() {
            self.bad.push(format!("lame_duck: {e}"));
        }
        self
    }

    /// Whether the report is written to standard error as text. Default: yes. Where logs are JSON, the event of the
    /// report says the same. `LAMEDUCK_REPORT_TEXT=on|off` wins.
    pub fn report_text(self, on: bool) -> Self {
        if self.environment.report_text.is_none() {
            self.handle.set_tells_in_lines(on);
        }
        self
    }

    /// Whether what may hold secrets is told in the report, on `/status`, by `/readyz?verbose` and in events: the
    /// queries of requests (`GET /reset?token=…`), the errors of readiness checks, and the values in the SQL of a
    /// session that a pool waits for. Default: no; a request is called by its path, of a check it is told that it
    /// failed, and a value is a `?`. One setting for the process. `LAMEDUCK_DETAILS=on|off` wins.
    ///
    /// Passwords in addresses (`postgres://user:password@host`) are never told. What the application itself says
    /// in a panic or names by [`Handle::track`] is told as it is.
    pub fn details(self, on: bool) -> Self {
        if self.environment.details.is_none() {
            details::tell(on);
        }
        self
    }

    /// Who is no traffic, and so does not make a lame-duck phase longer that waits for quiet: paths, which
    /// begin with `/`, and what stands in user agents. Known anyhow: the checkers of Kubernetes, Google Cloud,
    /// AWS, Azure, Cloudflare, Envoy, HAProxy, Consul and Prometheus, some services that watch sites, and the paths
    /// `/health`, `/healthz`, `/livez`, `/readyz`, `/startupz`, `/-/healthy`, `/-/ready` and gRPC's health
    /// service. `LAMEDUCK_PROBERS=/up,MyChecker/` adds more.
    ///
    /// ```no_run
    /// # use lameduck_core::Lifecycle;
    /// let life = Lifecycle::new().probers(["/up", "MyChecker/"]);
    /// ```
    pub fn probers<S: AsRef<str>>(mut self, probers: impl IntoIterator<Item = S>) -> Self {
        for it in probers {
            if let Err(problem) = self.probers.add(it.as_ref()) {
                self.bad.push(format!("probers: {problem}"));
            }
        }
        self
    }

    /// Runs a part of the process: a server, a job worker, whatever implements [`Component`].
    pub fn component(mut self, component: impl Component) -> Self {
        self.components.push(Box::new(component));
        self
    }

    /// Runs a task in the background. It should end soon after [`Handle::until_lame_duck`]; the drain
    /// waits for it. One that ends early with `Ok` is done; an error or a panic is a failure, and
    /// shuts the process down with exit code 1.
    pub fn task<F, E>(
        mut self,
        name: impl Into<String>,
        task: impl FnOnce(Handle) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.components.push(Box::new(Task::new(name.into(), task)));
        self
    }

    /// Tells a load balancer or registry that this process is going. Runs at the start of the
    /// lame-duck phase beside all others, for at most [`Announce::timeout`].
    pub fn announce(mut self, name: impl Into<String>, it: impl Announce) -> Self {
        let name = name.into();
        self.check_bound("announce", &name, it.timeout());
        self.hooks.push(Announcement::new(name, it));
        self
    }

    /// The same by a closure, for at most 2 s.
    pub fn announce_with<F, E>(
        self,
        name: impl Into<String>,
        announce: impl FnOnce() -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.announce_within(name, announce::DEFAULT_TIMEOUT, announce)
    }

    /// The same with a bound of your own. The phase does not end before the hook has, so the most
    /// it can cost is `timeout` of the time for draining.
    pub fn announce_within<F, E>(
        mut self,
        name: impl Into<String>,
        timeout: Duration,
        announce: impl FnOnce() -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let name = name.into();
        self.check_bound("announce", &name, timeout);
        self.hooks.push(Announcement::with(name, timeout, announce));
        self
    }

    /// Closes a pool or client once everything in flight has ended. Closers run in the order in
    /// which they are named here unless [`depends_on`](Lifecycle::depends_on) says otherwise, each within a
    /// fair share of the time left, and at most the reserve for closing ([`Budget::reserve`]: 5 s of 30 s).
    pub fn close(mut self, name: impl Into<String>, it: impl Close) -> Self {
        self.closers.push(Closer::new(name.into(), it));
        self
    }

    /// Closes something by a closure, in its place among the closers.
    pub fn close_with<F, E>(
        mut self,
        name: impl Into<String>,
        close: impl FnOnce() -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.closers.push(Closer::with(name.into(), close));
        self
    }

    /// Flushes telemetry, such as a log or the provider of traces: after all closers, in the order
    /// in which flushers are named, with a reserve of its own that no closer can use up (a fifth of
    /// [`Budget::reserve`]: 1 s of 30 s). The report goes out as an event just before, so that it is
    /// in what is flushed.
    pub fn flush(mut self, name: impl Into<String>, it: impl Close) -> Self {
        self.flushers.push(Closer::new(name.into(), it));
        self
    }

    /// Flushes something by a closure, in its place among the flushers.
    pub fn flush_with<F, E>(
        mut self,
        name: impl Into<String>,
        flush: impl FnOnce() -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.flushers.push(Closer::with(name.into(), flush));
        self
    }

    /// Says that `dependent` uses `dependency`, both by name: `dependency` then ends, or is closed,
    /// after `dependent` has ended. Only needed where the order of things does not say so already: closers run after all
    /// components, flushers after all closers, and within their stage in the order in which they
    /// are named.
    ///
    /// So it is for components that need each other, and for closers that are named too early:
    ///
    /// ```no_run
    /// # use lameduck_core::Lifecycle;
    /// # type Never = Result<(), std::io::Error>;
    /// # async fn start() -> lameduck_core::Exit {
    /// Lifecycle::new()
    ///     .task("importer", |handle| async move {
    ///         handle.until_lame_duck().await; // until then it feeds the relay
    ///         Never::Ok(())
    ///     })
    ///     .task("relay", |handle| async move {
    ///         handle.until_unused().await; // and not `lame_duck`: the importer has ended as well
    ///         Never::Ok(())
    ///     })
    ///     .close_with("database", || async { Never::Ok(()) })
    ///     .close_with("cache", || async { Never::Ok(()) }) // writes back to the database
    ///     .depends_on("importer", "relay")
    ///     .depends_on("cache", "database")
    ///     .run()
    ///     .await
    /// # }
    /// ```
    ///
    /// A component that is used should stop at [`Handle::until_unused`] instead of
    /// [`Handle::until_lame_duck`]; servers do. Until then the others are served as before. Job workers
    /// stop taking jobs when the shutdown begins, whoever uses them: what is enqueued after that
    /// waits in its queue. If the users have not ended when the time for draining is over,
    /// everybody is let go at the same time.
    ///
    /// A name that nobody has or that two have, a circle, and a closer or flusher that uses what is
    /// gone before it are bad configuration: [`run`](Lifecycle::run) says so before anything is
    /// started, and ends with exit code 2.
    pub fn depends_on(
        mut self,
        dependent: impl Into<String>,
        dependency: impl Into<String>,
    ) -> Self {
        self.edges.push(Edge {
            dependent: dependent.into(),
            dependency: dependency.into(),
        });
        self
    }

    /// Answers probes, from a thread of its own. `LAMEDUCK_ADMIN` says where, if it is set.
    pub fn probes(mut self, probes: impl AdminPort) -> Self {
        self.probes.plan = Some(Box::new(probes));
        self
    }

    /// A readiness check on something the process depends on, for at most 1 s each time: while it
    /// fails, `/readyz` fails, and the health service of gRPC says `NOT_SERVING`.
    pub fn check<F, E>(
        self,
        name: impl Into<String>,
        check: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.check_within(name, Duration::from_secs(1), check)
    }

    /// The same with a bound of your own.
    pub fn check_within<F, E>(
        mut self,
        name: impl Into<String>,
        timeout: Duration,
        check: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let check = move || {
            let checked = check();
            async move { checked.await.map_err(Into::into) }
        };
        let name = name.into();
        self.check_bound("check", &name, timeout);
        self.probes.checks.push(Check::new(name, timeout, check));
        self
    }

    /// What may take no time at all cannot succeed.
    fn check_bound(&mut self, what: &str, name: &str, bound: Duration) {
        if bound.is_zero() {
            let problem = "a bound of 0s leaves it no time: give more, for example 1s";
            self.bad.push(format!("{what} {name}: {problem}"));
        }
    }

    /// Calls `hook` with the report at the end: to send it to where a team looks, to keep it beside others of its kind.
    /// For a copy at the end of `main` there is [`run_with_report`](Lifecycle::run_with_report), which says nothing of an
    /// end by force.
    ///
    /// ```no_run
    /// # use lameduck_core::Lifecycle;
    /// let life = Lifecycle::new().on_report(|report| {
    ///     let _ = std::fs::write("/var/lib/shop/last-report.json", report.to_json());
    /// });
    /// ```
    ///
    /// It cannot hold up the end of the process. It runs on a thread of its own, from now on there, beside all else that
    /// is told: it may block, and is waited for as long as the report is, which is 300 ms, or up to 1 s where
    /// there is time; at an end by force 300 ms, less if the grace is under 6 s. A panic ends the call and
    /// nothing else. Should something still keep a process that has told its report until the grace is over,
    /// the hook is called once more, with a report that is `forced`.
    pub fn on_report(mut self, hook: impl Fn(&Report) + Send + Sync + 'static) -> Self {
        if let Err(e) = self.handle.report_hooks().add(hook) {
            self.failed = Some(no_thread(&e));
        }
        self
    }
}

/// Says that the system has no thread for us.
fn no_thread(error: &std::io::Error) -> String {
    format!(
        "cannot start a thread: {error}; is the number of threads limited too far (RLIMIT_NPROC, the pids limit \
         of the container)?"
    )
}
