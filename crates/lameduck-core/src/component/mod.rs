//! What a lifecycle starts, asks, tells and closes. Each kind is a trait that anybody can implement.
//!
//! | trait | what it is for |
//! |---|---|
//! | [`Component`] | a part of the process that works until it has drained: a server, a worker, a consumer |
//! | [`Close`](close::Close) | a pool or client that is closed after them |
//! | [`Announce`](announce::Announce) | a load balancer or registry that is told first |
//! | [`AdminPort`](admin_port::AdminPort) | who answers the probes |
//!
//! [`restarting`] wraps a component that may fail. [`readiness`](crate::readiness) has the checks that readiness depends
//! on.

pub mod admin_port;
pub mod announce;
pub mod close;
pub mod restarting;

use std::time::Duration;

use crate::base::text::with_causes;
use crate::base::{BadConfiguration, BoxError, BoxFuture};
#[cfg(unix)]
use crate::environment::inherited::InheritedSockets;
use crate::handle::Handle;
use crate::shutdown::reason::Reason;

use self::admin_port::AdminPort;

/// What a component works on until it has drained. An error is the component's failure.
pub type Running = BoxFuture<Result<(), BoxError>>;

/// A part of the process that works from the start until it has drained: a server, a job worker, a
/// consumer of a stream, a scheduler. Given to [`Lifecycle::component`](crate::Lifecycle::component).
///
/// It starts in two steps, so that nothing works before everything has what it needs: [`start`](Component::start)
/// takes ports and the like, and the future that it returns does the work. That future
///
/// 1. stops taking new work at [`Handle::until_unused`], which is when the shutdown begins unless
///    other components use this one; or at [`Handle::until_draining`], if peers need time to go elsewhere;
/// 2. keeps what is in flight in the ledger ([`Handle::track`]), so that it is waited for and named;
/// 3. ends when nothing is left, or soon after [`Handle::until_drain_deadline`]. One that does not is dropped at the end of the
///    drain, and named in the report.
///
/// An error, a panic, and the end of the system's patience with a socket are failures: the process
/// shuts down, and ends with exit code 1.
///
/// ```
/// use lameduck_core::{Component, Running, Start, StartError};
/// use tokio::net::UdpSocket;
///
/// /// Answers each datagram with itself.
/// struct Echo {
///     address: String,
/// }
///
/// impl Component for Echo {
///     fn name(&self) -> &str {
///         "echo"
///     }
///
///     fn start(self: Box<Self>, start: Start<'_>) -> Result<Running, StartError> {
///         let bound = std::net::UdpSocket::bind(&self.address);
///         let socket = bound.map_err(|e| StartError::failed(format!("{}: {e}", self.address)))?;
///         let handle = start.handle().clone();
///         Ok(Box::pin(async move {
///             socket.set_nonblocking(true)?;
///             let socket = UdpSocket::from_std(socket)?;
///             let mut datagram = [0; 1500];
///             loop {
///                 tokio::select! {
///                     () = handle.until_draining() => return Ok(()),
///                     received = socket.recv_from(&mut datagram) => {
///                         let (n, peer) = received?;
///                         let _guard = handle.track("datagram", peer.to_string());
///                         socket.send_to(&datagram[..n], peer).await?;
///                     }
///                 }
///             }
///         }))
///     }
/// }
/// ```
pub trait Component: Send + 'static {
    /// What it is called, in the report and in [`Lifecycle::depends_on`](crate::Lifecycle::depends_on).
    fn name(&self) -> &str;

    /// Whether it listens on sockets that connections come to. Then no other that listens may have its name, and it
    /// is offered the sockets of `LISTEN_FDS` that are called so ([`Start::take_sockets`]). Default: no.
    fn listens(&self) -> bool {
        false
    }

    /// Looks at its settings. Called before anything is started and any port is bound.
    ///
    /// # Errors
    ///
    /// What cannot be, and what to write instead: the process ends with exit code 2.
    fn check(&self) -> Result<(), BadConfiguration> {
        Ok(())
    }

    /// Probes that it can offer for a process that has none of its own and is asked for them by
    /// `LAMEDUCK_ADMIN`. Default: none.
    fn admin_port(&self) -> Option<Box<dyn AdminPort>> {
        None
    }

    /// Takes what it needs. Called within the application's runtime; it must not block for long.
    ///
    /// # Errors
    ///
    /// Then no component begins its work, and the process ends with exit code 2 or 1.
    fn start(self: Box<Self>, start: Start<'_>) -> Result<Running, StartError>;
}

/// What a component is given when it starts.
#[derive(Debug)]
pub struct Start<'a> {
    pub(crate) handle: &'a Handle,
    /// The shortest the lame-duck phase will be.
    pub(crate) lame_duck_min: Duration,
    /// What the process was started with.
    #[cfg(unix)]
    pub(crate) sockets: &'a mut InheritedSockets,
}

impl Start<'_> {
    /// The shutdown as this component sees it: with its own [`Handle::until_unused`].
    pub fn handle(&self) -> &Handle {
        self.handle
    }

    /// The shortest that the lame-duck phase will be. Zero if there may be none.
    pub fn lame_duck_min(&self) -> Duration {
        self.lame_duck_min
    }

    /// The sockets that the process was started with for the component of this name (`LISTEN_FDS`,
    /// `LISTEN_FDNAMES`; sd_listen_fds(3)), each of which listens already. Empty if there are none. Only for one that
    /// [`listens`](Component::listens).
    ///
    /// # Errors
    ///
    /// If one is of no use: the system says why.
    #[cfg(unix)]
    pub fn take_sockets(&mut self, name: &str) -> Result<Vec<std::os::fd::OwnedFd>, StartError> {
        let bad = |e| StartError::BadConfiguration(format!("LISTEN_FDS: {e}"));
        self.sockets.take(name).map_err(bad)
    }

    /// Says where the component listens: in the log, and by [`Handle::address`].
    pub fn listens_on(&self, name: &str, address: impl ToString) {
        self.handle.journal().listens(name, address.to_string());
    }
}

impl From<BadConfiguration> for StartError {
    fn from(bad: BadConfiguration) -> StartError {
        StartError::BadConfiguration(bad.to_string())
    }
}

/// Why a component did not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// It was told something that cannot be: exit code 2.
    #[error("{0}")]
    BadConfiguration(String),
    /// The system would not let it: exit code 1.
    #[error("{0}")]
    Failed(String),
}

impl StartError {
    /// It was told something that cannot be. `problem` says what was found, and what to write instead.
    pub fn bad_configuration(problem: impl Into<String>) -> StartError {
        StartError::BadConfiguration(problem.into())
    }

    /// The system would not let it.
    pub fn failed(problem: impl Into<String>) -> StartError {
        StartError::Failed(problem.into())
    }
}

impl Handle {
    /// Something that the process cannot do without has failed, a component or another: what it says, with its
    /// sources, is in the report, and the process shuts down with exit code 1. There is no lame-duck phase then.
    pub fn fail(&self, component: &str, error: impl Into<BoxError>) {
        self.journal()
            .failed(component, with_causes(&*error.into()));
        self.begin(Reason::Failed(component.to_owned()));
    }
}
