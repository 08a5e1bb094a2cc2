//! One life, from `Starting` to `Stopped`.
//!
//! # What must hold
//!
//! 1. Every stage is bounded by the [`budget`](crate::shutdown::budget), counted from the signal.
//! 2. A shutdown that begins before the process is ready closes what there is and ends it, exit 0.
//! 3. Whatever fails, every closer gets its turn.
//! 4. The report names everything that did not finish, and the exit code is 0 only if there is
//!    nothing to name.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tracing::Level;
use tracing::level_filters::LevelFilter;

use super::additions::Additions;
use super::builder::Lifecycle;
use super::dependencies::{self, EndOrder, Names, arranged};
use super::lame_duck;
use super::process;
use super::running_components::RunningComponents;
use super::signal_hooks::spawn_hooks;
use super::started::start_all;
use crate::component::StartError;
use crate::component::announce::{self, systemd};
use crate::component::close::{Closer, close_all};
#[cfg(unix)]
use crate::environment::inherited::InheritedSockets;
use crate::environment::{LameDuck, Window};
use crate::process::{final_report, terminal};
use crate::report::Report;
use crate::report::redact::without_passwords;
use crate::shutdown::exit::Exit;
use crate::shutdown::phase::Phase;
use crate::shutdown::reason::Reason;
use crate::system::signal_set::SIGINT;
use crate::system::sys;
use crate::voice;

/// How long those may be waited for who are told why the process does not start.
const PATIENCE_WITH_REFUSALS: Duration = Duration::from_secs(1);

impl Lifecycle {
    /// Starts everything, waits for the shutdown to begin, and sees it through. The process should
    /// end with the result: return it from `main`.
    ///
    /// What runs on blocking threads (`tokio::task::spawn_blocking`, a read of standard input) then has what is left
    /// of the grace: the runtime waits for it without end (tokio#5338), so the process is ended by force just before
    /// the grace is over, with exit code 124. What was spawned with `tokio::spawn` is dropped where it stands;
    /// [`Handle::spawn`](crate::Handle::spawn) has a task waited for.
    ///
    /// In a test harness the process is left alone once this has returned. A test that wants no signals and no
    /// watchdog takes [`embedded`](Lifecycle::embedded).
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropping the future drops every component where it stands.
    pub async fn run(self) -> Exit {
        self.run_with_report().await.0
    }

    /// The same, with the report of how it went. That of a process that does not start has in
    /// [`failed`](Report::failed) what was wrong. An end by force has no report here, because nobody is there any
    /// more to get it: [`on_report`](Lifecycle::on_report).
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe, as [`run`](Lifecycle::run).
    pub async fn run_with_report(self) -> (Exit, Report) {
        if self.is_forked() {
            refuse_fork();
        }
        let handle = self.handle.clone();
        let report = self.live().await;
        let exit = Exit::from_code(report.exit);
        process::over(&handle, exit);
        (exit, Arc::unwrap_or_clone(report))
    }

    async fn live(mut self) -> Arc<Report> {
        let window = self.window();
        let auto = self.asked_lame_duck() == LameDuck::Auto;
        self.check_signals();
        self.check_names();
        self.check_components();
        let handle = self.handle.clone();
        self.leave_probers_out();
        #[cfg(unix)]
        let sockets = self.inherited();
        let (Some(order), Ok(())) = (self.order(), self.open_probes()) else {
            return self.refuse().await;
        };
        self.tell_missing_probes();
        let (probes, _readiness) = self.complete_probes();
        let mut parts = RunningComponents::default();
        let additions = Additions::of(&handle);
        let mut signal_hooks = JoinSet::new();
        let driver = if handle.reason().is_some() {
            self.driver.drain()
        } else {
            let components = std::mem::take(&mut self.components);
            let listening = components.iter().filter(|it| it.listens());
            let listening = listening.map(|it| it.name().to_owned()).collect();
            let added = additions.open(window.min, listening);
            let started = start_all(
                components,
                order.tie(),
                window.min,
                #[cfg(unix)]
                sockets,
                &handle,
            );
            match started {
                Ok(running) => {
                    parts.spawn_all(running);
                    let driver = self.driver.ready();
                    handle.journal().entered(Phase::Ready);
                    systemd::ready(&handle).await;
                    let hooks = std::mem::take(&mut self.signals);
                    signal_hooks = spawn_hooks(hooks, &handle);
                    parts.until_shutdown(added, &handle).await;

                    let driver = driver.lame_duck();
                    handle.journal().entered(Phase::LameDuck);
                    systemd::stopping(&handle).await;
                    let window = match handle.reason() {
                        Some(Reason::Failed(_)) => Window::NONE,
                        Some(reason) if auto && is_from_somebody_here(reason) => Window::NONE,
                        _ => window,
                    };
                    tokio::join!(
                        lame_duck::over(&handle, window),
                        announce::tell(self.hooks, &handle)
                    );
                    driver.drain()
                }
                Err((name, problem @ StartError::BadConfiguration(_))) => {
                    self.bad.push(format!("{name}: {problem}"));
                    return self.refuse().await;
                }
                Err((name, StartError::Failed(problem))) => {
                    handle.fail(&name, problem);
                    self.driver.drain()
                }
            }
        };

        additions.close();
        handle.journal().entered(Phase::Draining);
        handle.tokens().drain_begins();
        parts.drain(&handle).await;
        drop(signal_hooks);

        let driver = driver.close();
        handle.journal().entered(Phase::Closing);
        close_all(self.closers, handle.budget().close_until(), &handle).await;
        let report = || handle.report("still under way at the end", None);
        let traced = (!self.flushers.is_empty()).then(|| final_report::trace(report(), &handle));
        close_all(self.flushers, handle.budget().flush_until(), &handle).await;

        driver.stop();
        handle.journal().entered(Phase::Stopped);
        let report = Arc::new(report());
        final_report::tell(report.clone(), traced, &handle);
        if let Some(probes) = probes {
            probes.stop().await;
        }
        report
    }

    /// Says why the process does not start, and closes what the application had opened for it.
    async fn refuse(mut self) -> Arc<Report> {
        Additions::of(&self.handle).close();
        let exit = match self.bad[..] {
            [] => Exit::FAILED,
            _ => Exit::BAD_CONFIGURATION,
        };
        let problems = self.bad.iter().chain(&self.failed);
        let problems: Vec<String> = problems
            .map(|it| without_passwords(it).into_owned())
            .collect();
        for problem in &problems {
            final_report::say(problem);
        }
        voice::said_within(PATIENCE_WITH_REFUSALS);
        let handle = &self.handle;
        handle.begin(Reason::Asked("a refusal to start".to_owned()));
        let budget = handle.budget();
        close_all(self.closers, budget.close_until(), handle).await;
        close_all(self.flushers, budget.flush_until(), handle).await;
        let mut report = handle.report("still under way at the end", None);
        for problem in problems {
            report.fails("start-up", problem);
        }
        report.exit = exit.code();
        let report = Arc::new(report);
        final_report::tell_hooks(&report, handle);
        if let Some(probes) = self.probes.port.take() {
            probes.stop().await;
        }
        report
    }

    /// The sockets that the process was started with, and which server gets them.
    #[cfg(unix)]
    fn inherited(&mut self) -> InheritedSockets {
        // Read anew: the application may have taken them itself since. What is wrong with the
        // variables has been told by then.
        let mut sockets = match self.environment.read {
            true => InheritedSockets::from_env().unwrap_or_default(),
            false => InheritedSockets::default(),
        };
        let listens = self.components.iter().filter(|it| it.listens());
        let servers: Vec<&str> = listens.map(|it| it.name()).collect();
        if let Err(e) = sockets.assign(&servers) {
            self.bad.push(e.to_string());
        }
        sockets
    }

    /// Who ends after whom; `None` if what was said of that cannot be.
    fn order(&mut self) -> Option<EndOrder> {
        // What was to come is not there if the start-up was given up.
        if self.handle.is_shutting_down() {
            self.forget_edges_of_missing_parts();
        }
        let names = Names {
            components: self.components.iter().map(|it| it.name()).collect(),
            closers: self.closers.iter().map(Closer::name).collect(),
            flushers: self.flushers.iter().map(Closer::name).collect(),
        };
        match dependencies::end_order(&names, &self.edges) {
            Ok(order) => {
                let closers = std::mem::take(&mut self.closers);
                self.closers = arranged(closers, &order.closers);
                let flushers = std::mem::take(&mut self.flushers);
                self.flushers = arranged(flushers, &order.flushers);
                Some(order)
            }
            Err(bad) => {
                self.bad.extend(bad.iter().map(ToString::to_string));
                None
            }
        }
    }

    fn forget_edges_of_missing_parts(&mut self) {
        let components = self.components.iter().map(|it| it.name());
        let closers = self.closers.iter().chain(&self.flushers).map(Closer::name);
        let known: HashSet<&str> = components.chain(closers).collect();
        let is_known = |it: &str| known.contains(it);
        self.edges
            .retain(|it| is_known(&it.dependent) && is_known(&it.dependency));
    }

    /// What components say of their own settings.
    fn check_components(&mut self) {
        for it in &self.components {
            if let Err(problem) = it.check() {
                self.bad.push(format!("{}: {problem}", it.name()));
            }
        }
    }

    /// Two servers of one name would share an address and an inherited socket.
    fn check_names(&mut self) {
        let listens = self.components.iter().filter(|it| it.listens());
        let mut seen = HashSet::new();
        let names = listens.map(|it| it.name());
        let twice: BTreeSet<&str> = names.filter(|name| !seen.insert(*name)).collect();
        self.bad.extend(twice.iter().map(|name| {
            format!(
                "two servers are called {name}: give each a name of its own, for example {name}-2"
            )
        }));
    }

    fn leave_probers_out(&mut self) {
        let mut probers = std::mem::take(&mut self.probers);
        probers.extend(self.environment.probers.take().unwrap_or_default());
        self.handle.traffic().leave_out(probers);
    }

    fn asked_lame_duck(&self) -> LameDuck {
        self.environment.lame_duck.unwrap_or(self.lame_duck)
    }

    fn window(&mut self) -> Window {
        let asked = self.asked_lame_duck();
        let budget = self.handle.budget();
        let whose = match self.environment.lame_duck {
            Some(_) => "LAMEDUCK_LAME_DUCK: ",
            None => "",
        };
        match asked.window(&budget, self.environment.kubernetes) {
            Ok(window) => {
                if window.max < asked.most() {
                    tell_cut(whose, asked.most(), window.max, budget.grace());
                }
                window
            }
            Err(e) => {
                self.bad.push(format!("{whose}{e}"));
                Window::NONE
            }
        }
    }
}

/// Whether somebody at a terminal wants the process to be gone: nobody is to be sent elsewhere first.
fn is_from_somebody_here(reason: &Reason) -> bool {
    match reason {
        Reason::Key(_) => true,
        Reason::Signal(signal) => *signal == SIGINT && terminal::is_attended(),
        _ => false,
    }
}

/// Ends a fork of the process that began to listen. At once: whatever waits here for a thread, be it the runtime's
/// own, waits for one that the parent has, and no watchdog ends it.
fn refuse_fork() -> ! {
    final_report::say_now(
        "the process was forked after Lifecycle::new(), and its threads stayed behind: it \
         would hear no signal. Make it a daemon before that, for example as the first thing in main, or leave \
         it in the foreground (systemd, containers)",
    );
    sys::exit_now(Exit::BAD_CONFIGURATION.code())
}

/// Says that less time is given to the lame-duck phase than was asked for.
fn tell_cut(whose: &str, asked: Duration, given: Duration, grace: Duration) {
    let text = format!(
        "{whose}a lame-duck phase of at most {} would leave too little of a grace of {} to drain: it is given {}",
        humantime::format_duration(asked),
        humantime::format_duration(grace),
        humantime::format_duration(given)
    );
    if LevelFilter::current() >= Level::WARN {
        voice::event(
            Level::WARN,
            move || tracing::warn!(target: "lameduck", "{text}"),
        );
    } else {
        final_report::say(text);
    }
}
