//! TLS on the SCIM port: rustls, TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1, and client certificates
//! where they are asked for.
//!
//! A configuration is read and checked as a whole before it is used, and belongs to what a reload
//! replaces in one step: connections that are open keep the one they began with. Clients that
//! resume a session of before begin a new one.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pingora::listeners::tls::Acceptor;
use pingora::protocols::Stream;
use pingora::protocols::l4::stream::Stream as Raw;
use rustls::crypto::ring;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest as _, Sha256};

/// The protocols that are offered, the better one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Where certificates and keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The bridge's certificate and those between it and its root, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM, not encrypted.
    pub key: PathBuf,
    /// Roots that clients' certificates must come from, in PEM, and whether clients need one.
    pub clients: Option<(PathBuf, ClientAuth)>,
}

/// Whether clients need a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// Without one there is no connection.
    Required,
    /// One that is shown must be good; none is as well.
    Optional,
}

impl TlsFiles {
    /// Every file.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let clients = self.clients.as_ref().map(|(path, _)| path.as_path());
        [self.certificate.as_path(), &self.key].into_iter().chain(clients)
    }
}

/// Certificates and keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("listen.tls: {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("listen.tls: {} holds no {wanted} in PEM", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
    /// Certificate and key do not go together, or are of no use.
    #[error("listen.tls: certificate and key cannot be used together")]
    Unusable(#[source] rustls::Error),
    /// A root cannot be used.
    #[error("listen.tls: client_ca cannot be used")]
    Root(#[source] rustls::Error),
    /// Client certificates cannot be checked.
    #[error("listen.tls: client_ca cannot be used")]
    Clients(#[source] VerifierBuilderError),
}

/// What TLS connections are accepted with.
pub struct Tls {
    acceptor: Acceptor,
    print: [u8; 32],
}

impl Tls {
    /// Reads and checks the files.
    ///
    /// # Errors
    /// A file cannot be read, or does not hold what it should, or they do not go together.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let mut print = Sha256::new();
        let mut read = |path: &Path| {
            let content = std::fs::read(path)
                .map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })?;
            print.update(content.len().to_le_bytes());
            print.update(&content);
            Ok(content)
        };
        let chain = certificates(&files.certificate, &read(&files.certificate)?)?;
        let key = key(&files.key, &read(&files.key)?)?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(TlsError::Unusable)?;
        let builder = match &files.clients {
            None => builder.with_no_client_auth(),
            Some((path, auth)) => {
                let mut roots = RootCertStore::empty();
                for root in certificates(path, &read(path)?)? {
                    roots.add(root).map_err(TlsError::Root)?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = match auth {
                    ClientAuth::Required => verifier,
                    ClientAuth::Optional => verifier.allow_unauthenticated(),
                };
                builder.with_client_cert_verifier(verifier.build().map_err(TlsError::Clients)?)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(TlsError::Unusable)?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        if files.clients.as_ref().is_some_and(|(_, auth)| *auth == ClientAuth::Optional) {
            print.update(b"optional");
        }
        let acceptor = Acceptor::from_server_config(Arc::new(config));
        Ok(Self { acceptor, print: print.finalize().into() })
    }

    /// Shakes hands over a new connection; `None` when that fails, which is the client's to know.
    pub(crate) async fn accept(&self, stream: Raw) -> Option<Stream> {
        match self.acceptor.tls_handshake(stream).await {
            Ok(stream) => Some(Box::new(stream)),
            Err(error) => {
                tracing::debug!(%error, "no TLS connection came about");
                None
            }
        }
    }
}

/// Two are equal when they were made of the same files.
impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.print == other.print
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tls(…)")
    }
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let missing = || TlsError::Missing { path: path.to_owned(), wanted: "certificate" };
    let found: Result<Vec<_>, PemError> = CertificateDer::pem_slice_iter(pem).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(missing)
}

fn key(path: &Path, pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    let wanted = "private key that is not encrypted";
    let missing = |_| TlsError::Missing { path: path.to_owned(), wanted };
    PrivateKeyDer::from_pem_slice(pem).map_err(missing)
}
