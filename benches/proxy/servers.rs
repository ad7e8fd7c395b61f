//! The four servers, each in a process of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::operations::Call;
use crate::process::{self, Client, Process};
use crate::{Options, Outcome, growth};

/// What the bridge's client sends.
pub(crate) const TOKEN: &str = "a-token-of-the-bench-0123456789abcdef";

/// Which request a server understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    Native,
    Scim,
}

/// A server that can be asked.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) speaks: Speaks,
    pub(crate) port: u16,
    pub(crate) process: Process,
    /// From the start of the process to its first good answer.
    pub(crate) ready: Duration,
}

/// How a program is started: by itself, or under valgrind.
pub(crate) type Launch<'a> = &'a dyn Fn(&Path) -> Command;

/// A program by itself.
pub(crate) fn plain(program: &Path) -> Command {
    Command::new(program)
}

/// A folder of the bench's own; it goes when this is dropped.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Outcome<Self> {
        Ok(Self(tempfile::tempdir()?))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

fn own_program() -> Outcome<PathBuf> {
    Ok(std::env::current_exe()?)
}

const CALLS: Call = Call { method: "GET", target: "/calls", body: "" };
const READY: Call = Call { method: "GET", target: "/readyz", body: "" };
const PERSON: Call = Call { method: "GET", target: "/api/people/7", body: "" };

/// The stub.
pub(crate) fn stub() -> Outcome<Server> {
    let port = process::free_port()?;
    let mut command = Command::new(own_program()?);
    started("stub", Speaks::Native, command.args(["stub", &port.to_string()]), (port, port), PERSON)
}

/// The pass-through.
pub(crate) fn pass(upstream: u16, launch: Launch<'_>) -> Outcome<Server> {
    let port = process::free_port()?;
    let mut command = launch(&own_program()?);
    command.args(["pass", &port.to_string(), &upstream.to_string()]);
    started("pingora", Speaks::Native, &mut command, (port, port), PERSON)
}

/// nginx; `None` where it is not installed.
pub(crate) fn nginx(upstream: u16, folder: &Folder) -> Outcome<Option<Server>> {
    let program = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"];
    let Some(program) = program.into_iter().find(|path| Path::new(path).exists()) else {
        return Ok(None);
    };
    let port = process::free_port()?;
    let root = folder.path().display();
    let conf = folder.path().join("nginx.conf");
    let text = format!(
        "worker_processes 2; daemon off; pid {root}/nginx.pid; error_log /dev/null crit;\n\
         events {{ worker_connections 2048; }}\n\
         http {{\n\
           access_log off; client_body_temp_path {root}/body; proxy_temp_path {root}/proxy;\n\
           fastcgi_temp_path {root}/f; uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;\n\
           keepalive_requests 1000000000;\n\
           upstream stub {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000000; }}\n\
           server {{ listen 127.0.0.1:{port} backlog=1024; location / {{\n\
             proxy_pass http://stub; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}\n\
         }}\n"
    );
    fs::write(&conf, text)?;
    let mut command = Command::new(program);
    command.arg("-c").arg(&conf).arg("-p").arg(folder.path());
    started("nginx", Speaks::Native, &mut command, (port, port), PERSON).map(Some)
}

/// Who finds people by their userName.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Search {
    /// The application.
    Native,
    /// The bridge, by its index.
    Index,
}

/// An application with people, and a team with members.
pub(crate) fn world(people: u32, members: u32) -> Outcome<Server> {
    let port = process::free_port()?;
    let mut command = Command::new(own_program()?);
    command.arg("world").args([port.to_string(), people.to_string(), members.to_string()]);
    started("world", Speaks::Native, &mut command, (port, port), CALLS)
}

/// The bridge, with a token, a store in a file and everything at its defaults.
pub(crate) fn bridge(
    upstream: u16,
    options: &Options,
    folder: &Folder,
    launch: Launch<'_>,
) -> Outcome<Server> {
    let mapping = concat!(env!("CARGO_MANIFEST_DIR"), "/mappings/legacy-app.yaml");
    configured(upstream, options, folder, launch, (mapping, "", ""))
}

/// The same with room for very large requests.
pub(crate) fn tuned_bridge(
    upstream: u16,
    options: &Options,
    folder: &Folder,
    search: Search,
) -> Outcome<Server> {
    let limits = "[limits]\nbody_bytes = 33554432\nanswer_seconds = 290\n";
    match search {
        Search::Native => {
            let mapping = concat!(env!("CARGO_MANIFEST_DIR"), "/mappings/legacy-app.yaml");
            configured(upstream, options, folder, &plain, (mapping, limits, ""))
        }
        Search::Index => {
            let mapping = growth::mapping_without_search(folder)?;
            let mapping = mapping.to_str().ok_or("a folder without a name")?;
            let index = "[tenants.index]\nusers = [\"userName\"]\n";
            configured(upstream, options, folder, &plain, (mapping, limits, index))
        }
    }
}

fn configured(
    upstream: u16,
    options: &Options,
    folder: &Folder,
    launch: Launch<'_>,
    (mapping, limits, index): (&str, &str, &str),
) -> Outcome<Server> {
    let (port, admin) = (process::free_port()?, process::free_port()?);
    let conf = folder.path().join("scimbridge.toml");
    let root = folder.path().display();
    let text = format!(
        "{limits}[listen]\nscim = \"127.0.0.1:{port}\"\nadmin = \"127.0.0.1:{admin}\"\n\
         [store]\nurl = \"sqlite:{root}/bridge.db\"\n\
         [[tenants]]\nname = \"bench\"\nmapping = \"{mapping}\"\ntoken_env = \"BENCH_TOKEN\"\n\
         [tenants.config]\nurl = \"http://127.0.0.1:{upstream}\"\nkey = \"native-key\"\n{index}"
    );
    fs::write(&conf, text)?;
    let mut command = launch(&options.bridge);
    command.env("BENCH_TOKEN", TOKEN).arg("serve").arg("--config").arg(&conf);
    started("bridge", Speaks::Scim, &mut command, (port, admin), READY)
}

/// Waits for the first good answer on the second of two ports.
fn started(
    name: &'static str,
    speaks: Speaks,
    command: &mut Command,
    (port, asked): (u16, u16),
    first: Call,
) -> Outcome<Server> {
    let begun = Instant::now();
    let process = Process::start(command)?;
    let patience = Duration::from_mins(3);
    let mut client = Client::connect(asked, patience)?;
    let (status, _) = client.ask(first, TOKEN)?;
    if status != 200 {
        return Err(format!("{name} answers {status} to its first request").into());
    }
    Ok(Server { name, speaks, port, process, ready: begun.elapsed() })
}
