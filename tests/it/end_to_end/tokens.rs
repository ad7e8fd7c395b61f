//! Who may come in: tokens of the configuration and issued ones, wrong ones, and the command line
//! that issues and revokes while the bridge serves.
#![cfg(test)]

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::end_to_end::application::{Application, json as reply};
use crate::end_to_end::binary::{Binary, Installation};
use crate::end_to_end::bridge::{Bridge, PEOPLE, call, check_error, token};
use crate::http::{Answer, Connection, send};

/// What the command line promises: a change of tokens takes effect within this time.
const SOON: Duration = Duration::from_secs(2);

async fn nobody_at_home() -> Application {
    Application::start(|_| reply(200, &json!({ "id": 7, "login": "ada" }))).await
}

#[track_caller]
fn check_refused(answer: &Answer, what: &str) {
    check_error(answer, 401, what);
    assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="scim""#), "{what}");
    assert_eq!(answer.header("connection"), Some("close"), "{what}");
}

/// A body is announced and never sent, so whoever waits for it does not answer.
#[tokio::test]
async fn a_wrong_token_is_refused_before_any_body() {
    let application = nobody_at_home().await;
    let bridge = Bridge::serving(&[("main", ""), ("acme", "/acme")], PEOPLE, &application.origin);
    let bridge = bridge.await;
    for authorization in [
        "",
        "Authorization: Bearer\r\n",
        "Authorization: Bearer wrong\r\n",
        "Authorization: Bearer token-of-main2\r\n",
        "Authorization: Bearer TOKEN-OF-MAIN\r\n",
        "Authorization: Bearer token-of-main x\r\n",
        "Authorization: Bearer token-of-acme\r\n",
        "Authorization: Basic token-of-main\r\n",
        "Authorization: Bearer wrong\r\nAuthorization: Bearer token-of-main\r\n",
    ] {
        for method in ["POST", "PATCH", "DELETE"] {
            let head = format!(
                "{method} /scim/v2/Users/7 HTTP/1.1\r\nHost: {}\r\n{authorization}\
                 Content-Type: application/scim+json\r\nContent-Length: 900000\r\n\r\n",
                bridge.address
            );
            let mut connection = Connection::open(bridge.address).await;
            connection.write(head.as_bytes()).await;
            let answer = connection.answer(method).await.expect("an answer without a body");
            check_refused(&answer, &format!("{method} {authorization:?}"));
        }
    }
    assert_eq!(application.calls().len(), 0);
    bridge.stop().await;
}

#[tokio::test]
async fn a_token_opens_its_own_tenant_only() {
    let application = nobody_at_home().await;
    let tenants = [("main", ""), ("acme", "/acme"), ("globex", "/globex")];
    let bridge = Bridge::serving(&tenants, PEOPLE, &application.origin).await;
    for (owner, _) in tenants {
        for (tenant, base) in tenants {
            let target = format!("{base}/scim/v2/Users/7");
            let answer = call(bridge.address, &token(owner), "GET", &target, None).await;
            let what = format!("{owner} at {tenant}");
            if owner == tenant {
                assert_eq!(answer.status, 200, "{what}");
            } else {
                check_refused(&answer, &what);
            }
        }
    }
    bridge.stop().await;
}

/// Who has no token learns nothing about what is there.
#[tokio::test]
async fn without_a_token_every_path_looks_alike() {
    let application = nobody_at_home().await;
    let bridge = Bridge::start(PEOPLE, &application.origin).await;
    for target in ["/scim/v2/Users", "/scim/v2/Schemas", "/scim/v2/Nothing", "/", "/Users/%00"] {
        check_refused(&send(bridge.address, "GET", target, &[], b"").await, target);
    }
    bridge.stop().await;
}

#[tokio::test]
async fn bearer_is_read_as_administrators_write_it() {
    let application = nobody_at_home().await;
    let bridge = Bridge::start(PEOPLE, &application.origin).await;
    for value in [
        "Bearer token-of-main",
        "bearer token-of-main",
        "BEARER  token-of-main",
        "Bearer Bearer token-of-main",
        "token-of-main",
    ] {
        let headers = [("Authorization", value)];
        let answer = send(bridge.address, "GET", "/Users/7", &headers, b"").await;
        assert_eq!(answer.status, 200, "{value}");
    }
    bridge.stop().await;
}

/// Asks until the status is there, or the time is over.
async fn becomes(binary: &Binary, token: &str, status: u16) -> Answer {
    let deadline = Instant::now() + SOON;
    loop {
        let begun = Instant::now();
        let answer = call(binary.address, token, "GET", "/scim/v2/Users/7", None).await;
        if answer.status == status {
            return answer;
        }
        assert!(begun < deadline, "still {answer:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Every file that the installation has left, as bytes.
fn files_hold(folder: &Path, text: &str) -> bool {
    let holds = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    let mut entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.any(|path| holds(&path))
}

#[tokio::test]
async fn issued_and_revoked_while_the_bridge_serves() {
    let application = nobody_at_home().await;
    let installation = Installation::new(&application.origin);
    let bridge = installation.serve().await;
    assert_eq!(becomes(&bridge, &token("main"), 200).await.json()["userName"], json!("ada"));

    let issue = ["token", "issue", "--tenant", "main", "--label", "entra"];
    let issued = installation.run(&issue).await;
    assert!(issued.status.success(), "{issued:?}");
    let secret = String::from_utf8(issued.stdout).unwrap().trim().to_owned();
    assert!(secret.starts_with("scb_") && secret.len() > 40, "one line, the token");
    assert!(!String::from_utf8(issued.stderr).unwrap().contains(&secret));
    becomes(&bridge, &secret, 200).await;

    let listed = installation.run(&["token", "list"]).await;
    let listed = String::from_utf8([listed.stdout, listed.stderr].concat()).unwrap();
    assert!(listed.contains("entra") && listed.contains("active"), "{listed}");
    assert!(!listed.contains(&secret));

    let revoke = ["token", "revoke", "--tenant", "main", "--label", "entra"];
    assert!(installation.run(&revoke).await.status.success());
    check_refused(&becomes(&bridge, &secret, 401).await, "revoked");
    let listed = String::from_utf8(installation.run(&["token", "list"]).await.stdout).unwrap();
    assert!(listed.contains("revoked"), "{listed}");

    // The other token goes on working, and a second revocation finds nothing.
    becomes(&bridge, &token("main"), 200).await;
    assert_eq!(installation.run(&revoke).await.status.code(), Some(2));

    // The database, its log, and whatever else is in the folder.
    assert!(files_hold(installation.folder(), "entra"), "the files are looked through");
    assert!(!files_hold(installation.folder(), &secret));
    assert!(!files_hold(installation.folder(), &token("main")));
    let log = bridge.log().concat();
    assert!(!log.contains(&secret) && !log.contains(&token("main")));
}

#[tokio::test]
async fn a_token_for_nobody_is_not_issued() {
    let installation = Installation::new("http://127.0.0.1:9");
    let issued = installation.run(&["token", "issue", "--tenant", "nobody", "--label", "x"]).await;
    assert_eq!((issued.status.code(), issued.stdout.len()), (Some(2), 0));
}

/// One line of JSON of a command.
async fn told(installation: &Installation, arguments: &[&str]) -> Value {
    let output = installation.run(arguments).await;
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn a_rotated_token_has_a_successor_of_its_kind_and_a_time_of_grace() {
    let application = nobody_at_home().await;
    let installation = Installation::new(&application.origin);
    let bridge = installation.serve().await;
    let issue = ["token", "issue", "--tenant", "main", "--label", "entra", "--scopes"];
    let issue = [&issue[..], &["read,users", "--format", "json"]].concat();
    let first = told(&installation, &issue).await;
    assert_eq!(first["scopes"], json!(["read", "users"]));
    let rotate = ["token", "rotate", "--tenant", "main", "--label", "entra", "--format", "json"];
    let second = told(&installation, &rotate).await;
    assert_eq!((&second["scopes"], &second["label"]), (&first["scopes"], &first["label"]));
    assert_eq!(second["replaces"], json!([first["id"]]));
    assert_ne!(second["token"], first["token"]);
    let secret = |told: &Value| told["token"].as_str().unwrap().to_owned();
    for token in [&first, &second].map(secret) {
        becomes(&bridge, &token, 200).await;
        let body = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"] });
        let path = "/scim/v2/Users";
        let answer = call(bridge.address, &token, "POST", path, Some(&body)).await;
        check_error(&answer, 403, "a token that may only read");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("\"write\""), "{detail}");
    }

    let listed = told(&installation, &["token", "list", "--format", "json"]).await;
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), 2, "{listed:?}");
    let days = |at: &Value| {
        let at: jiff::Timestamp = at.as_str().unwrap().parse().unwrap();
        let issued: jiff::Timestamp = second["issued"].as_str().unwrap().parse().unwrap();
        at.duration_since(issued).as_hours() / 24
    };
    assert_eq!((days(&listed[0]["expires"]), days(&listed[1]["expires"])), (30, 365));
    assert_eq!(listed[0]["expires"], second["replacedUntil"]);

    // Nothing of grace ends what was there.
    let id = second["id"].as_str().unwrap();
    let third =
        told(&installation, &["token", "rotate", "--id", id, "--grace", "0", "--format", "json"])
            .await;
    becomes(&bridge, &secret(&third), 200).await;
    becomes(&bridge, &secret(&second), 401).await;
    becomes(&bridge, &secret(&first), 200).await;
    let revoked = installation.run(&["token", "revoke", "--tenant", "main", "--label", "entra"]);
    assert!(revoked.await.status.success());
    let nothing = installation.run(&rotate).await;
    assert_eq!((nothing.status.code(), nothing.stdout.len()), (Some(2), 0));
}

#[tokio::test]
async fn scopes_that_are_none_are_refused() {
    let installation = Installation::new("http://127.0.0.1:9");
    let issue = ["token", "issue", "--tenant", "main", "--label", "x", "--scopes", "admin"];
    let issued = installation.run(&issue).await;
    let told = String::from_utf8(issued.stderr).unwrap();
    assert_eq!((issued.status.code(), issued.stdout.len()), (Some(2), 0));
    assert!(told.contains("the scopes are read, write, users and groups"), "{told}");
}
