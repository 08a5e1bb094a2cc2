//! Whose certificates are believed.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

/// Looks at the signature on the handshake in any case, so that what is spoken is TLS.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) believed: Believed,
}

#[derive(Debug)]
pub(super) enum Believed {
    /// Whoever holds a certificate's key: no name, no date and no signature on it is looked at.
    Anyone,
    /// These, and whoever one of them has signed for. One that was given itself is believed whatever it says of
    /// itself: what `openssl req -x509` makes says that it signs others, and that it serves under a name is then
    /// not believed by the book (RFC 5280, 4.2.1.9).
    These {
        given: Vec<CertificateDer<'static>>,
        signers: Option<Arc<WebPkiServerVerifier>>,
    },
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.believed {
            Believed::Anyone => Ok(ServerCertVerified::assertion()),
            Believed::These { given, .. } if given.contains(shown) => {
                Ok(ServerCertVerified::assertion())
            }
            Believed::These { signers, .. } => match signers {
                Some(signers) => signers.verify_server_cert(shown, between, name, ocsp, now),
                None => Err(CertificateError::UnknownIssuer.into()),
            },
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
