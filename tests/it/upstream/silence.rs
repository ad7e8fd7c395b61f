//! What errors say, and what they never show.
#![cfg(test)]

use std::time::Duration;

use scimbridge::exchange::upstream::{Upstream, UpstreamError};
use scimbridge::mapping::body_template::BodyTemplate;
use scimbridge::mapping::model::{Api, Encoding, Session, SignIn};
use scimbridge::native::message::NativeRequest;
use serde_json::json;
use tokio::net::TcpListener;

use crate::upstream::client::{
    HandClock, SECRET, api, build, call, chain, get, pairs, session, template, upstream,
};
use crate::upstream::server::{Server, dropped};

#[tokio::test]
async fn secrets_are_never_shown() {
    let server = Server::start(|_, _| dropped()).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    for base_url in [server.origin.as_str(), &nowhere] {
        let mut api = api(base_url);
        api.sign_in = SignIn::Query { name: "key".to_owned(), value: template("{config.secret}") };
        api.headers = vec![("X-Key".to_owned(), template("{config.secret}"))];
        let upstream = upstream(&api);
        let mut private = get("/users/ada.lovelace");
        private.query = pairs(&[("mail", "ada.lovelace")]);
        let shown = chain(&upstream.call(private).await.unwrap_err());
        let shown = format!("{shown}{upstream:?}");
        assert!(!shown.contains(SECRET) && !shown.contains("lovelace"), "{shown}");
    }
}

#[tokio::test]
async fn tls_is_not_spoken_to_those_who_do_not() {
    let server = Server::playing(vec![]).await;
    let api = api(&server.origin.replace("http:", "https:"));
    let outcome =
        call(&api, NativeRequest { timeout: Some(Duration::from_secs(1)), ..get("/") }).await;
    let failed = matches!(outcome, Err(UpstreamError::Unreachable(_) | UpstreamError::TimedOut));
    assert!(failed, "{outcome:?}");
}

#[track_caller]
fn unusable(change: impl Fn(&mut Api), expected: &str) {
    let mut api = api("https://app.example");
    change(&mut api);
    let error = build(&api, HandClock::new()).unwrap_err();
    assert_eq!(error.to_string(), expected);
    assert!(!chain(&error).contains(SECRET) && !chain(&error).contains("a:b"));
}

#[tokio::test]
async fn set_up_wrongly() {
    unusable(|api| api.base_url = template("app.example"), "api.base_url is not an absolute URL");
    unusable(
        |api| api.base_url = template("https://svc:{config.secret}@app.example"),
        "api.base_url must not contain credentials",
    );
    unusable(
        |api| api.headers = vec![("Content-Length".to_owned(), template("{config.secret}"))],
        "api.headers.Content-Length cannot be sent: it is not a usable header",
    );
    unusable(
        |api| api.sign_in = SignIn::Bearer(template("{config.none}")),
        "api.auth.bearer is empty",
    );
    unusable(
        |api| {
            let username = template("{config.colon}");
            api.sign_in = SignIn::Basic { username, password: template("{config.secret}") };
        },
        "api.auth.basic.username cannot be sent: it must not contain a colon",
    );
    unusable(
        |api| api.sign_in = SignIn::Bearer(template("{nobody}")),
        "api.auth.bearer cannot be evaluated",
    );
    unusable(
        |api| {
            let body = BodyTemplate::compile(&json!(["{config.secret}"])).unwrap();
            let encoding = Encoding::Form;
            api.sign_in =
                SignIn::Session(Box::new(Session { body: Some(body), encoding, ..session() }));
        },
        "api.auth.session.body cannot be sent: a form is an object of texts and numbers",
    );
}
