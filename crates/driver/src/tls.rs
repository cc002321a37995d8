//! Setting up TLS, the same for every driver: whom we trust, who we are, and what a failed handshake means for a person.
//!
//! The provider is aws-lc-rs, given to each configuration by hand; nothing is installed for the whole process. There is no way to
//! trust everybody. Nothing is connected to here.

use crate::secret::Secret;
use aws_lc_rs::digest;
pub use rustls::ClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs as provider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::fmt;
use std::io;
use std::sync::Arc;

/// The SHA-256 of a certificate: what `openssl x509 -noout -fingerprint -sha256` prints.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// Reads 64 hexadecimal digits, with or without colons, in either case. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut digits = text.trim().chars().filter(|c| *c != ':').map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()));
        let mut bytes = [0; 32];
        for byte in &mut bytes {
            *byte = (digits.next()?? << 4) | digits.next()??;
        }
        digits.next().is_none().then_some(Self(bytes))
    }

    /// That of a certificate in DER.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
        Self(bytes)
    }
}

/// As openssl prints it.
impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if index == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whose certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The certificate authorities this machine trusts.
    System,
    /// Only these certificate authorities, as PEM text.
    Authorities(String),
    /// Only this one certificate, whatever name it bears and however old it is. For appliances that signed their own.
    Pinned(Thumbprint),
}

/// Who we are, where the other end wants to know.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Our certificate and those between it and the authority, as PEM text.
    pub certificates: String,
    /// Its private key, as PEM text without a passphrase.
    pub key: Secret,
}

/// Why TLS cannot be set up. Each is for a person to mend.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The machine's own list is empty.
    #[error("this machine trusts no certificate authority: install the package ca-certificates, or name one")]
    NoSystemAuthorities,
    /// The PEM text holds none, or something that is none.
    #[error("what is named as certificate authority holds no certificate in PEM")]
    NoAuthority,
    /// Our certificate cannot be read.
    #[error("what is named as our certificate holds no certificate in PEM")]
    NoCertificate,
    /// Our key cannot be read.
    #[error("what is named as our key holds no private key in PEM without a passphrase")]
    NoKey,
    /// They cannot be used together.
    #[error("TLS cannot be set up with these certificates")]
    Unusable(#[source] rustls::Error),
}

/// A configuration for connecting as a client, TLS 1.2 and 1.3.
///
/// # Errors
/// As [`TlsError`] says; nothing was connected to.
pub fn client(trust: &Trust, identity: Option<&Identity>) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(provider::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?;
    let builder = match trust {
        Trust::System => builder.with_webpki_verifier(authorities(system()?, &provider)?),
        Trust::Authorities(pem) => builder.with_webpki_verifier(authorities(named(pem)?, &provider)?),
        Trust::Pinned(thumbprint) => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Pinned { thumbprint: *thumbprint, provider }))
        }
    };
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain: Vec<_> = certificates(&identity.certificates).ok_or(TlsError::NoCertificate)?;
            let key = PrivateKeyDer::from_pem_slice(identity.key.reveal().as_bytes()).map_err(|_| TlsError::NoKey)?;
            builder.with_client_auth_cert(chain, key).map_err(TlsError::Unusable)?
        }
    };
    Ok(Arc::new(config))
}

/// What a person must mend about a failed handshake or connection; `None` where it failed for another reason, such as silence.
#[must_use]
pub fn distrust(error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let message = match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => match other.0.downcast_ref::<Another>() {
            Some(another) => another.to_string(),
            // What openssl makes by default when a certificate signs itself, for one.
            None => format!("its certificate cannot be believed ({other}): did it sign that itself?"),
        },
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its certificate is signed by nobody we trust".to_owned()
        }
        rustls::Error::InvalidCertificate(reason) => format!("its certificate cannot be believed: {reason}"),
        rustls::Error::AlertReceived(alert) => format!("it ended the handshake with {alert:?}: does it want our certificate?"),
        rustls::Error::PeerIncompatible(_) => "it speaks no TLS that is safe today (1.2 or 1.3)".to_owned(),
        _ => return None,
    };
    Some(message)
}

fn system() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    // Some machines carry one that cannot be parsed; the others count.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(TlsError::NoSystemAuthorities) } else { Ok(roots) }
}

fn named(pem: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem).ok_or(TlsError::NoAuthority)? {
        roots.add(certificate).map_err(TlsError::Unusable)?;
    }
    Ok(roots)
}

/// All of a PEM text; `None` if there are none, or one is broken.
fn certificates(pem: &str) -> Option<Vec<CertificateDer<'static>>> {
    let read: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().ok()?;
    if read.is_empty() { None } else { Some(read) }
}

fn authorities(roots: RootCertStore, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    builder.build().map_err(|_| TlsError::NoAuthority)
}

/// Believes one certificate, and only with proof that the other end has its key.
#[derive(Debug)]
struct Pinned {
    thumbprint: Thumbprint,
    provider: Arc<CryptoProvider>,
}

/// Another certificate than the one named.
#[derive(Debug, thiserror::Error)]
#[error("its certificate is not the one named here: its SHA-256 is {0}")]
struct Another(Thumbprint);

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found = Thumbprint::of(end_entity);
        if found == self.thumbprint {
            return Ok(ServerCertVerified::assertion());
        }
        let reason = CertificateError::Other(rustls::OtherError(Arc::new(Another(found))));
        Err(rustls::Error::InvalidCertificate(reason))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbprint_is_read_as_openssl_prints_it_and_shown_so() {
        // `printf abc | openssl dgst -sha256`
        let digits = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let expected = Thumbprint::of(b"abc");
        assert_eq!(Thumbprint::parse(digits), Some(expected));
        assert_eq!(Thumbprint::parse(&expected.to_string()), Some(expected));
        assert!(expected.to_string().starts_with("BA:78:16:BF:"));
        for wrong in ["", "ba78", &format!("{digits}0"), &digits.replace('b', "g"), "ä"] {
            assert_eq!(Thumbprint::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_holds_no_certificate_is_refused_and_no_key_is_shown() {
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for pem in ["", "hello", garbage, "-----BEGIN CERTIFICATE-----\n"] {
            assert!(client(&Trust::Authorities(pem.to_owned()), None).is_err(), "{pem}");
        }
        let identity = Identity { certificates: String::new(), key: Secret::new("s3cret".to_owned()) };
        let pinned = Trust::Pinned(Thumbprint::of(b"abc"));
        assert!(matches!(client(&pinned, Some(&identity)), Err(TlsError::NoCertificate)));
        assert!(client(&pinned, None).is_ok());
        assert!(!format!("{identity:?}").contains("s3cret"));
    }
}
