//! The doors of tenants: where they are, who may come, who is let in, and how many at a time.
#![cfg(test)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use scimbridge::auth::jwk::Algorithm;
use scimbridge::auth::jwt::Demands;
use scimbridge::config::settings::{Config, Door, Jwt};
use scimbridge::mapping::deletion::Deletion;
use scimbridge::upstream::jwks::Place;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::end_to_end::application::{Application, Gate, Reply, html, json as reply, whole};
use crate::end_to_end::bridge::{Bridge, PEOPLE, call, check_error, token};
use crate::http::{Answer, Connection, send};

/// Longest wait for what happens in the background; a slow machine is no failure.
const PATIENCE: Duration = Duration::from_secs(30);

async fn nobody_at_home() -> Application {
    Application::start(|_| reply(200, &json!({ "id": 7, "login": "ada" }))).await
}

/// Asks for a user at another host than the address.
async fn ask_at(bridge: &Bridge, host: &str, target: &str, token: &str) -> Answer {
    let head =
        format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n");
    let mut connection = Connection::open(bridge.address).await;
    connection.write(head.as_bytes()).await;
    connection.answer("GET").await.expect("an answer")
}

/// Asks for a user with more headers.
async fn ask(bridge: &Bridge, target: &str, token: &str, headers: &[(&str, &str)]) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [&[("Authorization", bearer.as_str())], headers].concat();
    send(bridge.address, "GET", target, &headers, b"").await
}

#[tokio::test]
async fn tenants_are_told_apart_by_host_and_path() {
    let application = nobody_at_home().await;
    let tenants = [("main", ""), ("acme", ""), ("acmeqa", "/qa"), ("globex", "/globex")];
    let set = |config: &mut Config| {
        for index in [1, 2] {
            config.tenants[index].door.host = Some("acme.test".to_owned());
        }
    };
    let bridge = Bridge::configured(&tenants, PEOPLE, &application.origin, set).await;
    for (host, target, owner) in [
        ("acme.test", "/scim/v2/Users/7", "acme"),
        ("ACME.test:8443", "/Users/7", "acme"),
        ("acme.test", "/qa/scim/v2/Users/7", "acmeqa"),
        ("scim.test", "/Users/7", "main"),
        ("scim.test", "/globex/Users/7", "globex"),
        ("xacme.test", "/Users/7", "main"),
    ] {
        for (name, _) in tenants {
            let answer = ask_at(&bridge, host, target, &token(name)).await;
            let expected = if name == owner { 200 } else { 401 };
            assert_eq!(answer.status, expected, "{name} at {host}{target}: {answer:?}");
            if name == owner {
                let location = answer.json()["meta"]["location"].as_str().unwrap().to_owned();
                assert!(location.starts_with(&format!("http://{host}/")), "{location}");
            }
        }
    }
    // At its host a tenant has all paths: that of another one leads nowhere.
    let elsewhere = ask_at(&bridge, "acme.test", "/globex/Users/7", &token("acme")).await;
    assert_eq!(elsewhere.status, 404);
    bridge.stop().await;
}

#[tokio::test]
async fn a_paused_tenant_tells_its_own_clients_alone() {
    let application = nobody_at_home().await;
    let tenants = [("main", ""), ("acme", "/acme")];
    let set = |config: &mut Config| config.tenants[1].door.paused = true;
    let bridge = Bridge::configured(&tenants, PEOPLE, &application.origin, set).await;
    let answer = ask(&bridge, "/acme/Users/7", &token("acme"), &[]).await;
    check_error(&answer, 503, "a paused tenant");
    assert_eq!(answer.header("retry-after"), Some("60"));
    assert_eq!(ask(&bridge, "/acme/Users/7", &token("main"), &[]).await.status, 401);
    assert_eq!(ask(&bridge, "/Users/7", &token("main"), &[]).await.status, 200);
    assert_eq!(application.calls().len(), 1);
    bridge.stop().await;
}

#[tokio::test]
async fn addresses_are_those_of_clients_only_where_a_proxy_is_trusted() {
    let application = nobody_at_home().await;
    let behind = |trusted: bool| {
        move |config: &mut Config| {
            config.tenants[0].door.allow_from = Some(vec!["203.0.113.0/24".parse().unwrap()]);
            if trusted {
                config.access.proxies.trusted = vec!["127.0.0.0/8".parse().unwrap()];
            }
        }
    };
    for (trusted, forwarded, status) in [
        (true, "203.0.113.9", 200),
        (true, "198.51.100.1", 403),
        (true, "203.0.113.9, 198.51.100.1", 403),
        (true, "198.51.100.1, 203.0.113.9", 200),
        (false, "203.0.113.9", 403),
    ] {
        let tenants = [("main", "")];
        let set = behind(trusted);
        let bridge = Bridge::configured(&tenants, PEOPLE, &application.origin, set).await;
        let headers = [("X-Forwarded-For", forwarded)];
        let answer = ask(&bridge, "/Users/7", &token("main"), &headers).await;
        let what = format!("{forwarded}, trusted: {trusted}");
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        if status == 403 {
            check_error(&answer, 403, &what);
            assert_eq!(answer.header("connection"), Some("close"), "{what}");
        }
        bridge.stop().await;
    }
}

#[tokio::test]
async fn who_fails_too_often_waits_and_who_has_a_token_does_not() {
    let application = nobody_at_home().await;
    let set = |config: &mut Config| {
        config.access.failures_per_minute = 3;
        config.access.proxies.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    };
    let bridge = Bridge::configured(&[("main", "")], PEOPLE, &application.origin, set).await;
    let from = |address: &'static str| [("X-Forwarded-For", address)];
    for _ in 0..3 {
        let answer = ask(&bridge, "/Users/7", "wrong", &from("192.0.2.1")).await;
        assert_eq!(answer.status, 401);
    }
    for target in ["/Users/7", "/scim/v2/Schemas"] {
        let answer = ask(&bridge, target, "wrong", &from("192.0.2.1")).await;
        check_error(&answer, 429, "a fourth failure");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=20).contains(&wait), "{wait}");
        assert_eq!(answer.header("connection"), Some("close"));
    }
    let answer = ask(&bridge, "/Users/7", &token("main"), &from("192.0.2.1")).await;
    assert_eq!(answer.status, 200, "a good token from the same address");
    let answer = ask(&bridge, "/Users/7", "wrong", &from("192.0.2.2")).await;
    assert_eq!(answer.status, 401, "another address");
    bridge.stop().await;
}

#[tokio::test]
async fn one_tenant_cannot_take_the_room_of_others() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let application = Application::start(move |call| {
        if call.target.ends_with("/9") {
            let body = json!({ "id": 9, "login": "bob" }).to_string();
            let json = [("Content-Type", "application/json")];
            return Reply::Held(Arc::clone(&held), whole(200, &json, &body));
        }
        reply(200, &json!({ "id": 7, "login": "ada" }))
    })
    .await;
    let tenants = [("main", ""), ("acme", "/acme")];
    let set = |config: &mut Config| {
        let door = Door { in_flight: Some(1), body_bytes: Some(100), ..Door::default() };
        config.tenants[1].door = door;
        config.tenants[1].max_results = Some(1);
    };
    let bridge = Bridge::configured(&tenants, PEOPLE, &application.origin, set).await;
    let address = bridge.address;
    let slow = tokio::spawn(async move {
        call(address, &token("acme"), "GET", "/acme/Users/9", None).await.status
    });
    gate.reached().await;
    let answer = ask(&bridge, "/acme/Users/7", &token("acme"), &[]).await;
    check_error(&answer, 429, "a second request");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(ask(&bridge, "/Users/7", &token("main"), &[]).await.status, 200);
    gate.open();
    assert_eq!(slow.await.unwrap(), 200);
    assert_eq!(ask(&bridge, "/acme/Users/7", &token("acme"), &[]).await.status, 200);

    let body = json!({ "userName": "x".repeat(200) });
    let large = call(address, &token("acme"), "POST", "/acme/Users", Some(&body)).await;
    check_error(&large, 413, "a body that others may send");
    let other = call(address, &token("main"), "POST", "/Users", Some(&body)).await;
    assert_ne!(other.status, 413);
    bridge.stop().await;
}

#[tokio::test]
async fn an_installation_may_refuse_deletions() {
    let application = nobody_at_home().await;
    let set = |config: &mut Config| {
        let deletions = &mut config.tenants[0].deletions;
        deletions.by_type.insert("User".to_owned(), Deletion::Refuse);
    };
    let bridge = Bridge::configured(&[("main", "")], PEOPLE, &application.origin, set).await;
    let answer = bridge.call("DELETE", "/Users/7", None).await;
    check_error(&answer, 501, "a deletion");
    assert!(application.calls().iter().all(|call| call.method != "DELETE"));
    bridge.stop().await;
}

/// An issuer with a description, a key set, and a key that can be changed.
struct Issuer {
    server: Application,
    key: Arc<Mutex<(String, Ed25519KeyPair)>>,
    is_away: Arc<AtomicBool>,
}

fn pair() -> Ed25519KeyPair {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap()
}

impl Issuer {
    async fn start() -> Self {
        let key = Arc::new(Mutex::new(("first".to_owned(), pair())));
        let is_away = Arc::new(AtomicBool::new(false));
        let (shown, away) = (Arc::clone(&key), Arc::clone(&is_away));
        let server = Application::start(move |call| {
            if away.load(Ordering::SeqCst) {
                return html(503, "later");
            }
            let origin = format!("http://{}", call.header("host").unwrap());
            match call.target.as_str() {
                "/.well-known/openid-configuration" => {
                    reply(200, &json!({ "issuer": origin, "jwks_uri": format!("{origin}/keys") }))
                }
                "/keys" => {
                    let key = shown.lock().unwrap();
                    let x = URL_SAFE_NO_PAD.encode(key.1.public_key());
                    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "kid": key.0, "x": x });
                    reply(200, &json!({ "keys": [jwk] }))
                }
                // No keys, but more than anybody should read.
                "/flood" => reply(200, &json!({ "keys": "x".repeat(2 * 1024 * 1024) })),
                _ => html(404, "nothing"),
            }
        })
        .await;
        Self { server, key, is_away }
    }

    fn jwt(&self, audience: &str) -> Jwt {
        let issuer = self.server.origin.clone();
        let demands = Demands {
            issuer: issuer.clone(),
            audiences: vec![audience.to_owned()],
            algorithms: Algorithm::ALL.to_vec(),
            ..Demands::default()
        };
        Jwt { demands, place: Place { issuer, jwks_url: None } }
    }

    fn token(&self, audience: &str, seconds: i64) -> String {
        self.dated(audience, seconds, false)
    }

    /// A token that may say that it was made just now.
    fn dated(&self, audience: &str, seconds: i64, says_when: bool) -> String {
        #[expect(clippy::disallowed_methods, reason = "the bridge reads the clock, too")]
        let now = Timestamp::now().as_second();
        let key = self.key.lock().unwrap();
        let header = json!({ "alg": "EdDSA", "kid": key.0 });
        let mut claims = json!({
            "iss": self.server.origin, "aud": audience, "exp": now + seconds, "azp": "client-1",
        });
        if says_when {
            claims["iat"] = json!(now);
        }
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(key.1.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

/// Asks until the answer is there, or the time is over.
async fn becomes(bridge: &Bridge, token: &str, status: u16) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask(bridge, "/Users/7", token, &[]).await;
        if answer.status == status {
            return;
        }
        assert!(Instant::now() < deadline, "still {answer:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn tokens_of_an_issuer_open_the_tenant_that_they_are_for() {
    let application = nobody_at_home().await;
    let issuer = Issuer::start().await;
    let set = |config: &mut Config| {
        config.tenants[0].door.jwt = Some(issuer.jwt("main"));
        config.tenants[1].door.jwt = Some(issuer.jwt("acme"));
        config.access.failures_per_minute = 1000;
    };
    let tenants = [("main", ""), ("acme", "/acme"), ("globex", "/globex")];
    let bridge = Bridge::configured(&tenants, PEOPLE, &application.origin, set).await;
    becomes(&bridge, &issuer.token("main", 300), 200).await;
    // The bridge's own tokens go on opening it.
    assert_eq!(ask(&bridge, "/Users/7", &token("main"), &[]).await.status, 200);
    for (audience, target, status) in [
        ("acme", "/acme/Users/7", 200),
        ("acme", "/Users/7", 401),
        ("main", "/acme/Users/7", 401),
        ("main", "/globex/Users/7", 401),
    ] {
        let answer = ask(&bridge, target, &issuer.token(audience, 300), &[]).await;
        assert_eq!(answer.status, status, "{audience} at {target}");
    }
    let late = ask(&bridge, "/Users/7", &issuer.token("main", -61), &[]).await;
    check_error(&late, 401, "an old token");
    let stranger = Issuer::start().await;
    assert_eq!(ask(&bridge, "/Users/7", &stranger.token("main", 300), &[]).await.status, 401);

    // While the issuer is away its keys stay in use.
    issuer.is_away.store(true, Ordering::SeqCst);
    assert_eq!(ask(&bridge, "/Users/7", &issuer.token("main", 300), &[]).await.status, 200);
    // A key that was never seen cannot be asked for yet: the last reading was a moment ago. A
    // token that is younger than that is asked to come again.
    *issuer.key.lock().unwrap() = ("second".to_owned(), pair());
    becomes(&bridge, &issuer.token("main", 300), 401).await;
    let young = ask(&bridge, "/Users/7", &issuer.dated("main", 300, true), &[]).await;
    check_error(&young, 503, "a new key");
    let wait: u64 = young.header("retry-after").unwrap().parse().unwrap();
    assert!((3..=32).contains(&wait), "{wait}");
    bridge.stop().await;
}

#[tokio::test]
async fn without_keys_tokens_of_an_issuer_are_neither_good_nor_bad() {
    let application = nobody_at_home().await;
    let issuer = Issuer::start().await;
    let flood = format!("{}/flood", issuer.server.origin).parse().unwrap();
    let set = |config: &mut Config| {
        let mut jwt = issuer.jwt("main");
        jwt.place.jwks_url = Some(flood);
        config.tenants[0].door.jwt = Some(jwt);
    };
    let bridge = Bridge::configured(&[("main", "")], PEOPLE, &application.origin, set).await;
    let answer = ask(&bridge, "/Users/7", &issuer.token("main", 300), &[]).await;
    check_error(&answer, 503, "no keys");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(ask(&bridge, "/Users/7", &token("main"), &[]).await.status, 200);
    bridge.stop().await;
}
