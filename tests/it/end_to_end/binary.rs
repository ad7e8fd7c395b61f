//! The real binary, as an installation runs it.
#![cfg(test)]

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, sleep, timeout};

use crate::end_to_end::bridge::{NATIVE_KEY, PEOPLE, token};

/// Longest wait for the process to start or to end; a slow machine is no failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder with a configuration of one tenant, `main`, and its mapping.
pub(crate) struct Installation {
    folder: TempDir,
}

impl Installation {
    pub(crate) fn new(origin: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("sqlite:{}", folder.path().join("bridge.db").display());
        Self::of(folder, &store, PEOPLE, "debug", origin)
    }

    /// One of several bridges that share a store.
    pub(crate) fn replica(store: &str, mapping: &str, origin: &str) -> Self {
        Self::of(tempfile::tempdir().unwrap(), store, mapping, "info", origin)
    }

    fn of(folder: TempDir, store: &str, mapping: &str, level: &str, origin: &str) -> Self {
        let configuration = format!(
            "[listen]\nscim = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
             [store]\nurl = \"{store}\"\n\
             [log]\nformat = \"json\"\nlevel = \"{level}\"\n\
             [[tenants]]\nname = \"main\"\nmapping = \"mapping.yaml\"\ntoken_env = \"MAIN_TOKEN\"\n\
             [tenants.config]\nurl = \"{origin}\"\nkey = \"{NATIVE_KEY}\"\n"
        );
        std::fs::write(folder.path().join("scimbridge.toml"), configuration).unwrap();
        std::fs::write(folder.path().join("mapping.yaml"), mapping).unwrap();
        Self { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Adds to the configuration.
    pub(crate) fn configure(&self, mapping: &str, more: &str) {
        let file = self.folder().join("scimbridge.toml");
        let before = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, format!("{before}{more}")).unwrap();
        std::fs::write(self.folder().join("mapping.yaml"), mapping).unwrap();
    }

    /// A command of the binary, in this folder and with nothing else in its environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scimbridge"));
        command.args(arguments).current_dir(self.folder()).stdin(Stdio::null());
        command.env_clear().env("MAIN_TOKEN", token("main"));
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
    }

    /// Changes the configuration file.
    pub(crate) fn edit(&self, change: impl FnOnce(String) -> String) {
        let path = self.folder().join("scimbridge.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, change(text)).unwrap();
    }

    /// Serves until the binary is told to stop or dropped.
    pub(crate) async fn serve(&self) -> Binary {
        self.serve_with(&[]).await
    }

    /// As [`Self::serve`], with more arguments.
    pub(crate) async fn serve_with(&self, more: &[&str]) -> Binary {
        let arguments = [&["serve", "--config", "scimbridge.toml"], more].concat();
        Self::started(self.command(&arguments)).await
    }

    /// One whose store lies in the folder `small`.
    pub(crate) fn on_a_small_disk(mapping: &str, origin: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("small")).unwrap();
        Self::of(folder, "sqlite:small/bridge.db", mapping, "info", origin)
    }

    /// The same as [`Self::serve`], where `small` is a file system of one megabyte that only the
    /// process sees, half of it taken.
    pub(crate) async fn serve_on_a_small_disk(&self) -> Binary {
        let mount = "mount -t tmpfs -o size=1m tmpfs small \
                     && head -c 500000 /dev/zero >small/ballast && exec \"$@\"";
        let served = self.command(&["serve", "--config", "scimbridge.toml"]);
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", mount, "sh"]).arg(served.get_program());
        command.args(served.get_args()).current_dir(self.folder()).stdin(Stdio::null());
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("MAIN_TOKEN", token("main"));
        Self::started(command).await
    }

    /// Gives the taken half of the small disk back.
    pub(crate) fn make_room(&self, bridge: &Binary) {
        let root = format!("/proc/{}/root", bridge.child.id());
        let ballast = self.folder().join("small/ballast");
        std::fs::remove_file(format!("{root}{}", ballast.display())).unwrap();
    }

    async fn started(mut command: Command) -> Binary {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let (lines, mut arriving) = unbounded_channel();
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&log);
        // The pipe is read for as long as the process writes; a full one would stop it.
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                kept.lock().unwrap().push(line.clone());
                drop(lines.send(line));
            }
        });
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut binary = Binary { child, address: nowhere, admin: nowhere, log };
        let opened = timeout(PATIENCE, opened(&mut arriving)).await;
        let opened = opened.ok().flatten().unwrap_or_else(|| panic!("{:?}", binary.log()));
        (binary.address, binary.admin) = opened;
        binary
    }
}

/// The addresses of the SCIM port and of the operators' port, as the log tells them.
async fn opened(lines: &mut UnboundedReceiver<String>) -> Option<(SocketAddr, SocketAddr)> {
    let mut scim = None;
    loop {
        let line: Value = serde_json::from_str(&lines.recv().await?).ok()?;
        let address = || line["address"].as_str()?.parse().ok();
        match line["message"].as_str() {
            Some("SCIM port open") => scim = address(),
            Some("admin port open") => return scim.zip(address()),
            _ => {}
        }
    }
}

/// A serving process; it is killed when this is dropped.
pub(crate) struct Binary {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Binary {
    /// The lines of the log so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// The process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where the operators' port is.
    pub(crate) fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits for the end of the process.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the process does not end: {:?}", self.log());
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// A figure of `/proc/<pid>/status` in bytes: `VmRSS` is the memory in use, `VmHWM` the most
    /// that ever was.
    #[cfg(target_os = "linux")]
    pub(crate) fn memory(&self, figure: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':'));
        let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
        kilobytes.parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
