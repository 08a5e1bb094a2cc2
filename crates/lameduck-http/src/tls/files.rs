//! A certificate and its key, as files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// Where the two are.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// Why the two cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Bad {
    #[error("{}: {error}; expected a PEM file with {expected}", .path.display())]
    Unreadable {
        path: PathBuf,
        error: String,
        expected: &'static str,
    },
    #[error("{}: no {expected} in it{hint}", .path.display())]
    Missing {
        path: PathBuf,
        expected: &'static str,
        hint: &'static str,
    },
    #[error("{}: not usable: {error}; expected {expected}", .path.display())]
    Unusable {
        path: PathBuf,
        error: String,
        expected: &'static str,
    },
    #[error(
        "TLS: no provider of cryptography; expected one that the process has installed (`rustls::crypto::CryptoProvider::install_default`) or lameduck's feature `rustls-ring`"
    )]
    NoProvider,
    #[error("TLS: the provider of cryptography cannot be used: {0}")]
    Provider(String),
    #[error("{} is not the key of the certificate in {}; expected a pair that belongs together", .key.display(), .certificate.display())]
    Mismatch { key: PathBuf, certificate: PathBuf },
}

const CHAIN: &str = "the certificate chain, the server's own certificate first";
const KEY: &str = "the certificate's private key (PKCS#8, PKCS#1 or SEC1)";

/// Which versions of the files these are: what of them changes when they are replaced or rewritten.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PairStamp([Option<FileStamp>; 2]);

type FileStamp = (u64, Option<std::time::SystemTime>, (u64, u64, i64));

impl Files {
    /// Reads the two. Blocks.
    pub(super) fn load(&self, provider: &CryptoProvider) -> Result<CertifiedKey, Bad> {
        let chain = self.chain()?;
        let key = self.key()?;
        CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Bad::Mismatch {
                key: self.key.clone(),
                certificate: self.certificate.clone(),
            },
            rustls::Error::InvalidCertificate(error) => Bad::Unusable {
                path: self.certificate.clone(),
                error: error.to_string(),
                expected: CHAIN,
            },
            error => Bad::Unusable {
                path: self.key.clone(),
                error: error.to_string(),
                expected: KEY,
            },
        })
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, Bad> {
        certificates(&self.certificate, CHAIN)
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, Bad> {
        let path = &self.key;
        let text = read(path, KEY)?;
        PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
            rustls::pki_types::pem::Error::NoItemsFound => Bad::Missing {
                path: path.clone(),
                expected: "private key",
                hint: if contains(&text, b"ENCRYPTED PRIVATE KEY") {
                    " that is not encrypted; `openssl pkey -in FILE -out NEW` takes the password off"
                } else if contains(&text, b"BEGIN CERTIFICATE") {
                    ", but a certificate; are the two files swapped?"
                } else {
                    "; expected a PEM file, which begins with -----BEGIN PRIVATE KEY-----"
                },
            },
            error => unreadable(path, &error, KEY),
        })
    }

    /// Which versions there are now. Blocks.
    pub(super) fn stamp(&self) -> PairStamp {
        PairStamp([&self.certificate, &self.key].map(|path| {
            let file = fs::metadata(path).ok()?;
            #[cfg(unix)]
            let id = {
                use std::os::unix::fs::MetadataExt;
                (file.dev(), file.ino(), file.ctime())
            };
            #[cfg(not(unix))]
            let id = (0, 0, 0);
            Some((file.len(), file.modified().ok(), id))
        }))
    }
}

/// The certificates in a PEM file; at least one.
pub(super) fn certificates(
    path: &Path,
    expected: &'static str,
) -> Result<Vec<CertificateDer<'static>>, Bad> {
    let text = read(path, expected)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let all = all.map_err(|error| unreadable(path, &error, expected))?;
    if all.is_empty() {
        return Err(Bad::Missing {
            path: path.to_owned(),
            expected: "certificate",
            hint: if contains(&text, b"PRIVATE KEY") {
                ", but a private key; are the two files swapped?"
            } else {
                "; expected a PEM file, which begins with -----BEGIN CERTIFICATE-----"
            },
        });
    }
    Ok(all)
}

fn read(path: &Path, expected: &'static str) -> Result<Vec<u8>, Bad> {
    fs::read(path).map_err(|error: io::Error| unreadable(path, &error, expected))
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display, expected: &'static str) -> Bad {
    Bad::Unreadable {
        path: path.to_owned(),
        error: error.to_string(),
        expected,
    }
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|it| it == what)
}
