//! The bridge's own store is locked, full or gone: what needs no state goes on, what needs it is
//! 503 and may be repeated, and the application is not touched before the store has taken what it
//! must. Afterwards the bridge is as it was, without a restart.
#![cfg(test)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, SqliteConnection};
use tokio::time::{Instant, sleep};

use crate::end_to_end::binary::Installation;
use crate::end_to_end::bridge::{
    Bridge, LEGACY, NATIVE_KEY, application, call, check_error, token,
};
use crate::http::{Answer, send};
use crate::postgres::{self, tell};

/// The bridge, the legacy application behind it, and a user of theirs.
struct Setting {
    bridge: Bridge,
    native: std::net::SocketAddr,
    application: legacy_app::Running,
    user: String,
}

impl Setting {
    async fn on(store: &str) -> Self {
        let application = application().await;
        let native = application.address();
        let bridge = Bridge::keeping(store, LEGACY, &format!("http://{native}")).await;
        let user = bridge.make("/Users", &json!({ "userName": "ada", "title": "Analyst" })).await;
        Self { bridge, native, application, user }
    }

    fn target(&self) -> String {
        format!("/scim/v2/Users/{}", self.user)
    }

    async fn changed(&self, title: &str) -> Answer {
        self.bridge.call("PATCH", &self.target(), Some(&replaced(title))).await
    }

    async fn deleted(&self) -> Answer {
        self.bridge.call("DELETE", &self.target(), None).await
    }

    /// What the application itself says of the user.
    async fn native(&self) -> Value {
        self.natively(&format!("/api/people/{}", self.user)).await
    }

    async fn natively(&self, target: &str) -> Value {
        send(self.native, "GET", target, &[("X-Api-Key", NATIVE_KEY)], b"").await.json()
    }

    /// Everything that writes is refused for now, and the application knows nothing of it.
    async fn refuses_writes(&self, when: &str) {
        let before = self.native().await;
        let new = json!({ "userName": format!("new {when}") });
        let (changed, deleted, made) = tokio::join!(
            self.changed("Chief"),
            self.deleted(),
            self.bridge.call("POST", "/Users", Some(&new)),
        );
        for (what, answer) in [("PATCH", changed), ("DELETE", deleted), ("POST", made)] {
            check_error(&answer, 503, &format!("{when}: {what}"));
            assert!(answer.header("retry-after").is_some(), "{when}: {what}: {answer:?}");
        }
        assert_eq!(self.native().await, before, "{when}");
        assert_eq!(self.natively("/api/people").await.as_array().unwrap().len(), 1, "{when}");
    }

    /// The same requests again: everything that was refused is done now.
    async fn goes_on(&self, when: &str) {
        let answer = self.changed("Chief").await;
        assert_eq!(answer.status, 200, "{when}: {answer:?}");
        assert_eq!(self.native().await["job_title"], json!("Chief"), "{when}");
        let new = json!({ "userName": format!("new {when}") });
        self.bridge.make("/Users", &new).await;
        assert_eq!(self.deleted().await.status, 204, "{when}");
        assert_eq!(self.native().await["disabled"], json!(true), "{when}");
        assert_eq!(self.bridge.get(&self.target()).await.status, 404, "{when}");
    }

    async fn reads(&self, when: &str) {
        let target = self.target();
        let (one, all) = tokio::join!(
            self.bridge.get(&target),
            self.bridge.get("/Users?excludedAttributes=groups")
        );
        assert_eq!((one.status, all.status), (200, 200), "{when}: {one:?} {all:?}");
    }

    async fn end(self) {
        self.bridge.stop().await;
        self.application.stop().await;
    }
}

fn replaced(title: &str) -> Value {
    json!({ "Operations": [{ "op": "replace", "path": "title", "value": title }] })
}

fn url(file: &Path) -> String {
    format!("sqlite:{}", file.display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let setting = Setting::on(&url(&file)).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    setting.reads("locked").await;
    setting.refuses_writes("locked").await;
    setting.reads("locked").await;
    other.execute("ROLLBACK").await.unwrap();
    setting.goes_on("unlocked").await;
    other.close().await.unwrap();
    setting.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let setting = Setting::on(&url(&file)).await;
    // A file that somebody moved away and puts back is what it was.
    let away = folder.path().join("away.db");
    std::fs::rename(&file, &away).unwrap();
    setting.reads("gone").await;
    setting.refuses_writes("gone").await;
    std::fs::rename(&away, &file).unwrap();
    setting.goes_on("back").await;
    setting.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_stopped_and_started_again() {
    let Some(mut cluster) = postgres::cluster().await else { return };
    let setting = Setting::on(&cluster.url("postgres")).await;
    // Groups of this mapping need no state.
    let group = setting.bridge.make("/Groups", &json!({ "displayName": "Owls" })).await;
    tokio::task::block_in_place(|| cluster.stop());
    let answer = setting.bridge.get(&format!("/Groups/{group}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    // Whether somebody was deleted is what the store knows: 404 or 200 would be a guess.
    check_error(&setting.bridge.get(&setting.target()).await, 503, "a read that needs state");
    setting.refuses_writes("stopped").await;
    tokio::task::block_in_place(|| cluster.start_again());
    setting.goes_on("started again").await;
    setting.end().await;
}

/// The store lies on a file system of its own that fills up. Where the machine does not let
/// anybody make one, a line says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk() {
    if !can_mount() {
        tell("note: the test of a full disk was NOT run: no file system can be mounted here");
        return;
    }
    let application = application().await;
    let native = application.address();
    let installation = Installation::on_a_small_disk(LEGACY, &format!("http://{native}"));
    let bridge = installation.serve_on_a_small_disk().await;
    let send = async |method: &str, target: &str, body: Option<&Value>| {
        call(bridge.address, &token("main"), method, target, body).await
    };
    let made = send("POST", "/Users", Some(&json!({ "userName": "ada" }))).await;
    assert_eq!(made.status, 201, "{made:?}");
    let target = format!("/Users/{}", made.json()["id"].as_str().unwrap());

    // Changes until there is no place for another one.
    let mut last = String::new();
    let mut refused = None;
    for number in 0..3_000 {
        let title = format!("title {number}");
        let answer = send("PATCH", &target, Some(&replaced(&title))).await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
        last = title;
    }
    let refused = refused.expect("the disk is never full");
    check_error(&refused, 503, "full");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    let reasons: Vec<String> =
        bridge.log().into_iter().filter(|line| line.contains("cannot be written")).collect();
    assert!(reasons.iter().any(|line| line.contains("full")), "{reasons:?}");
    let read = send("GET", &target, None).await;
    assert_eq!((read.status, &read.json()["title"]), (200, &json!(last)), "half done");

    installation.make_room(&bridge);
    // Whoever repeats the request gets it done, at the latest after what `Retry-After` says.
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = send("PATCH", &target, Some(&replaced("afterwards"))).await;
        if answer.status == 200 {
            break;
        }
        assert!(answer.status == 503 && Instant::now() < deadline, "{answer:?}");
        sleep(Duration::from_millis(100)).await;
    }
    let deleted = send("DELETE", &target, None).await;
    assert_eq!(deleted.status, 204, "{deleted:?}, {:#?}", bridge.log());
    assert_eq!(send("GET", &target, None).await.status, 404);
    application.stop().await;
}

fn can_mount() -> bool {
    let mut command = Command::new("unshare");
    command.args(["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
    command.output().is_ok_and(|output| output.status.success())
}
