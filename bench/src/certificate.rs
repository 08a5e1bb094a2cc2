//! A certificate for 127.0.0.1, made for one measurement.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use tempfile::TempDir;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// What it is for.
const HOST: &str = "127.0.0.1";

/// The files for a server, and what a client needs to believe it.
pub struct Certificate {
    folder: TempDir,
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Certificate {
    /// A fresh one.
    pub fn make() -> anyhow::Result<Certificate> {
        let folder = tempfile::tempdir().context("cannot make a folder for the certificate")?;
        let pair = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
        std::fs::write(cert(folder.path()), pair.cert.pem())?;
        std::fs::write(key(folder.path()), pair.signing_key.serialize_pem())?;
        let mut roots = RootCertStore::empty();
        roots.add(pair.cert.der().clone())?;
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Certificate {
            folder,
            connector: TlsConnector::from(Arc::new(config)),
            name: ServerName::try_from(HOST)?,
        })
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What makes a connection of a client's a secure one, to whom.
    pub fn client(&self) -> (&TlsConnector, ServerName<'static>) {
        (&self.connector, self.name.clone())
    }
}

/// The certificate's file in such a folder.
pub fn cert(folder: &Path) -> PathBuf {
    folder.join("tls.crt")
}

/// The key's file in such a folder.
pub fn key(folder: &Path) -> PathBuf {
    folder.join("tls.key")
}
