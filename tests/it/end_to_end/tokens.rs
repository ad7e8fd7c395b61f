//! Who may come in: tokens of the configuration and issued ones, wrong ones, and the command line
//! that issues and revokes while the bridge serves.
#![cfg(test)]

use std::path::Path;
use std::time::Duration;

use serde_json::json;
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
