//! Components that have what they need and have not begun their work.
//!
//! # What must hold
//!
//! Every component that is there from the start starts, or none does.

use std::time::Duration;

use super::dependencies::ComponentTies;
use crate::component::{Component, Running, Start, StartError};
#[cfg(unix)]
use crate::environment::inherited::InheritedSockets;
use crate::handle::Handle;

/// Starts every component or none.
pub(super) fn start_all(
    components: Vec<Box<dyn Component>>,
    ties: Vec<ComponentTies>,
    lame_duck_min: Duration,
    #[cfg(unix)] mut sockets: InheritedSockets,
    handle: &Handle,
) -> Result<Vec<Started>, (String, StartError)> {
    components
        .into_iter()
        .zip(ties)
        .map(|(component, ties)| {
            let name = component.name().to_owned();
            let start = Start {
                handle: &handle
                    .of_component(ties.dependents.clone(), !ties.dependencies.is_empty()),
                lame_duck_min,
                #[cfg(unix)]
                sockets: &mut sockets,
            };
            match component.start(start) {
                Ok(running) => Ok(Started::new(name, running, ties)),
                Err(e) => Err((name, e)),
            }
        })
        .collect()
}

/// A component that has what it needs and has not begun its work.
pub(super) struct Started {
    pub(super) name: String,
    pub(super) running: Running,
    pub(super) ties: ComponentTies,
}

impl Started {
    pub(super) fn new(name: String, running: Running, ties: ComponentTies) -> Started {
        Started {
            name,
            running,
            ties,
        }
    }
}
