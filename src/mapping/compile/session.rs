//! Sign-in styles.

use std::time::Duration;

use serde_json::Value;

use crate::mapping::compile::body::explicit_body;
use crate::mapping::compile::context::Context;
use crate::mapping::compile::oauth2::oauth2;
use crate::mapping::compile::request::statuses;
use crate::mapping::compile::variables::{FAILURE, SIGN_IN, TOKEN};
use crate::mapping::diagnostic::{exclusive, missing_field, wrong_value};
use crate::mapping::file::api::{Auth, Basic, SendToken, Session};
use crate::mapping::file::reader::At;
use crate::mapping::file::scalar::Tpl;
use crate::mapping::model;
use crate::mapping::model::{RequestBody, SignIn, TokenPlace};
use crate::mapping::template::Template;
use crate::native::message::Method;
use crate::native::path::NativePath;

const LIFETIME: Duration = Duration::from_mins(30);

/// Compiles `api.auth`. `messages` is where failures have their message. `None` after a fault.
pub(crate) fn sign_in(
    auth: &Auth,
    messages: &[NativePath],
    context: &mut Context,
) -> Option<SignIn> {
    let given = [
        ("bearer", auth.bearer.is_some()),
        ("basic", auth.basic.is_some()),
        ("header", auth.header.is_some()),
        ("query", auth.query.is_some()),
        ("oauth2", auth.oauth2.is_some()),
        ("session", auth.session.is_some()),
    ];
    let given: Vec<&str> =
        given.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
    if given.len() != 1 {
        // A style that was read with a fault has already been told.
        if !given.is_empty() || !context.faults.has_errors() {
            let styles = "bearer, basic, header, query, oauth2, session";
            context.faults.push(exclusive(auth.at, "auth", styles, &given.join(", ")));
        }
        return None;
    }
    if let Some(bearer) = &auth.bearer {
        return context.template(bearer, &SIGN_IN).map(SignIn::Bearer);
    }
    if let Some(basic) = &auth.basic {
        return self::basic(basic, context);
    }
    if let Some(header) = &auth.header {
        let name = context.header_name(&header.value, header.at);
        let value = value(auth, context);
        return Some(SignIn::Header { name: name.map(|_| header.value.clone())?, value: value? });
    }
    if let Some(query) = &auth.query {
        return Some(SignIn::Query { name: query.value.clone(), value: value(auth, context)? });
    }
    if let Some(oauth2) = &auth.oauth2 {
        return self::oauth2(oauth2, context).map(|oauth2| SignIn::OAuth2(Box::new(oauth2)));
    }
    let session = auth.session.as_ref()?;
    self::session(session, messages, context).map(|session| SignIn::Session(Box::new(session)))
}

fn value(auth: &Auth, context: &mut Context) -> Option<Template> {
    match &auth.value {
        Some(value) => context.template(value, &SIGN_IN),
        None => context.missing(missing_field(auth.at, "auth", "value")),
    }
}

fn basic(basic: &Basic, context: &mut Context) -> Option<SignIn> {
    let username = context.template(&basic.username, &SIGN_IN);
    let password = match &basic.password {
        Some(password) => context.template(password, &SIGN_IN),
        None => Some(Template::constant("")),
    };
    Some(SignIn::Basic { username: username?, password: password? })
}

fn session(
    session: &Session,
    messages: &[NativePath],
    context: &mut Context,
) -> Option<model::Session> {
    let (method, path) = verb(session, context)?;
    let path = context.url_path(path, &SIGN_IN);
    let headers = context.headers(&session.headers, &SIGN_IN);
    let body = match &session.body {
        None => Some(RequestBody::None),
        Some(body) => explicit_body(body, &SIGN_IN, context),
    };
    let token = context.locator(&session.token);
    let expires = match &session.expires {
        None => Some(None),
        Some(expires) => context.locator(expires).map(Some),
    };
    let send = send(session.send.as_ref(), context);
    let renew_on = match &session.renew_on {
        None => vec![401],
        Some(written) => statuses(written, "renew_on", context),
    };
    let renew_when = match &session.renew_when {
        None => Some(None),
        Some(written) => context.expression(written, &FAILURE).map(Some),
    };
    Some(model::Session {
        method,
        path: path?,
        headers,
        body: match body? {
            RequestBody::Tree(tree) | RequestBody::Frame(tree) => Some(tree),
            RequestBody::None | RequestBody::FromRows => None,
        },
        encoding: session.encode.unwrap_or(model::Encoding::Json),
        token: token?,
        expires: expires?,
        lifetime: session.lifetime.unwrap_or(LIFETIME),
        send: send?,
        renew_on,
        renew_when: renew_when?,
        messages: messages.to_vec(),
    })
}

fn verb<'s>(session: &'s Session, context: &mut Context) -> Option<(Method, &'s Tpl)> {
    let verbs = [
        ("post", Method::Post, &session.post),
        ("get", Method::Get, &session.get),
        ("put", Method::Put, &session.put),
        ("patch", Method::Patch, &session.patch),
    ];
    let given: Vec<_> = verbs
        .iter()
        .filter_map(|(name, method, path)| Some((*name, *method, path.as_ref()?)))
        .collect();
    if let [(_, method, path)] = given.as_slice() {
        return Some((*method, *path));
    }
    let found: Vec<&str> = given.iter().map(|(name, ..)| *name).collect();
    let fault = exclusive(session.at, "a session", "post, get, put, patch", &found.join(", "));
    if found.is_empty() { context.missing(fault) } else { context.fault(fault) }
}

/// Where the token goes: `Authorization: Bearer {token}` unless the file says.
fn send(written: Option<&SendToken>, context: &mut Context) -> Option<TokenPlace> {
    let Some(send) = written else {
        let bearer = Template::compile("Bearer {token}").ok()?;
        return Some(TokenPlace::Header("Authorization".to_owned(), bearer));
    };
    let plain = Tpl(At { value: Value::from("{token}"), at: send.at });
    let value = context.template(send.value.as_ref().unwrap_or(&plain), &TOKEN)?;
    match (&send.header, &send.query, &send.cookie, &send.body) {
        (Some(header), None, None, None) => {
            context.header_name(&header.value, header.at)?;
            Some(TokenPlace::Header(header.value.clone(), value))
        }
        (None, Some(query), None, None) => Some(TokenPlace::Query(query.value.clone(), value)),
        (None, None, Some(cookie), None) => Some(TokenPlace::Cookie(cookie.value.clone(), value)),
        (None, None, None, Some(body)) => {
            let members: Vec<String> = body.value.split('.').map(str::to_owned).collect();
            if members.iter().any(|name| name.is_empty() || name.starts_with('$')) {
                let message = "expected names of members, joined by dots";
                return context.fault(wrong_value(body.at, "body", message));
            }
            Some(TokenPlace::Body(members, value))
        }
        _ => {
            let given = [
                ("header", send.header.is_some()),
                ("query", send.query.is_some()),
                ("cookie", send.cookie.is_some()),
                ("body", send.body.is_some()),
            ];
            let given: Vec<&str> =
                given.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
            let places = "header, query, cookie, body";
            let fault = exclusive(send.at, "send", places, &given.join(", "));
            context.fault(fault)
        }
    }
}
