//! Another configuration while the bridge serves: by signal, by command and by changing a file.
#![cfg(test)]

use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use scimbridge::app::reload::Outcome;
use scimbridge::app::serve::Service;
use scimbridge::config::load;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::end_to_end::application::{Application, Gate, Reply, whole};
use crate::end_to_end::binary::{Binary, Installation};
use crate::end_to_end::bridge::{NATIVE_KEY, PEOPLE, call, token};

/// An application that knows one person.
async fn application() -> Application {
    let body = json!({ "id": 7, "login": "ada" }).to_string();
    let answer = whole(200, &[("Content-Type", "application/json")], &body);
    Application::start(move |_| Reply::Whole(answer.clone())).await
}

async fn reload(installation: &Installation, binary: &Binary) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        installation.run(&["reload", "--url", &binary.admin_url()]).await;
    let text = String::from_utf8([stdout, stderr].concat()).unwrap();
    (status.code(), text)
}

async fn status(installation: &Installation, binary: &Binary) -> (Option<i32>, Value) {
    let url = binary.admin_url();
    let output = installation.run(&["status", "--url", &url, "--format", "json"]).await;
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

fn append(path: &Path, text: &str) {
    let before = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, before + text).unwrap();
}

#[tokio::test]
async fn a_new_configuration_is_served_and_a_faulty_one_is_not() {
    let application = application().await;
    let installation = Installation::new(&application.origin);
    let binary = installation.serve().await;
    let ask = |target: &'static str| call(binary.address, "", "GET", target, None);
    let ada = call(binary.address, &token("main"), "GET", "/Users/7", None).await;
    assert_eq!(ada.status, 200, "{ada:?}");
    let (code, report) = status(&installation, &binary).await;
    assert_eq!((code, &report["reload"]["last"]), (Some(0), &Value::Null), "{report}");

    let configuration = installation.folder().join("scimbridge.toml");
    let more = format!(
        "[[tenants]]\nname = \"more\"\nbase_path = \"/more\"\nmapping = \"mapping.yaml\"\n\
         [tenants.config]\nurl = \"{}\"\nkey = \"{NATIVE_KEY}\"\n",
        application.origin
    );
    // A path that is nobody's own belongs to the tenant at the root, where it means nothing.
    assert_eq!(ask("/more/Users/7").await.status, 401);
    append(&configuration, &more);
    let (code, text) = reload(&installation, &binary).await;
    assert_eq!((code, text.as_str()), (Some(0), "reloaded: tenant more added\n"));
    let (_, report) = status(&installation, &binary).await;
    let names: Vec<_> =
        report["tenants"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["main", "more"]);

    // A fault of one tenant refuses the whole, and both are served as before.
    std::fs::write(installation.folder().join("mapping.yaml"), "scimbridge: 1\nname: [").unwrap();
    let (code, text) = reload(&installation, &binary).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("mapping.yaml:2") && text.contains("tenant more"), "{text}");
    let ada = call(binary.address, &token("main"), "GET", "/Users/7", None).await;
    assert_eq!(ada.status, 200, "{ada:?}");
    let (code, report) = status(&installation, &binary).await;
    assert_eq!((code, &report["reload"]["refused"]), (Some(1), &json!(1)), "{report}");

    // What is read once is told.
    std::fs::write(installation.folder().join("mapping.yaml"), PEOPLE).unwrap();
    let text = std::fs::read_to_string(&configuration).unwrap();
    let text = text.replace("admin = \"127.0.0.1:0\"", "admin = \"127.0.0.1:1\"");
    std::fs::write(&configuration, text.replace(&more, "[limits]\nbody_bytes = 5\n")).unwrap();
    let (code, text) = reload(&installation, &binary).await;
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(
        text,
        "reloaded: tenant more removed, limits changed\nneeds a restart: listen.admin\n"
    );
    let body = json!({ "userName": "grace" });
    let large = call(binary.address, &token("main"), "POST", "/Users", Some(&body)).await;
    assert_eq!(large.status, 413, "{large:?}");
}

#[tokio::test]
async fn a_command_without_a_bridge_says_so() {
    let installation = Installation::new("http://127.0.0.1:9");
    for command in ["status", "reload"] {
        let output = installation.run(&[command, "--url", "http://127.0.0.1:9"]).await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("is the bridge running"));
    }
}

#[tokio::test]
async fn a_changed_file_is_noticed() {
    let application = application().await;
    let installation = Installation::new(&application.origin);
    let path = installation.folder().join("scimbridge.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("token_env = \"MAIN_TOKEN\"\n", "")).unwrap();
    let service = Service::start(&load::load(Some(&path)).unwrap()).await.unwrap();
    let following = service.follow(Some(path), Duration::from_millis(10));
    let mapping = installation.folder().join("mapping.yaml");
    for (number, text) in ["no: mapping", &format!("{PEOPLE}\n# changed\n")].iter().enumerate() {
        // As editors and secret stores do it: the new file takes the old one's name.
        let new = installation.folder().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &mapping).unwrap();
        let noticed = async {
            loop {
                let history = service.reload().history();
                if history.applied + history.refused > u64::try_from(number).unwrap() {
                    return history;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        let history = timeout(Duration::from_secs(30), noticed).await.unwrap();
        let (_, last) = history.last.unwrap();
        assert_eq!(matches!(last, Outcome::Applied { .. }), number == 1, "{last:?}");
    }
    following.abort();
    service.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_request_ends_under_the_configuration_it_began_with() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let body = json!({ "id": 7, "login": "ada" }).to_string();
    let slow = whole(200, &[("Content-Type", "application/json")], &body);
    let application = Application::start(move |_| Reply::Held(Arc::clone(&held), slow.clone()));
    let application = application.await;
    let installation = Installation::new(&application.origin);
    let binary = installation.serve().await;
    let address = binary.address;
    let asked =
        tokio::spawn(async move { call(address, &token("main"), "GET", "/Users/7", None).await });
    gate.reached().await;
    let path = installation.folder().join("scimbridge.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("name = \"main\"", "name = \"other\"")).unwrap();
    let (code, text) = reload(&installation, &binary).await;
    assert_eq!(code, Some(0), "{text}");
    gate.open();
    let answer = asked.await.unwrap();
    assert_eq!((answer.status, &answer.json()["userName"]), (200, &json!("ada")));
}
