//! One life, from `Starting` to `Stopped`.
//!
//! # What must hold
//!
//! 1. Every stage is bounded by the [`budget`](crate::budget), counted from the signal.
//! 2. A shutdown that begins before the process is ready closes what there is and ends it, exit 0.
//! 3. Whatever fails, every closer gets its turn.
//! 4. The report names everything that did not finish, and the exit code is 0 only if there is
//!    nothing to name.

use std::collections::HashMap;
use std::net::TcpListener;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};

use super::builder::{Lifecycle, ProbePlan};
use super::component::{BoxError, Component, Running, Start, StartError};
use super::lame_duck;
use crate::announce;
use crate::close::close_all;
use crate::config::Window;
use crate::exit::Exit;
use crate::handle::{Handle, Reason};
use crate::http::REQUEST;
use crate::inflight::Entry;
#[cfg(unix)]
use crate::inherited::Sockets;
use crate::lastwords;
use crate::phase::Phase;
use crate::probe::{self, Probes};
use crate::report::panic_text;
use crate::signal::SIGINT;

impl Lifecycle {
    /// Starts everything, waits for the shutdown to begin, and sees it through. The process should
    /// end with the result: return it from `main`.
    ///
    /// Unless the lifecycle is [`embedded`](Lifecycle::embedded), the process is ended by force one
    /// second after this returns, because `main` waits for ever for a blocking thread of the
    /// runtime that does not return (tokio#5338).
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropping the future drops every component where it stands.
    pub async fn run(mut self) -> Exit {
        let window = self.window();
        let admin = self.admin();
        if let Some(Err(e)) = &admin {
            self.bad.push(e.clone());
        }
        if !self.bad.is_empty() {
            for problem in &self.bad {
                lastwords::say(&format!("lameduck: {problem}\n"));
            }
            return Exit::BAD_CONFIGURATION;
        }
        if let Some(problem) = &self.failed {
            lastwords::say(&format!("lameduck: {problem}\n"));
            return Exit::FAILED;
        }
        let probes = match start_probes(admin.and_then(Result::ok), self.probes, &self.handle) {
            Ok(probes) => probes,
            Err(problem) => {
                lastwords::say(&format!("lameduck: {problem}\n"));
                return Exit::FAILED;
            }
        };
        let handle = self.handle;
        let mut parts = Parts::default();

        let driver = if handle.reason().is_some() {
            self.driver.drain()
        } else {
            match start_all(self.components, window.min, &handle) {
                Ok(running) => {
                    for (name, running) in running {
                        parts.spawn(name, running);
                    }
                    let driver = self.driver.ready();
                    handle.journal().entered(Phase::Ready);
                    parts.until_shutdown(&handle).await;

                    let driver = driver.lame_duck();
                    handle.journal().entered(Phase::LameDuck);
                    let window = match handle.reason() {
                        Some(Reason::Signal(SIGINT) | Reason::Failed(_)) => Window::NONE,
                        _ => window,
                    };
                    tokio::join!(
                        lame_duck::over(&handle, window),
                        announce::tell(self.hooks, &handle)
                    );
                    driver.drain()
                }
                Err((name, StartError::BadConfiguration(problem))) => {
                    lastwords::say(&format!("lameduck: {name}: {problem}\n"));
                    return Exit::BAD_CONFIGURATION;
                }
                Err((name, StartError::Failed(problem))) => {
                    handle.begin(Reason::Failed(name.clone()));
                    handle.journal().failed(name, problem);
                    self.driver.drain()
                }
            }
        };

        handle.journal().entered(Phase::Draining);
        parts.drain(&handle).await;

        let driver = driver.close();
        handle.journal().entered(Phase::Closing);
        let budget = handle.budget();
        close_all(self.closers, budget.close_until(), &handle).await;
        close_all(self.flushers, budget.flush_until(), &handle).await;

        driver.stop();
        handle.journal().entered(Phase::Stopped);
        let report = handle.report("still under way at the end", None);
        lastwords::speak(&report);
        if let Some(probes) = probes {
            probes.stop().await;
        }
        if let Some(watchdog) = self.watchdog {
            watchdog.over(report.exit);
        }
        Exit::from_code(report.exit)
    }

    fn window(&mut self) -> Window {
        let asked = self.environment.lame_duck.unwrap_or(self.lame_duck);
        let budget = self.handle.budget();
        asked
            .window(&budget, self.environment.kubernetes)
            .unwrap_or_else(|e| {
                self.bad.push(match self.environment.lame_duck {
                    Some(_) => format!("LAMEDUCK_LAME_DUCK: {e}"),
                    None => e.to_string(),
                });
                Window::NONE
            })
    }
}

impl Window {
    const NONE: Window = Window {
        min: Duration::ZERO,
        max: Duration::ZERO,
    };
}

fn start_probes(
    addr: Option<std::net::SocketAddr>,
    plan: ProbePlan,
    handle: &Handle,
) -> Result<Option<Probes>, String> {
    let Some(addr) = addr else { return Ok(None) };
    let problem = |e| format!("probes: cannot listen on {addr}: {e}");
    let settings = probe::Settings {
        listener: TcpListener::bind(addr).map_err(problem)?,
        checks: plan.checks,
        drain_route: plan.drain_route,
    };
    let main = tokio::runtime::Handle::current();
    let probes = probe::start(settings, handle.clone(), main).map_err(problem)?;
    handle
        .journal()
        .listens("probes", probes.addr().to_string());
    Ok(Some(probes))
}

type Named<T> = (String, T);

/// Starts every component or none.
fn start_all(
    components: Vec<Box<dyn Component>>,
    lame_duck_min: Duration,
    handle: &Handle,
) -> Result<Vec<Named<Running>>, Named<StartError>> {
    #[cfg(unix)]
    let mut sockets = Sockets::from_env().map_err(|e| {
        let name = "inherited sockets".to_owned();
        (name, StartError::BadConfiguration(e.to_string()))
    })?;
    let only_server = components.iter().filter(|c| c.listens()).count() == 1;
    components
        .into_iter()
        .map(|component| {
            let name = component.name().to_owned();
            let start = Start {
                handle,
                lame_duck_min,
                #[cfg(unix)]
                sockets: &mut sockets,
                only_server,
            };
            match component.start(start) {
                Ok(running) => Ok((name, running)),
                Err(e) => Err((name, e)),
            }
        })
        .collect()
}

/// The components at work.
#[derive(Default)]
struct Parts {
    running: JoinSet<Result<(), BoxError>>,
    names: HashMap<Id, String>,
}

type Ended = Result<(Id, Result<(), BoxError>), JoinError>;

impl Parts {
    fn spawn(&mut self, name: String, running: Running) {
        let id = self.running.spawn(running).id();
        self.names.insert(id, name);
    }

    /// Waits until the shutdown begins, which the failure of a component does too.
    async fn until_shutdown(&mut self, handle: &Handle) {
        loop {
            tokio::select! {
                biased;
                () = handle.begun() => return,
                Some(ended) = self.running.join_next_with_id() => {
                    if let Some(failed) = self.ended(ended, handle) {
                        handle.begin(Reason::Failed(failed));
                        return;
                    }
                }
            }
        }
    }

    /// Takes note of a component that has ended; its name if it failed.
    fn ended(&mut self, ended: Ended, handle: &Handle) -> Option<String> {
        let (id, problem) = match ended {
            Ok((id, Ok(()))) => (id, None),
            Ok((id, Err(error))) => (id, Some(error.to_string())),
            Err(lost) => {
                let id = lost.id();
                let problem = match lost.try_into_panic() {
                    Ok(panic) => format!("panicked: {}", panic_text(&*panic)),
                    Err(lost) => lost.to_string(),
                };
                (id, Some(problem))
            }
        };
        let name = self.names.remove(&id).unwrap_or_default();
        let problem = problem?;
        handle.journal().failed(&name, problem);
        Some(name)
    }

    /// Waits until every component has ended and nothing is in flight; past the time for that, has
    /// everybody let go, and writes down who did not.
    async fn drain(&mut self, handle: &Handle) {
        let budget = handle.budget();
        if self.drained_by(budget.drain_until(), handle).await {
            return;
        }
        // However it ends from here on, it did not end in time. Requests note what became of them
        // themselves.
        let in_time = |entry: &Entry| entry.kind == REQUEST;
        handle.journal().let_go_all(
            handle.ledger(),
            in_time,
            "not finished when the time for draining was over",
        );
        handle.start_letting_go();
        if self.drained_by(budget.let_go_until(), handle).await {
            return;
        }
        handle
            .journal()
            .let_go_all(handle.ledger(), |_| false, "does not react to being let go");
        for name in self.names.values() {
            tracing::warn!(target: "lameduck", name, "component did not end");
        }
        self.running.abort_all();
    }

    async fn drained_by(&mut self, offset: Duration, handle: &Handle) -> bool {
        let drained = async {
            while let Some(ended) = self.running.join_next_with_id().await {
                self.ended(ended, handle);
            }
            handle.ledger().empty().await;
        };
        tokio::time::timeout(handle.left_until(offset), drained)
            .await
            .is_ok()
    }
}
