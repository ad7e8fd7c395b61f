//! PostgreSQL for the tests that want it: a throw-away cluster of this test process, with a
//! database for each test.
//!
//! It is started when the programs of a server are on the machine (`initdb`, in the path or where
//! Debian puts it); no running server is ever used, except the one whose address
//! `SCIMBRIDGE_TEST_POSTGRES` gives (of a role that may create databases). When there is neither,
//! one line says so and the tests that want it pass; with `SCIMBRIDGE_REQUIRE_POSTGRES=1` they
//! fail instead.
//!
//! A shell keeps the cluster. It waits for the end of a pipe that the test process holds, so the
//! cluster ends with the process, however that ends.
#![cfg(test)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

/// Makes a cluster in the folder `$1` with the programs in `$2`, then does as it is told: a line
/// `stop` or `start` is answered by one line; the end of the input ends it all.
const KEEPER: &str = r#"
data=$1 bin=$2
settings="-k $data -c listen_addresses= -c max_connections=300 -c shared_buffers=16MB
 -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c timezone=UTC"
cd "$data"
start() { "$bin/pg_ctl" -D "$data/cluster" -l "$data/log" -o "$settings" -w -t 60 start >/dev/null 2>&1; }
stop() { "$bin/pg_ctl" -D "$data/cluster" -m immediate -w stop >/dev/null 2>&1; }
trap '' INT TERM HUP
"$bin/initdb" -D "$data/cluster" -U scimbridge -A trust -E UTF8 --locale=C --no-sync >"$data/log" 2>&1 \
    && start && echo started || { echo failed; tail -n 20 "$data/log" >&2; }
while read -r order; do
    "$order" && echo done || { echo failed; tail -n 20 "$data/log" >&2; }
done
stop
rm -rf "$data"/* "$data"
"#;

/// A cluster that ends when it is dropped, or when the process ends.
pub(crate) struct Cluster {
    keeper: Child,
    answers: BufReader<std::process::ChildStdout>,
    /// Where the socket lies.
    folder: PathBuf,
}

impl Cluster {
    /// A new cluster; `None` when PostgreSQL is not on the machine.
    pub(crate) fn start() -> Option<Self> {
        programs().map(|bin| Self::of(&bin))
    }

    fn of(bin: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("scimbridge-postgres-").tempdir().unwrap();
        let folder = folder.keep();
        let mut command = as_somebody(&folder);
        command.args(["sh", "-c", KEEPER, "keeper"]).arg(&folder).arg(bin);
        // Of its own group: Ctrl-C is for the tests, the keeper goes when they have gone.
        command.process_group(0).env_clear().env("PATH", "/usr/bin:/bin");
        let mut keeper =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
        let answers = BufReader::new(keeper.stdout.take().unwrap());
        let mut cluster = Self { keeper, answers, folder };
        assert_eq!(cluster.answer(), "started", "PostgreSQL does not start");
        cluster
    }

    /// The address of one of its databases.
    pub(crate) fn url(&self, database: &str) -> String {
        let folder = self.folder.to_str().unwrap().replace('/', "%2F");
        format!("postgres://scimbridge@{folder}/{database}")
    }

    /// Stops the server as a crash would.
    pub(crate) fn stop(&mut self) {
        self.order("stop");
    }

    /// Starts it again.
    pub(crate) fn start_again(&mut self) {
        self.order("start");
    }

    fn order(&mut self, order: &str) {
        writeln!(self.keeper.stdin.as_mut().unwrap(), "{order}").unwrap();
        assert_eq!(self.answer(), "done", "{order}");
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        drop(self.keeper.wait());
    }
}

/// A database of its own for one test.
pub(crate) struct Database {
    /// Its address.
    pub(crate) url: String,
    name: String,
}

impl Database {
    /// A new database; `None` when the PostgreSQL part is not run.
    pub(crate) async fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("scimbridge_test_{}_{number}", std::process::id());
        // The first caller makes the cluster, which takes a second or two.
        let server = tokio::task::spawn_blocking(server).await.unwrap()?;
        administer(&server.url("postgres"), format!("CREATE DATABASE {name}")).await;
        Some(Self { url: server.url(&name), name })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A cluster of ours goes as a whole.
        let Some(given @ Server::Given(_)) = server() else { return };
        let (url, name) = (given.url("postgres"), self.name.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            runtime.unwrap().block_on(administer(&url, statement));
        });
        drop(dropping.join());
    }
}

/// Carries out a statement outside of transactions.
pub(crate) async fn administer(url: &str, statement: String) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    connection.execute(AssertSqlSafe(statement)).await.unwrap();
    connection.close().await.unwrap();
}

/// A cluster that a test has for itself, to stop and start it; `None` when the PostgreSQL part is
/// not run, or only on a server that is not ours to stop.
pub(crate) async fn cluster() -> Option<Cluster> {
    match tokio::task::spawn_blocking(server).await.unwrap()? {
        Server::Own(_) => tokio::task::spawn_blocking(Cluster::start).await.unwrap(),
        Server::Given(_) => None,
    }
}

enum Server {
    /// An address with the database left out, before and after it.
    Given((String, String)),
    Own(Cluster),
}

impl Server {
    fn url(&self, database: &str) -> String {
        match self {
            Self::Given((before, after)) => format!("{before}{database}{after}"),
            Self::Own(cluster) => cluster.url(database),
        }
    }
}

/// The server of this process, made once.
fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        if let Some(url) = setting("SCIMBRIDGE_TEST_POSTGRES") {
            return Some(Server::Given(split(&url)));
        }
        let own = Cluster::start().map(Server::Own);
        if own.is_none() {
            let required = setting("SCIMBRIDGE_REQUIRE_POSTGRES").is_some_and(|it| it == "1");
            assert!(!required, "SCIMBRIDGE_REQUIRE_POSTGRES is set and there is no PostgreSQL");
            tell(
                "note: the tests on PostgreSQL were NOT run: no initdb on this machine. Install \
                 the package `postgresql` (its server need not run), or give a server's address \
                 in SCIMBRIDGE_TEST_POSTGRES.",
            );
        }
        own
    });
    server.as_ref()
}

/// An address without its database.
fn split(url: &str) -> (String, String) {
    let (address, after) = match url.split_once('?') {
        Some((address, settings)) => (address, format!("?{settings}")),
        None => (url, String::new()),
    };
    let (scheme, rest) = address.split_once("://").unwrap_or(("postgres", address));
    let (authority, _) = rest.split_once('/').unwrap_or((rest, ""));
    (format!("{scheme}://{authority}/"), after)
}

/// The folder of PostgreSQL's programs: in the path, or the newest of Debian's.
fn programs() -> Option<PathBuf> {
    let path = setting("PATH").unwrap_or_default();
    let in_path = path.split(':').map(PathBuf::from);
    let version = |folder: &PathBuf| {
        let name = folder.parent().and_then(Path::file_name)?.to_str()?;
        name.parse::<u32>().ok()
    };
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
    debian.sort_by_key(version);
    let mut all = in_path.chain(debian.into_iter().rev());
    all.find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists())
}

/// A command as somebody whom PostgreSQL serves, who gets the folder: it refuses root.
fn as_somebody(folder: &Path) -> Command {
    let number = |flag: &str, user: &str| -> Option<String> {
        let answer = Command::new("id").args([flag, user]).output().ok()?;
        answer.status.success().then(|| String::from_utf8_lossy(&answer.stdout).trim().to_owned())
    };
    let own = Command::new("id").arg("-u").output().unwrap();
    if own.stdout.trim_ascii() != b"0" {
        return Command::new("env");
    }
    let user = ["postgres", "nobody"].into_iter().find_map(|user| {
        Some((number("-u", user)?.parse().ok()?, number("-g", user)?.parse().ok()?))
    });
    let (user, group): (u32, u32) = user.expect("a user postgres or nobody");
    std::os::unix::fs::chown(folder, Some(user), Some(group)).unwrap();
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups");
    command
}

/// A line that is seen although the test passes.
pub(crate) fn tell(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

#[expect(clippy::disallowed_methods, reason = "how the tests are run is the tester's choice")]
pub(crate) fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[test]
fn addresses_are_split_around_the_database() {
    let check = |url: &str, before: &str, after: &str| {
        assert_eq!(split(url), (before.to_owned(), after.to_owned()));
    };
    check("postgres://u:p@h:5/db", "postgres://u:p@h:5/", "");
    check("postgres://h/db?sslmode=require", "postgres://h/", "?sslmode=require");
    check("postgresql://h", "postgresql://h/", "");
}

/// Whatever else a test has done, its process's cluster must go with it.
#[tokio::test]
async fn a_cluster_goes_when_its_keeper_is_let_go() {
    let Some(cluster) = cluster().await else { return };
    let folder = cluster.folder.clone();
    assert!(folder.exists());
    drop(cluster);
    assert!(!folder.exists());
}
