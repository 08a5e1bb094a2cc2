//! A process that runs already: asked to stop once, and never killed.
//!
//! # What must hold
//! - It is somebody else's: when its time is up it is left running, and the report says so.
//! - The signal goes to that process and to none that has its number by then: it is held by a pidfd (pidfd_open(2)).

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};

use super::capability::Capabilities;
use super::contract::{Target, TreeEnd};
use super::error::TargetError;
use super::exit::ProcessExit;
use super::readiness;
use super::signal::StopSignal;
use crate::plan::Plan;

/// Between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(2);

/// A process by its number.
#[derive(Debug)]
pub(crate) struct RunningTarget {
    handle: OwnedFd,
    found: Instant,
    ended: Option<ProcessExit>,
}

impl RunningTarget {
    pub(crate) fn find(pid: u32) -> Result<Self, TargetError> {
        let error = |reason: io::Error| TargetError::NoSuchProcess { pid, reason };
        let known = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let known = known.ok_or_else(|| error(io::ErrorKind::NotFound.into()))?;
        let handle = pidfd_open(known, PidfdFlags::empty()).map_err(|it| error(it.into()))?;
        Ok(Self {
            handle,
            found: Instant::now(),
            ended: None,
        })
    }

    /// A pidfd is readable once its process has ended.
    fn has_ended(&self) -> bool {
        let mut handle = [PollFd::new(&self.handle, PollFlags::IN)];
        matches!(poll(&mut handle, Some(&Timespec::default())), Ok(1..))
    }
}

impl Target for RunningTarget {
    fn capabilities(&self) -> Capabilities {
        Capabilities::PID
    }

    fn started(&self) -> Instant {
        self.found
    }

    fn ready<'a>(&'a mut self, plan: &'a Plan) -> BoxFuture<'a, Result<Instant, TargetError>> {
        readiness::until_ready(plan).boxed()
    }

    fn signal(&mut self, signal: StopSignal) -> BoxFuture<'_, Result<Instant, TargetError>> {
        async move {
            let at = Instant::now();
            match pidfd_send_signal(&self.handle, signal.to_signal()) {
                Ok(()) => Ok(at),
                Err(error) => Err(TargetError::EndedUnderLoad {
                    how: io::Error::from(error).to_string(),
                    output: readiness::NOT_SEEN.to_owned(),
                }),
            }
        }
        .boxed()
    }

    fn ended(&self) -> Option<ProcessExit> {
        self.ended
    }

    fn wait_until(&mut self, deadline: Instant) -> BoxFuture<'_, Option<ProcessExit>> {
        async move {
            while self.ended.is_none() {
                if self.has_ended() {
                    self.ended = Some(ProcessExit::unseen());
                } else if Instant::now() >= deadline {
                    break;
                } else {
                    tokio::time::sleep(LOOK).await;
                }
            }
            self.ended
        }
        .boxed()
    }

    fn give_up(&mut self) -> BoxFuture<'_, ProcessExit> {
        let exit = self.ended.unwrap_or(ProcessExit {
            left: true,
            ..ProcessExit::unseen()
        });
        std::future::ready(exit).boxed()
    }

    fn drain(&mut self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }

    fn said_since(&self, _: Instant) -> String {
        String::new()
    }

    fn clear_away(&mut self) -> BoxFuture<'_, Option<TreeEnd>> {
        std::future::ready(None).boxed()
    }
}
