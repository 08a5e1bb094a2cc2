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
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};

use super::builder::Lifecycle;
use super::lame_duck;
use crate::announce::{self, systemd};
use crate::close::{Closer, close_all};
use crate::component::{BoxError, Component, Running, Start, StartError};
use crate::config::Window;
use crate::exit::Exit;
use crate::handle::Handle;
use crate::http::REQUEST;
use crate::inflight::Entry;
#[cfg(unix)]
use crate::inherited::Sockets;
use crate::jobs;
use crate::lastwords;
use crate::phase::Phase;
use crate::reason::{Reason, SIGINT};
use crate::report::panic_text;

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
        let watchdog = self.watchdog.take();
        let exit = self.live().await;
        if let Some(watchdog) = watchdog {
            watchdog.over(exit.code());
        }
        exit
    }

    async fn live(mut self) -> Exit {
        let window = self.window();
        let handle = self.handle.clone();
        if self.open_probes().is_err() {
            return self.refuse().await;
        }
        let plan = std::mem::take(&mut self.probes);
        if let Some(probes) = &plan.port {
            probes.complete(plan.checks, plan.drain_route);
        }
        let probes = plan.port;
        let mut parts = Parts::default();
        let driver = if handle.reason().is_some() {
            self.driver.drain()
        } else {
            match start_all(std::mem::take(&mut self.components), window.min, &handle) {
                Ok(running) => {
                    parts.spawn_all(running);
                    let driver = self.driver.ready();
                    handle.journal().entered(Phase::Ready);
                    systemd::ready(&handle);
                    parts.until_shutdown(&handle).await;

                    let driver = driver.lame_duck();
                    handle.journal().entered(Phase::LameDuck);
                    systemd::stopping(&handle);
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
                Err((name, problem @ StartError::BadConfiguration(_))) => {
                    self.bad.push(format!("{name}: {problem}"));
                    return self.refuse().await;
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
        close(self.closers, self.flushers, &handle).await;

        driver.stop();
        handle.journal().entered(Phase::Stopped);
        let report = handle.report("still under way at the end", None);
        let exit = Exit::from_code(report.exit);
        lastwords::tell(report);
        if let Some(probes) = probes {
            probes.stop().await;
        }
        exit
    }

    /// Says why the process does not start, and closes what the application had opened for it.
    async fn refuse(self) -> Exit {
        let exit = match self.bad[..] {
            [] => Exit::FAILED,
            _ => Exit::BAD_CONFIGURATION,
        };
        for problem in self.bad.iter().chain(&self.failed) {
            lastwords::say(&format!("lameduck: {problem}\n"));
        }
        self.handle
            .begin(Reason::Asked("a refusal to start".to_owned()));
        close(self.closers, self.flushers, &self.handle).await;
        exit
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

async fn close(closers: Vec<Closer>, flushers: Vec<Closer>, handle: &Handle) {
    let budget = handle.budget();
    close_all(closers, budget.close_until(), handle).await;
    close_all(flushers, budget.flush_until(), handle).await;
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
    fn spawn_all(&mut self, components: Vec<Named<Running>>) {
        for (name, running) in components {
            let id = self.running.spawn(running).id();
            self.names.insert(id, name);
        }
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
        // However it ends from here on, it did not end in time. Requests and jobs note what became
        // of them themselves.
        let noted = |entry: &Entry| entry.kind == REQUEST || jobs::writes_down(entry.kind);
        handle.journal().let_go_all(
            handle.ledger(),
            noted,
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
