//! Certificates and keys, as PEM (RFC 7468) in the configuration or in a file.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretString};

use crate::mapping::template::Template;
use crate::upstream::setup::{self, Setup, UpstreamSetupError};

/// The certificates of a template's value; at least one.
pub(crate) fn certificates(
    field: &str,
    template: &Template,
    setup: Setup<'_>,
) -> Result<Vec<CertificateDer<'static>>, UpstreamSetupError> {
    let text = text(field, template, setup)?;
    let found = CertificateDer::pem_slice_iter(text.expose_secret().as_bytes());
    let found: Vec<_> = found
        .collect::<Result<_, _>>()
        .map_err(|_| setup::unusable(field, "it is not a certificate in PEM"))?;
    if found.is_empty() {
        return Err(setup::unusable(field, "it holds no certificate in PEM"));
    }
    Ok(found)
}

/// The private key of a template's value.
pub(crate) fn key(
    field: &str,
    template: &Template,
    setup: Setup<'_>,
) -> Result<PrivateKeyDer<'static>, UpstreamSetupError> {
    let text = text(field, template, setup)?;
    PrivateKeyDer::from_pem_slice(text.expose_secret().as_bytes())
        .map_err(|_| setup::unusable(field, "it holds no unencrypted private key in PEM"))
}

fn text(
    field: &str,
    template: &Template,
    setup: Setup<'_>,
) -> Result<SecretString, UpstreamSetupError> {
    let given = SecretString::from(setup.required(field, template)?);
    if given.expose_secret().contains("-----BEGIN ") {
        // Environment files often have no other way to write the end of a line.
        return Ok(given.expose_secret().replace("\\n", "\n").into());
    }
    let file = std::fs::read_to_string(given.expose_secret().trim());
    file.map(SecretString::from)
        .map_err(|source| UpstreamSetupError::File { field: field.to_owned(), source })
}
