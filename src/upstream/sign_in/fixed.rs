//! Credentials that stay the same: bearer (RFC 6750), basic (RFC 7617), a key in a header or in a
//! query parameter.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::mapping::template::Template;
use crate::upstream::setup::{self, Setup, UpstreamSetupError};
use crate::upstream::sign_in::credential::Credential;

/// `Authorization: Bearer …`.
pub(crate) fn bearer(token: &Template, setup: Setup<'_>) -> Result<Credential, UpstreamSetupError> {
    let token = setup.required("auth.bearer", token)?;
    authorization("auth.bearer", &format!("Bearer {token}"))
}

/// `Authorization: Basic …`; the password may be empty.
pub(crate) fn basic(
    username: &Template,
    password: &Template,
    setup: Setup<'_>,
) -> Result<Credential, UpstreamSetupError> {
    let username = setup.required("auth.basic.username", username)?;
    if username.contains(':') {
        return Err(setup::unsendable("auth.basic.username", "it must not contain a colon"));
    }
    let password = setup.text("auth.basic.password", password)?.unwrap_or_default();
    let pair = STANDARD.encode(format!("{username}:{password}"));
    authorization("auth.basic", &format!("Basic {pair}"))
}

/// A key in a header.
pub(crate) fn header(
    name: &str,
    value: &Template,
    setup: Setup<'_>,
) -> Result<Credential, UpstreamSetupError> {
    let value = setup.required("auth.value", value)?;
    let (name, value) = setup::header("auth.header", name, &value)?;
    Ok(Credential::Header(name, value))
}

/// A key in a query parameter.
pub(crate) fn query(
    name: &str,
    value: &Template,
    setup: Setup<'_>,
) -> Result<Credential, UpstreamSetupError> {
    Ok(Credential::query(name, setup.required("auth.value", value)?))
}

fn authorization(field: &str, value: &str) -> Result<Credential, UpstreamSetupError> {
    let (name, value) = setup::header(field, "authorization", value)?;
    Ok(Credential::Header(name, value))
}
