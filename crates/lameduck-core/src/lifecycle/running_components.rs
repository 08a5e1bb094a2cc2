//! The components at work: watched, waited for, let go.
//!
//! # What must hold
//!
//! 1. What a component holds of those that it uses is given back when it has ended, however it
//!    ended.
//! 2. Who has not ended when the time for draining is over is let go, by name.
//! 3. What is added meanwhile ([`additions`](super::additions)) is one of them.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{Id, JoinError, JoinSet};

use tracing::Level;

use super::additions::Additions;
use super::started::Started;
use crate::base::BoxError;
use crate::base::clock::now;
use crate::base::text::{panicked, with_causes};
use crate::handle::Handle;
use crate::inflight::kind::{self, COMPONENT, TASK};
use crate::inflight::{Ledger, Unnamed};
use crate::report::LetGo;
use crate::shutdown::dependents::Dependents;
use crate::shutdown::reason::Reason;
use crate::voice;

/// The components at work.
#[derive(Default)]
pub(super) struct RunningComponents {
    running: JoinSet<Result<(), BoxError>>,
    names: HashMap<Id, (String, Instant)>,
    /// Those that others use, and by whom they still are.
    used: Vec<(String, Dependents)>,
}

type Ended = Result<(Id, Result<(), BoxError>), JoinError>;

impl RunningComponents {
    pub(super) fn spawn_all(&mut self, components: Vec<Started>) {
        for it in components {
            if it.ties.dependents.any() {
                self.used.push((it.name.clone(), it.ties.dependents));
            }
            let (running, dependencies) = (it.running, it.ties.dependencies);
            let work = async move {
                let result = running.await;
                drop(dependencies);
                result
            };
            let id = self.running.spawn(work).id();
            self.names.insert(id, (it.name, now()));
        }
    }

    /// Whether it could not end because a component that uses it has not.
    fn is_still_used(&self, it: &Unnamed, ledger: &Ledger) -> bool {
        let mut used = self.used.iter().filter(|(_, dependents)| dependents.any());
        let named = || ledger.named(it).map(|it| it.name.to_string());
        it.kind == TASK && used.any(|(used, _)| named().as_ref() == Some(used))
    }

    /// Waits until the shutdown begins, which the failure of a component does too. Takes those in that are `added`.
    pub(super) async fn until_shutdown(
        &mut self,
        mut added: UnboundedReceiver<Started>,
        handle: &Handle,
    ) {
        let additions = Additions::of(handle);
        loop {
            tokio::select! {
                biased;
                () = handle.until_shutdown() => break,
                Some(ended) = self.running.join_next_with_id() => {
                    let (name, problem) = self.ended(ended, handle);
                    if problem.is_some() {
                        handle.begin(Reason::Failed(name));
                        break;
                    }
                    additions.has_ended(&name);
                    handle.journal().listens_no_more(&name);
                }
                Some(it) = added.recv() => self.spawn_all(vec![it]),
            }
        }
        additions.close();
        while let Ok(it) = added.try_recv() {
            self.spawn_all(vec![it]);
        }
    }

    /// Takes note of a component that has ended: its name, and why it failed if it did.
    fn ended(&mut self, ended: Ended, handle: &Handle) -> (String, Option<String>) {
        let (id, problem) = match ended {
            Ok((id, Ok(()))) => (id, None),
            Ok((id, Err(error))) => (id, Some(with_causes(&*error))),
            Err(lost) => {
                let id = lost.id();
                let problem = match lost.try_into_panic() {
                    Ok(panic) => panicked(&*panic),
                    Err(lost) => lost.to_string(),
                };
                (id, Some(problem))
            }
        };
        let name = self.names.remove(&id).map(|(name, _)| name);
        let name = name.unwrap_or_default();
        if let Some(problem) = &problem {
            handle.journal().failed(&name, problem);
        }
        (name, problem)
    }

    /// Waits until every component has ended and nothing is in flight; past the time for that, has
    /// everybody let go, and writes down who did not.
    pub(super) async fn drain(&mut self, handle: &Handle) {
        let budget = handle.budget();
        if self.drained_by(budget.drain_until(), handle).await {
            return;
        }
        // However it ends from here on, it did not end in time. Requests and jobs note what became
        // of them themselves, and what is still used is told only now.
        let ledger = handle.ledger();
        let noted = |entry: &Unnamed| {
            kind::is_written_down_by_its_owner(entry.kind) || self.is_still_used(entry, ledger)
        };
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
        let in_ledger: HashSet<String> = ledger
            .unnamed()
            .iter()
            .filter_map(|it| ledger.named(it))
            .map(|it| it.name.to_string())
            .collect();
        for (name, since) in self.names.values() {
            // What it is still at is named if it is in the ledger; else nothing would say that it is left.
            if !in_ledger.contains(name) {
                handle.journal().let_go(LetGo {
                    kind: COMPONENT.to_owned(),
                    name: name.clone(),
                    age: now().saturating_duration_since(*since),
                    why: "did not end".to_owned(),
                });
            }
            let name = name.clone();
            voice::event(Level::WARN, move || {
                tracing::warn!(target: "lameduck", name, "component did not end");
            });
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
