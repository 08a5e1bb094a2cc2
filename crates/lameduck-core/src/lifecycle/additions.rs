//! Components that are added while the process runs.
//!
//! # What must hold
//!
//! 1. Either [`Handle::start`] says no, or the lifecycle has the component: then it is drained, named and bounded as if it
//!    had been there from the start.
//! 2. Once the shutdown has begun every one is refused.
//! 3. No two that listen and are at work have one name.
//!
//! Number 1 holds because a component is handed over under the lock that the end of additions takes as well: what was
//! handed over before is in the channel when the lifecycle empties it, and nothing comes after that.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::dependencies::ComponentTies;
use super::started::Started;
use crate::component::{Component, Start, StartError};
#[cfg(unix)]
use crate::environment::inherited::InheritedSockets;
use crate::handle::Handle;
use crate::shutdown::dependents::Dependents;

/// Why a component was not added ([`Handle::start`]).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotStarted {
    /// The lifecycle has not been run yet: give the component to [`Lifecycle::component`](crate::Lifecycle::component).
    #[error("the lifecycle does not run yet: give the component to Lifecycle::component")]
    NotRunning,
    /// The shutdown has begun.
    #[error("the shutdown has begun")]
    ShuttingDown,
    /// Another server of this name runs.
    #[error("another server is called {0}: give each a name of its own, for example {0}-2")]
    NameTaken(String),
    /// The component did not start.
    #[error(transparent)]
    Refused(#[from] StartError),
}

/// What can be added at the moment.
#[derive(Default)]
enum AdditionsState {
    #[default]
    NotYet,
    Open(OpenAdditions),
    Over,
}

struct OpenAdditions {
    to: UnboundedSender<Started>,
    lame_duck_min: Duration,
    /// The names of the servers that run.
    listening: HashSet<String>,
}

/// One for each lifecycle.
#[derive(Default)]
pub(super) struct Additions {
    state: Mutex<AdditionsState>,
}

impl Additions {
    pub(super) fn of(handle: &Handle) -> Arc<Additions> {
        handle.extension(Additions::default)
    }

    /// Held for a look, an entry or a push.
    fn state(&self) -> MutexGuard<'_, AdditionsState> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// From now on components can be added, beside servers of these names.
    pub(super) fn open(
        &self,
        lame_duck_min: Duration,
        listening: HashSet<String>,
    ) -> UnboundedReceiver<Started> {
        let (to, added) = unbounded_channel();
        *self.state() = AdditionsState::Open(OpenAdditions {
            to,
            lame_duck_min,
            listening,
        });
        added
    }

    /// From now on none can. What was added before is in the channel.
    pub(super) fn close(&self) {
        *self.state() = AdditionsState::Over;
    }

    /// One has ended: its name is free.
    pub(super) fn has_ended(&self, name: &str) {
        if let AdditionsState::Open(open) = &mut *self.state() {
            open.listening.remove(name);
        }
    }

    /// Does something with what is open, unless the shutdown has begun.
    fn with_open<T>(
        &self,
        handle: &Handle,
        does: impl FnOnce(&mut OpenAdditions) -> Result<T, NotStarted>,
    ) -> Result<T, NotStarted> {
        match &mut *self.state() {
            AdditionsState::NotYet => Err(NotStarted::NotRunning),
            AdditionsState::Open(open) if !handle.is_shutting_down() => does(open),
            AdditionsState::Open(_) | AdditionsState::Over => Err(NotStarted::ShuttingDown),
        }
    }
}

/// A name that a server has, given back when this is dropped.
struct Reserved<'a> {
    additions: &'a Additions,
    name: Option<String>,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            self.additions.has_ended(name);
        }
    }
}

impl Handle {
    /// Starts a component while the process runs: a consumer for a tenant that has just come, a listener that a
    /// reload asks for. From then on it is like those of [`Lifecycle::component`](crate::Lifecycle::component): the drain
    /// waits for it, it is let go when the time is over, and its failure shuts the process down
    /// ([`Restarting`](crate::Restarting) for one that may fail). Nobody can say that they use it, and it gets no
    /// sockets of `LISTEN_FDS`.
    ///
    /// ```no_run
    /// # use lameduck_core::{Component, Handle, Running, Start, StartError};
    /// # struct Consumer;
    /// # impl Component for Consumer {
    /// #     fn name(&self) -> &str { "tenant" }
    /// #     fn start(self: Box<Self>, _: Start<'_>) -> Result<Running, StartError> { Ok(Box::pin(async { Ok(()) })) }
    /// # }
    /// fn tenant_has_come(handle: &Handle, tenant: Consumer) {
    ///     if let Err(e) = handle.start(tenant) {
    ///         eprintln!("not served: {e}"); // the shutdown has begun, say
    ///     }
    /// }
    /// ```
    ///
    /// Call it within the application's runtime: the component's own [`start`](Component::start) is called here, and
    /// its work is done in the runtime of the lifecycle.
    ///
    /// # Errors
    ///
    /// [`NotStarted::ShuttingDown`] once the shutdown has begun, [`NotStarted::NotRunning`] before
    /// [`Lifecycle::run`](crate::Lifecycle::run); a server's name that another has; and what the component itself says. In
    /// each case nothing is changed, and the component is gone.
    pub fn start(&self, component: impl Component) -> Result<(), NotStarted> {
        component.check().map_err(StartError::from)?;
        let name = component.name().to_owned();
        let additions = Additions::of(self);
        let lame_duck_min = additions.with_open(self, |open| {
            if component.listens() && !open.listening.insert(name.clone()) {
                return Err(NotStarted::NameTaken(name.clone()));
            }
            Ok(open.lame_duck_min)
        })?;
        let mut reserved = Reserved {
            additions: &additions,
            name: component.listens().then(|| name.clone()),
        };
        // Not under the lock: it is the application's, and may start others.
        let running = Box::new(component).start(Start {
            handle: &self.of_component(Dependents::default(), false),
            lame_duck_min,
            #[cfg(unix)]
            sockets: &mut InheritedSockets::default(),
        })?;
        let started = Started::new(name, running, ComponentTies::default());
        additions.with_open(self, |open| {
            // Whoever takes it is there for as long as this is open.
            open.to.send(started).map_err(|_| NotStarted::ShuttingDown)
        })?;
        reserved.name = None;
        Ok(())
    }
}
