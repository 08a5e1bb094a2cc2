//! Which clients have to show a certificate, and signed by whom.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::files::{Bad, certificates};

const AUTHORITIES: &str = "the certificates of the authorities that sign clients";

/// Who signs the certificates of clients.
#[derive(Clone, Debug)]
pub(super) struct ClientAuthorities {
    path: PathBuf,
    /// Whether a client without one is refused.
    required: bool,
}

impl ClientAuthorities {
    pub(super) fn new(path: PathBuf, required: bool) -> ClientAuthorities {
        ClientAuthorities { path, required }
    }

    /// Reads the file. Blocks.
    pub(super) fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, Bad> {
        let unusable = |error: &dyn std::fmt::Display| Bad::Unusable {
            path: self.path.clone(),
            error: error.to_string(),
            expected: AUTHORITIES,
        };
        let mut authorities = RootCertStore::empty();
        for certificate in certificates(&self.path, AUTHORITIES)? {
            authorities.add(certificate).map_err(|e| unusable(&e))?;
        }
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider.clone());
        let verifier = match self.required {
            true => verifier,
            false => verifier.allow_unauthenticated(),
        };
        verifier.build().map_err(|e| unusable(&e))
    }
}
