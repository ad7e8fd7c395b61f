//! Processes: started, looked at through `/proc`, ended.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::operations::Call;

/// A process that ends when this is dropped.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts a program whose output nobody reads.
    pub(crate) fn start(command: &mut Command) -> Outcome<Self> {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("{}: {error}", program(command)))?;
        Ok(Self { child })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// CPU time of the process and its children until now, user and system.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        let mut ticks = 0;
        for id in family(self.id()) {
            // A child may have ended since.
            let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
            let (_, fields) = stat.rsplit_once(')').ok_or("/proc has another form")?;
            // utime and stime are the fields 14 and 15; the name is the second.
            for field in fields.split_whitespace().skip(11).take(2) {
                ticks += field.parse::<u64>()?;
            }
        }
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Resident memory in KB, of the process and its children.
    pub(crate) fn memory(&self) -> u64 {
        let of = |id: u32| {
            let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        family(self.id()).into_iter().filter_map(of).sum()
    }

    /// Forgets how much memory it has had.
    pub(crate) fn forget_peak(&self) -> Outcome<()> {
        Ok(fs::write(format!("/proc/{}/clear_refs", self.id()), "5")?)
    }

    /// The most resident memory in KB since then, of the process alone.
    pub(crate) fn peak(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok(number.ok_or("/proc has another form")?.parse()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The polite way, so that nginx takes its workers with it.
        let ended = Command::new("kill").arg(self.id().to_string()).status();
        let deadline = Instant::now() + Duration::from_secs(3);
        while ended.is_ok() && Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            pause();
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn family(id: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    let children = children.unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    std::iter::once(id).chain(children).collect()
}

/// A short while.
#[expect(clippy::disallowed_methods, reason = "nothing else runs in this process")]
pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(2));
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A connection that is kept, for one request after the other.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    port: u16,
}

impl Client {
    /// Waits until the port is open.
    pub(crate) fn connect(port: u16, patience: Duration) -> Outcome<Self> {
        let deadline = Instant::now() + patience;
        loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(patience))?;
                    return Ok(Self { stream: BufReader::new(stream), port });
                }
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(_) => pause(),
            }
        }
    }

    /// Sends a request; the answer is its status and body.
    pub(crate) fn ask(&mut self, call: Call, token: &str) -> Outcome<(u16, Vec<u8>)> {
        let Call { method, target, body } = call;
        self.ask_text(method, target, body, token)
    }

    /// The same, with texts that nobody keeps.
    pub(crate) fn ask_text(
        &mut self,
        method: &str,
        target: &str,
        body: &str,
        token: &str,
    ) -> Outcome<(u16, Vec<u8>)> {
        let (port, length) = (self.port, body.len());
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(head.as_bytes())?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).ok_or("no answer")?.trim().parse()?;
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((status, body))
    }
}
