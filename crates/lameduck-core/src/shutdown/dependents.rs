//! Who still uses a component: a share for each user, held until the user has ended.
//!
//! # What must hold
//!
//! A share is given back by being dropped and in no other way, so a user that fails, panics or is
//! aborted gives it back too, and nobody waits for one that is gone.

use tokio::sync::watch;

/// One user's share in a component.
pub(crate) struct Dependency {
    _given_back_when_dropped: watch::Sender<()>,
}

/// The users of a component. The default is a component that nobody uses.
#[derive(Clone, Default)]
pub(crate) struct Dependents {
    /// Its senders are in the shares, and nothing is ever sent: it is closed when all are gone.
    shares: Option<watch::Receiver<()>>,
}

impl Dependents {
    /// So many users, each with its share; the shares first.
    pub(crate) fn new(count: usize) -> (Vec<Dependency>, Dependents) {
        if count == 0 {
            return (Vec::new(), Dependents::default());
        }
        let (sender, receiver) = watch::channel(());
        let share = |sender| Dependency {
            _given_back_when_dropped: sender,
        };
        let shares = vec![sender; count].into_iter().map(share).collect();
        let dependents = Dependents {
            shares: Some(receiver),
        };
        (shares, dependents)
    }

    /// Whether anybody still uses it.
    pub(crate) fn any(&self) -> bool {
        let open = |shares: &watch::Receiver<()>| shares.has_changed().is_ok();
        self.shares.as_ref().is_some_and(open)
    }

    /// Completes once nobody does. Cancel safe.
    pub(crate) async fn gone(&self) {
        if let Some(mut shares) = self.shares.clone() {
            while shares.changed().await.is_ok() {}
        }
    }
}
