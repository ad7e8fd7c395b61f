//! The processes: the application once, the bridge again and again.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sqlx::{Connection as _, PgConnection, Row as _};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::client::Client;
use crate::postgres::Database;
use crate::{APPLICATION, Random, application};

const BRIDGE: &str = env!("CARGO_BIN_EXE_scimbridge");

/// How often something that is starting is looked for, and how many times.
const LOOK: (Duration, usize) = (Duration::from_millis(25), 1200);

/// Everything that outlives the bridge.
pub(crate) struct World {
    folder: TempDir,
    application: Child,
    /// Where the application listens.
    pub(crate) native: SocketAddr,
    address: SocketAddr,
    admin: SocketAddr,
    pub(crate) tokens: Vec<String>,
    /// The bridge's database.
    pub(crate) store: String,
    /// Where that is one of PostgreSQL.
    database: Option<Database>,
}

/// On which database the bridge keeps its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// A running bridge.
pub(crate) struct Bridge(Child);

impl Bridge {
    /// SIGKILL: it gets no chance to do anything.
    pub(crate) fn kill(mut self) {
        self.0.kill().expect("it can be killed");
        self.0.wait().expect("it has ended");
    }
}

impl World {
    /// `None` when it is to be PostgreSQL and there is none.
    pub(crate) async fn new(kind: Kind) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, database) = match kind {
            Kind::Sqlite => (format!("sqlite:{}", folder.path().join("bridge.db").display()), None),
            Kind::Postgres => {
                let database = Database::new().await?;
                (database.url.clone(), Some(database))
            }
        };
        let log = folder.path().join("writes.log");
        std::fs::write(&log, "").expect("a log");
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.arg(APPLICATION).arg(folder.path().join("application.db")).arg(&log);
        let application = command.stdin(Stdio::null()).spawn().expect("an application");
        let address = folder.path().join("writes.log.address");
        let native = wait(|| std::fs::read_to_string(&address).ok()?.parse().ok()).await;
        let world = Self {
            application,
            native,
            address: free(),
            admin: free(),
            tokens: Vec::new(),
            store,
            database,
            folder,
        };
        world.configure();
        Some(world)
    }

    fn configure(&self) {
        let shipped = include_str!("../../mappings/legacy-app.yaml");
        // Ids of our own and something that the application cannot keep, so that more can be lost.
        let (users, tests) = shipped.split_once("\ntests:").expect("tests in the mapping");
        assert!(!tests.is_empty());
        let own_ids = users.replace(
            "    id: { path: $.id, type: integer }\n",
            "    id: { path: $.id, type: integer, as: issued }\n",
        );
        let kept = own_ids.replace(
            "      nickName:             $.nickname\n",
            "      nickName:             sidecar\n",
        );
        assert_ne!(kept, own_ids, "the mapping has a nickName");
        let mapping = without_examples(&kept);
        std::fs::write(self.path("mapping.yaml"), mapping).expect("a mapping");
        let configuration = format!(
            "[listen]\nscim = \"{}\"\nadmin = \"{}\"\n[store]\nurl = \"{}\"\n[log]\nlevel = \"error\"\n\
             [[tenants]]\nname = \"main\"\nmapping = \"mapping.yaml\"\n\
             [tenants.config]\nurl = \"http://{}\"\nkey = \"{}\"\n",
            self.address,
            self.admin,
            self.store,
            self.native,
            application::KEY,
        );
        std::fs::write(self.path("scimbridge.toml"), configuration).expect("a configuration");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BRIDGE);
        command.args(arguments).arg("--config").arg(self.path("scimbridge.toml"));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// A bridge that answers.
    pub(crate) async fn start_bridge(&self) -> Bridge {
        let mut bridge = self.command(&["serve"]).spawn().expect("a bridge");
        for _ in 0..LOOK.1 {
            if tokio::net::TcpStream::connect(self.address).await.is_ok() {
                return Bridge(bridge);
            }
            assert_eq!(bridge.try_wait().expect("a state"), None, "the bridge has started");
            sleep(LOOK.0).await;
        }
        panic!("the bridge does not answer");
    }

    /// Issues one more token while the bridge runs, and waits until it knows it.
    pub(crate) async fn issue_token(&mut self) {
        let label = format!("t{}", self.tokens.len());
        let arguments = ["token", "issue", "--tenant", "main", "--label", &label];
        let output = self.command(&arguments).output().expect("a token");
        assert!(output.status.success(), "{output:?}");
        let token = String::from_utf8(output.stdout).expect("text").trim().to_owned();
        let client = Client::new(self.address, token.clone());
        for _ in 0..LOOK.1 {
            let answer = client.ask("GET", "/scim/v2/ServiceProviderConfig", None).await;
            if answer.is_some_and(|answer| answer.status == 200) {
                self.tokens.push(token);
                return;
            }
            sleep(LOOK.0).await;
        }
        panic!("the bridge does not learn of a token");
    }

    /// A client with one of the tokens.
    pub(crate) fn client(&self, random: &mut Random) -> Client {
        let at = random.below(self.tokens.len() as u64);
        self.client_with(&self.tokens[usize::try_from(at).expect("small")])
    }

    /// A client with this token.
    pub(crate) fn client_with(&self, token: &str) -> Client {
        Client::new(self.address, token.to_owned())
    }

    /// `METHOD path id` of every write that has reached the application.
    pub(crate) fn native_writes(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.path("writes.log")).expect("the log");
        log.lines().map(str::to_owned).collect()
    }

    /// Requests that have begun to write and are not completed, where the trail may have them.
    pub(crate) async fn begun(&self) -> BTreeSet<String> {
        if self.database.is_none() {
            return BTreeSet::new();
        }
        let mut connection = PgConnection::connect(&self.store).await.expect("a connection");
        let select = "SELECT request_id FROM audit_begun";
        let rows = sqlx::query(select).fetch_all(&mut connection).await.expect("rows");
        connection.close().await.expect("it closes");
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Waits until the bridge has written down what is over.
    pub(crate) async fn settle(&self) {
        sleep(Duration::from_secs(2)).await;
    }

    pub(crate) fn end(&mut self) {
        self.application.kill().expect("it can be killed");
        self.application.wait().expect("it has ended");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // After a failed check it is still there.
        drop(self.application.kill());
        drop(self.application.wait());
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

async fn wait<T>(mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOK.1 {
        if let Some(found) = look() {
            return found;
        }
        sleep(LOOK.0).await;
    }
    panic!("it does not start");
}

/// An address that nobody uses at the moment.
fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// The examples are about another mapping by now.
fn without_examples(mapping: &str) -> String {
    let mut kept = String::new();
    let mut skips = false;
    for line in mapping.lines() {
        let indent = line.len() - line.trim_start().len();
        if skips && (line.trim().is_empty() || indent > 4) {
            continue;
        }
        skips = indent == 4 && line.trim() == "examples:";
        if !skips {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}
