//! The certificate in use, replaced when its files change.
//!
//! # What must hold
//!
//! 1. A pair that does not belong together, or is not whole, is never used: the one before stays.
//! 2. A connection keeps what its handshake began with.

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use tracing::Level;

use super::files::{Bad, Files, PairStamp};
use lameduck_core::internal::voice;

/// How often to see whether the files have changed.
const LOOK: Duration = Duration::from_secs(2);

/// What every new handshake uses.
#[derive(Debug)]
pub(super) struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(
            self.0
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        )
    }
}

/// Keeps [`Current`] what the files say.
pub(super) struct Reload {
    files: Files,
    provider: Arc<CryptoProvider>,
    current: Arc<Current>,
    in_use: PairStamp,
    /// Said once, not at each look.
    said: Option<Bad>,
}

/// What a look at the files came to.
#[derive(Debug, PartialEq, Eq)]
enum Reloaded {
    /// Nothing new, or nothing new to say about it.
    Same,
    Replaced,
    Refused,
}

impl Reload {
    /// Reads the files for the first time. Blocks.
    pub(super) fn of(files: Files, provider: Arc<CryptoProvider>) -> Result<Reload, Bad> {
        let in_use = files.stamp();
        let pair = files.load(&provider)?;
        Ok(Reload {
            files,
            provider,
            current: Arc::new(Current(RwLock::new(Arc::new(pair)))),
            in_use,
            said: None,
        })
    }

    pub(super) fn current(&self) -> Arc<Current> {
        self.current.clone()
    }

    /// Looks at the files from time to time, for ever.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(super) async fn watch(mut self) -> Infallible {
        loop {
            tokio::time::sleep(LOOK).await;
            // Files may be on a file system that does not answer.
            let looked = tokio::task::spawn_blocking(move || {
                self.look();
                self
            });
            match looked.await {
                Ok(it) => self = it,
                // A bug of ours must not end the server.
                Err(_) => return pending().await,
            }
        }
    }

    fn look(&mut self) -> Reloaded {
        let there = self.files.stamp();
        if there == self.in_use {
            self.said = None;
            return Reloaded::Same;
        }
        let loaded = self.files.load(&self.provider);
        if self.files.stamp() != there {
            // Somebody is at it.
            return Reloaded::Same;
        }
        let certificate = self.files.certificate.display();
        match loaded {
            Ok(pair) => {
                let mut current = self
                    .current
                    .0
                    .write()
                    .unwrap_or_else(PoisonError::into_inner);
                *current = Arc::new(pair);
                self.in_use = there;
                self.said = None;
                let certificate = certificate.to_string();
                voice::event(Level::INFO, move || {
                    tracing::info!(target: "lameduck", certificate, "the new certificate is in use");
                });
                Reloaded::Replaced
            }
            Err(bad) if self.said.as_ref() == Some(&bad) => Reloaded::Same,
            Err(bad) => {
                let (certificate, error) = (certificate.to_string(), bad.to_string());
                voice::event(Level::WARN, move || {
                    tracing::warn!(target: "lameduck", certificate, error,
                        "the new certificate cannot be used; the one before stays");
                });
                self.said = Some(bad);
                Reloaded::Refused
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (String, String) {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (pair.cert.pem(), pair.signing_key.serialize_pem())
    }

    #[test]
    fn only_a_whole_pair_replaces_the_one_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files {
            certificate: folder.path().join("tls.crt"),
            key: folder.path().join("tls.key"),
        };
        let write = |certificate: &str, key: &str| {
            std::fs::write(&files.certificate, certificate).unwrap();
            std::fs::write(&files.key, key).unwrap();
        };
        let (old, new) = (pair(), pair());
        write(&old.0, &old.1);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut reload = Reload::of(files.clone(), provider).unwrap();
        let used = |reload: &Reload| reload.current.0.read().unwrap().cert[0].clone();
        let first = used(&reload);
        assert_eq!(reload.look(), Reloaded::Same);

        write(&new.0, &old.1);
        assert_eq!(reload.look(), Reloaded::Refused, "not a pair");
        assert_eq!(reload.look(), Reloaded::Same, "said once");
        write(&new.0[..new.0.len() / 2], &new.1);
        assert_eq!(reload.look(), Reloaded::Refused, "half a certificate");
        write(&new.0, &new.1);
        std::fs::remove_file(&files.key).unwrap();
        assert_eq!(reload.look(), Reloaded::Refused, "no key");
        assert_eq!(used(&reload), first);

        write(&new.0, &new.1);
        assert_eq!(reload.look(), Reloaded::Replaced);
        assert_ne!(used(&reload), first);
        assert_eq!(reload.look(), Reloaded::Same);
    }
}
