//! A newer process in the place of an older one, and how the older one ends.
#![cfg(test)]

use reqwest::Client;
use serde_json::json;

use crate::end_to_end::application::{Application, json as reply};
use crate::end_to_end::binary::Installation;
use crate::end_to_end::bridge::token;
use crate::end_to_end::load::Load;
use crate::http::{Connection, request, send};

async fn application() -> Application {
    Application::start(|_| reply(200, &json!({ "id": 7, "login": "ada" }))).await
}

fn clients() -> (Client, Client) {
    // There may be one already, from another test of this process.
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder = || Client::builder().no_proxy();
    (builder().build().unwrap(), builder().pool_max_idle_per_host(0).build().unwrap())
}

#[tokio::test]
async fn no_request_fails_while_a_newer_process_takes_over() {
    let application = application().await;
    let installation = Installation::new(&application.origin);
    installation.edit(|text| text.replace("[store]", "upgrade = \"upgrade.sock\"\n[store]"));
    let mut serving = installation.serve_with(&["--upgrade"]).await;
    let url = format!("http://{}/Users/7", serving.address);
    let (kept, fresh) = clients();
    let load = Load::start(&url, &kept, &fresh);
    load.more(50).await;
    for _ in 0..2 {
        let newer = installation.serve_with(&["--upgrade"]).await;
        assert_eq!((newer.address, newer.admin), (serving.address, serving.admin));
        let ended = serving.ended().await;
        assert_eq!(ended.code(), Some(0), "{:?}", serving.log());
        load.more(50).await;
        let report = send(newer.admin, "GET", "/status", &[], b"").await.json();
        assert_eq!(report["pid"], json!(newer.id()));
        serving = newer;
    }
    load.end().await;

    // One that cannot serve leaves everything as it is.
    let good = std::fs::read_to_string(installation.folder().join("mapping.yaml")).unwrap();
    std::fs::write(installation.folder().join("mapping.yaml"), "no: mapping").unwrap();
    let failed = installation.run(&["serve", "--config", "scimbridge.toml", "--upgrade"]).await;
    assert_eq!(failed.status.code(), Some(2), "{failed:?}");
    std::fs::write(installation.folder().join("mapping.yaml"), good).unwrap();
    let answer = kept.get(&url).bearer_auth(token("main")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    serving.terminate();
    assert_eq!(serving.ended().await.code(), Some(0));
    assert!(!installation.folder().join("upgrade.sock").exists());
}

#[tokio::test]
async fn no_request_fails_while_the_configuration_is_read_again() {
    let application = application().await;
    let installation = Installation::new(&application.origin);
    let binary = installation.serve().await;
    let (kept, fresh) = clients();
    let load = Load::start(&format!("http://{}/Users/7", binary.address), &kept, &fresh);
    for dialect in ["strict", "lenient", "strict"] {
        load.more(30).await;
        installation.edit(|text| {
            let text =
                text.replace("dialect = \"strict\"\n", "").replace("dialect = \"lenient\"\n", "");
            let dialect = format!("[[tenants]]\ndialect = \"{dialect}\"\n");
            text.replace("[[tenants]]\n", &dialect)
        });
        let output = installation.run(&["reload", "--url", &binary.admin_url()]).await;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(told, "reloaded: tenant main changed\n", "{output:?}");
    }
    load.more(30).await;
    load.end().await;
}

#[tokio::test]
async fn a_kept_connection_is_told_that_its_answer_is_the_last() {
    let application = application().await;
    let installation = Installation::new(&application.origin);
    installation.edit(|text| format!("{text}[stop]\ndelay_seconds = 1\nlinger_seconds = 20\n"));
    let mut binary = installation.serve().await;
    let bearer = format!("Bearer {}", token("main"));
    let headers = [("Authorization", bearer.as_str())];
    let ask = request(binary.address, "GET", "/Users/7", &headers, b"");
    let mut kept = Connection::open(binary.address).await;
    kept.write(&ask).await;
    assert_eq!(kept.answer("GET").await.unwrap().header("connection"), Some("keep-alive"));
    binary.terminate();
    // Not ready comes first; the port is open for as long as the delay says.
    let ready = loop {
        let ready = send(binary.admin, "GET", "/readyz", &[], b"").await;
        if ready.status == 503 {
            break ready;
        }
    };
    assert_eq!(ready.json()["checks"]["stopping"], json!("the bridge is ending"));
    let answer = send(binary.address, "GET", "/Users/7", &headers, b"").await;
    assert_eq!(answer.json()["userName"], json!("ada"));
    while tokio::net::TcpStream::connect(binary.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    kept.write(&ask).await;
    let answer = kept.answer("GET").await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(kept.is_closed().await);
    assert_eq!(binary.ended().await.code(), Some(0), "{:?}", binary.log());
}

#[tokio::test]
async fn taking_over_needs_a_place_to_ask() {
    let installation = Installation::new("http://127.0.0.1:9");
    let output = installation.run(&["serve", "--config", "scimbridge.toml", "--upgrade"]).await;
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("listen.upgrade"), "{told}");
}
