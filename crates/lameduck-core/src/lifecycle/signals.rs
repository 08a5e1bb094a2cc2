//! What signals mean to a lifecycle: a shutdown, or something of the application's own.
//!
//! # What must hold
//!
//! 1. `LAMEDUCK_SIGNALS` wins over [`shutdown_signals`](Lifecycle::shutdown_signals), and that over the default.
//!    SIGTERM is always among them.
//! 2. A signal means one thing: what is asked for as both is refused before anything starts.

use std::future::Future;
use std::io;

use super::builder::Lifecycle;
use super::signal_hooks::SignalHook;
use crate::base::BoxError;
use crate::process::signal::SignalListener;
use crate::system::signal_set::{SIGTERM, SignalSet, number, signal_name};

impl Lifecycle {
    /// Which signals begin a shutdown, by name. Default: `TERM`, `INT`, `QUIT` and `HUP`, each of which would
    /// otherwise end the process in the middle of its work. `TERM` always does, named or not.
    /// `LAMEDUCK_SIGNALS=TERM,INT,QUIT` wins.
    ///
    /// One of the default's that is left out does nothing, unless the application handles it by itself. One that
    /// was inherited as ignored (`nohup`: SIGHUP; `&` in a shell: SIGINT, SIGQUIT) stays so. An
    /// application that reloads on SIGHUP by means of its own leaves `HUP` out;
    /// [`on_signal`](Lifecycle::on_signal) does so by itself.
    ///
    /// ```no_run
    /// # use lameduck_core::Lifecycle;
    /// let life = Lifecycle::new().shutdown_signals(["TERM", "INT"]);
    /// ```
    ///
    /// A name that is none, or of a signal that cannot be caught, is bad configuration.
    pub fn shutdown_signals<S: AsRef<str>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        match SignalSet::of(names) {
            Ok(set) => self.signals.asked = Some(set),
            Err(problem) => self.bad.push(format!("shutdown_signals: {problem}")),
        }
        self.listen_anew();
        self
    }

    /// Runs `hook` each time this signal comes: SIGHUP to reload the configuration, SIGUSR1 to reopen logs.
    /// From now on the signal is remembered; the hook runs once everything has started, until the
    /// drain begins. Signals that come while it runs make it run once more. A hook that is at work when
    /// the drain begins is waited for, like a request.
    ///
    /// An error or a panic is logged (`tracing`, target `lameduck`) and changes nothing else. For SIGHUP and
    /// SIGQUIT a hook takes the place of the default, which is a shutdown. Bad configuration: a
    /// signal that begins a shutdown (`TERM`, `INT` by default, whatever
    /// [`shutdown_signals`](Lifecycle::shutdown_signals) or `LAMEDUCK_SIGNALS` names), and one that cannot be
    /// caught or tells of a fault (`KILL`, `STOP`, `SEGV`).
    ///
    /// ```no_run
    /// # use lameduck_core::Lifecycle;
    /// # async fn reload() -> Result<(), std::io::Error> { Ok(()) }
    /// let life = Lifecycle::new().on_signal("HUP", || async { reload().await });
    /// ```
    ///
    /// An [`embedded`](Lifecycle::embedded) lifecycle hears no signals.
    pub fn on_signal<F, E>(
        mut self,
        name: impl AsRef<str>,
        hook: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let signal = match number(name.as_ref()) {
            Ok(signal) => signal,
            Err(problem) => {
                self.bad.push(format!("on_signal: {problem}"));
                return self;
            }
        };
        let count = match self
            .signals
            .listener
            .as_ref()
            .map(|listener| listener.hook(signal))
        {
            None => None,
            Some(Ok(count)) => Some(count),
            Some(Err(e)) => {
                let name = signal_name(signal);
                self.bad
                    .push(format!("on_signal: cannot listen to {name}: {e}"));
                None
            }
        };
        self.signals.hooks.push(SignalHook {
            signal,
            count,
            run: Box::new(move || {
                let done = hook();
                Box::pin(async move { done.await.map_err(Into::into) })
            }),
        });
        self.listen_anew();
        self
    }

    /// Begins to listen.
    pub(super) fn listen_to_signals(&mut self) -> io::Result<()> {
        self.signals.foreign = SignalListener::foreign();
        let listener =
            SignalListener::open(self.handle.clone(), self.stops(), self.signals.foreign)?;
        self.signals.listener = Some(listener);
        self.signals.process = Some(std::process::id());
        Ok(())
    }

    /// What means a shutdown, as far as is known.
    fn stops(&self) -> SignalSet {
        let hooked = self.hooked().and(SignalSet::YIELDING);
        let default = SignalSet::DEFAULT
            .without(hooked)
            .without(self.signals.foreign);
        let asked = self.environment.signals.or(self.signals.asked);
        asked.unwrap_or(default).with(SIGTERM)
    }

    fn hooked(&self) -> SignalSet {
        let hooks = self.signals.hooks.iter();
        hooks.fold(SignalSet::EMPTY, |set, hook| set.with(hook.signal))
    }

    fn listen_anew(&mut self) {
        let stops = self.stops();
        let done = self
            .signals
            .listener
            .as_ref()
            .map(|listener| listener.stop_at(stops));
        if let Some(Err(e)) = done {
            self.bad.push(format!("cannot listen to {stops}: {e}"));
        }
    }

    /// Refuses what cannot be, now that all is known.
    pub(super) fn check_signals(&mut self) {
        let both = self.stops().and(self.hooked());
        for signal in both.iter() {
            let name = signal_name(signal);
            self.bad.push(format!(
                "on_signal: {name} begins a shutdown already: leave it out of shutdown_signals and \
                 LAMEDUCK_SIGNALS, or take another, for example USR1"
            ));
        }
    }

    /// Whether this is a fork of the process that listens. Then there is no thread that hears signals,
    /// and no watchdog.
    pub(super) fn is_forked(&self) -> bool {
        let process = self.signals.process;
        process.is_some_and(|it| it != std::process::id())
    }
}
