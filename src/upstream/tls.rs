//! TLS as the mapping asks for it: certificates trusted besides the system's, a certificate of
//! the bridge's own, another name than the URL's, or no check at all.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion};
use rustls_platform_verifier::Verifier as SystemVerifier;

use crate::mapping::access::{Tls, TlsVersion};
use crate::upstream::pem;
use crate::upstream::setup::{self, Setup, UpstreamSetupError};

/// What every connection has where the mapping says nothing of TLS: it trusts whom the system does.
pub(crate) fn usual() -> Result<ClientConfig, UpstreamSetupError> {
    let unusable = |error: rustls::Error| UpstreamSetupError::Client(error.into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = SystemVerifier::new(Arc::clone(&provider)).map_err(unusable)?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = offered();
    Ok(config)
}

/// The configuration of every connection, as the mapping says. `host` is the host of `base_url`.
pub(crate) fn config(
    tls: &Tls,
    host: &str,
    setup: Setup<'_>,
) -> Result<ClientConfig, UpstreamSetupError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions: &[&SupportedProtocolVersion] = match tls.min {
        TlsVersion::V1_2 => &[&TLS13, &TLS12],
        TlsVersion::V1_3 => &[&TLS13],
    };
    let verifier = Verifier::new(tls, host, &provider, setup)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(UpstreamSetupError::Tls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &tls.identity {
        None => config.with_no_client_auth(),
        Some((cert, key)) => {
            let chain = pem::certificates("tls.cert", cert, setup)?;
            let key = pem::key("tls.key", key, setup)?;
            config.with_client_auth_cert(chain, key).map_err(UpstreamSetupError::Tls)?
        }
    };
    config.alpn_protocols = offered();
    Ok(config)
}

/// The protocols that servers may choose from.
fn offered() -> Vec<Vec<u8>> {
    vec![b"h2".to_vec(), b"http/1.1".to_vec()]
}

/// The system's verifier, perhaps with another name to look for, perhaps not asked at all.
#[derive(Debug)]
struct Verifier {
    system: SystemVerifier,
    identity: Identity,
}

/// Who the other side has to be.
#[derive(Debug)]
enum Identity {
    /// Who the URL names.
    Named,
    /// At the first name, whoever has the second one.
    Renamed(ServerName<'static>, ServerName<'static>),
    /// Anybody.
    Unchecked,
}

impl Verifier {
    fn new(
        tls: &Tls,
        host: &str,
        provider: &Arc<CryptoProvider>,
        setup: Setup<'_>,
    ) -> Result<Self, UpstreamSetupError> {
        let extra = match &tls.ca {
            None => Vec::new(),
            Some(ca) => pem::certificates("tls.ca", ca, setup)?,
        };
        let system = SystemVerifier::new_with_extra_roots(extra, Arc::clone(provider))
            .map_err(UpstreamSetupError::Tls)?;
        Ok(Self { system, identity: Identity::new(tls, host, setup)? })
    }
}

impl Identity {
    fn new(tls: &Tls, host: &str, setup: Setup<'_>) -> Result<Self, UpstreamSetupError> {
        if !tls.verify {
            tracing::warn!(
                "api.tls.verify is false: no certificate is checked, and whoever is on the way to \
                 the application can read and change everything, the bridge's credentials included"
            );
            return Ok(Self::Unchecked);
        }
        let Some(name) = &tls.server_name else {
            return Ok(Self::Named);
        };
        let field = "tls.server_name";
        let name = ServerName::try_from(setup.required(field, name)?)
            .map_err(|_| setup::unusable(field, "it is not the name of a host"))?;
        // Brackets are how URLs write IPv6 addresses.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let host = ServerName::try_from(host);
        let host = host.map_err(|_| UpstreamSetupError::BaseUrl("has no usable host"))?;
        Ok(Self::Renamed(host, name))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let name = match &self.identity {
            Identity::Unchecked => return Ok(ServerCertVerified::assertion()),
            // A token endpoint on another host has a name of its own.
            Identity::Renamed(host, name) if host == server_name => name,
            Identity::Renamed(..) | Identity::Named => server_name,
        };
        self.system.verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.system.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.system.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.system.supported_verify_schemes()
    }
}
