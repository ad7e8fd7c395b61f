//! OAuth 2.0 sign-in: which fields a grant and a client's authentication need.

use std::time::Duration;

use serde_json::Value;

use crate::mapping::access;
use crate::mapping::access::{ClientAuth, Grant, JwtAlgorithm};
use crate::mapping::compile::context::Context;
use crate::mapping::compile::variables::SIGN_IN;
use crate::mapping::diagnostic::{missing_field, wrong_value};
use crate::mapping::file::api::{Assertion, ClientAuthWord, GrantWord, OAuth2};
use crate::mapping::file::reader::Entries;
use crate::mapping::file::scalar::Tpl;
use crate::mapping::template::Template;

const LEEWAY: Duration = Duration::from_mins(1);
const ASSERTION_LIFETIME: Duration = Duration::from_mins(5);

/// Form fields that have a field of their own, or are the bridge's business.
const FORM: [&str; 11] = [
    "assertion",
    "audience",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "grant_type",
    "password",
    "refresh_token",
    "scope",
    "username",
];

/// The same among claims.
const CLAIMS: [&str; 6] = ["aud", "exp", "iat", "iss", "jti", "sub"];

/// The same in an assertion's header.
const JOSE: [&str; 1] = ["alg"];

/// Compiles `oauth2`. `None` after a fault.
pub(crate) fn oauth2(oauth2: &OAuth2, context: &mut Context) -> Option<access::OAuth2> {
    let token_url = token_url(&oauth2.token_url, context);
    let client_id = optional(oauth2.client_id.as_ref(), context);
    let scope = optional(oauth2.scope.as_ref(), context);
    let audience = optional(oauth2.audience.as_ref(), context);
    let params = further(&oauth2.params, &FORM, context);
    let assertion = match &oauth2.assertion {
        None => Some(None),
        Some(written) => assertion(written, context).map(Some),
    };
    let (grant, client) = (grant(oauth2, context), client(oauth2, context));
    Some(access::OAuth2 {
        token_url: token_url?,
        grant: grant?,
        client: client?,
        client_id: client_id?,
        scope: scope?,
        audience: audience?,
        params,
        assertion: assertion?,
        leeway: oauth2.leeway.unwrap_or(LEEWAY),
    })
}

/// A URL of its own; what its holes give is judged when the bridge starts.
fn token_url(written: &Tpl, context: &mut Context) -> Option<Template> {
    let Value::String(text) = &written.0.value else {
        return context.fault(wrong_value(written.0.at, "token_url", "expected an absolute URL"));
    };
    if !["https://", "http://", "{"].iter().any(|start| text.starts_with(start)) {
        return context.fault(wrong_value(written.0.at, "token_url", "expected an absolute URL"));
    }
    context.template(written, &SIGN_IN)
}

fn grant(oauth2: &OAuth2, context: &mut Context) -> Option<Grant> {
    match oauth2.grant.unwrap_or(GrantWord::ClientCredentials) {
        GrantWord::ClientCredentials => {
            present(oauth2.client_id.is_some(), "client_id", oauth2, context)?;
            Some(Grant::ClientCredentials)
        }
        GrantWord::RefreshToken => {
            needed(oauth2.refresh_token.as_ref(), "refresh_token", oauth2, context)
                .map(Grant::RefreshToken)
        }
        GrantWord::Password => {
            let username = needed(oauth2.username.as_ref(), "username", oauth2, context);
            let password = needed(oauth2.password.as_ref(), "password", oauth2, context);
            Some(Grant::Password { username: username?, password: password? })
        }
        GrantWord::JwtBearer => {
            present(oauth2.assertion.is_some(), "assertion", oauth2, context)?;
            Some(Grant::JwtBearer)
        }
    }
}

fn client(oauth2: &OAuth2, context: &mut Context) -> Option<ClientAuth> {
    let secret = optional(oauth2.client_secret.as_ref(), context)?;
    match oauth2.client_auth.unwrap_or(ClientAuthWord::Body) {
        ClientAuthWord::Body => Some(ClientAuth::Body(secret)),
        ClientAuthWord::Basic => {
            present(oauth2.client_id.is_some(), "client_id", oauth2, context)?;
            Some(ClientAuth::Basic(secret))
        }
        ClientAuthWord::PrivateKeyJwt => {
            present(oauth2.client_id.is_some(), "client_id", oauth2, context)?;
            present(oauth2.assertion.is_some(), "assertion", oauth2, context)?;
            Some(ClientAuth::PrivateKeyJwt)
        }
    }
}

fn assertion(written: &Assertion, context: &mut Context) -> Option<access::Assertion> {
    let key = context.template(&written.key, &SIGN_IN);
    let issuer = optional(written.iss.as_ref(), context);
    let subject = optional(written.sub.as_ref(), context);
    let audience = optional(written.aud.as_ref(), context);
    Some(access::Assertion {
        key: key?,
        algorithm: written.alg.unwrap_or(JwtAlgorithm::Rs256),
        issuer: issuer?,
        subject: subject?,
        audience: audience?,
        lifetime: written.lifetime.unwrap_or(ASSERTION_LIFETIME),
        claims: further(&written.claims, &CLAIMS, context),
        headers: further(&written.headers, &JOSE, context),
    })
}

/// Names that the file chooses itself, other than those that are taken.
fn further(
    entries: &Entries<Tpl>,
    taken: &[&str],
    context: &mut Context,
) -> Vec<(String, Template)> {
    for (key, _) in entries.0.iter().filter(|(key, _)| taken.contains(&key.name.as_str())) {
        let message = "the bridge sets it, or it has a field of its own";
        context.faults.push(wrong_value(key.at, &key.name, message));
    }
    context.templates(entries, &SIGN_IN)
}

#[expect(clippy::option_option, reason = "outside: a fault; inside: not given")]
fn optional(written: Option<&Tpl>, context: &mut Context) -> Option<Option<Template>> {
    match written {
        None => Some(None),
        Some(written) => context.template(written, &SIGN_IN).map(Some),
    }
}

fn needed(
    written: Option<&Tpl>,
    field: &str,
    oauth2: &OAuth2,
    context: &mut Context,
) -> Option<Template> {
    present(written.is_some(), field, oauth2, context)?;
    context.template(written?, &SIGN_IN)
}

fn present(there: bool, field: &str, oauth2: &OAuth2, context: &mut Context) -> Option<()> {
    if there {
        return Some(());
    }
    context.missing(missing_field(oauth2.at, "oauth2", field))
}
