//! Handing the listening sockets to a newer process, so that no connection is refused meanwhile.
//!
//! The serving process waits on a socket in the file system. A newer one connects to it, gets both
//! listening sockets (not copies: the queue of connections is one), starts to serve, and says so;
//! only then does the older one stop accepting and finish what it has. Until that word, a newer
//! process that fails changes nothing.

use std::fs;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What is sent beside the sockets, so that both sides know what they are.
const GREETING: &[u8; 22] = b"scimbridge sockets 1\r\n";

/// What a newer process sends once it serves.
const READY: &[u8; 7] = b"ready\r\n";

/// Longest time from the sockets to that word.
const PATIENCE: Duration = Duration::from_mins(2);

/// The listening sockets of a bridge.
#[derive(Debug)]
pub struct Sockets {
    /// Where SCIM is served.
    pub scim: TcpListener,
    /// Where operators ask.
    pub admin: TcpListener,
}

/// The offer to take over, until it is withdrawn.
#[derive(Debug)]
pub struct Offer {
    path: PathBuf,
    waiting: JoinHandle<()>,
    relieved: Arc<Notify>,
}

impl Offer {
    /// Waits at `path` for a newer process. Must be called on a runtime.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn make(path: &Path, sockets: Sockets) -> io::Result<Self> {
        // A name of its own first, renamed when nobody else can connect to it: an offer of before
        // is replaced in one step.
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        fs::remove_file(&fresh).ok();
        let listener = UnixListener::bind(&fresh)?;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600))?;
        fs::rename(&fresh, path)?;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::UnixListener::from_std(listener)?;
        let relieved = Arc::new(Notify::new());
        let waiting = tokio::spawn(wait(listener, Arc::new(sockets), Arc::clone(&relieved)));
        Ok(Self { path: path.to_owned(), waiting, relieved })
    }

    /// Returns when a newer process serves.
    pub async fn relieved(&self) {
        self.relieved.notified().await;
    }

    /// Ends the offer after a newer process has taken over.
    pub async fn close(self) {
        self.waiting.abort();
        // The sockets are closed when this returns.
        self.waiting.await.ok();
    }

    /// Ends the offer; nobody can take over any more.
    pub async fn withdraw(self) {
        fs::remove_file(&self.path).ok();
        self.close().await;
    }
}

async fn wait(listener: tokio::net::UnixListener, sockets: Arc<Sockets>, relieved: Arc<Notify>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        // The file's permissions say so already; on some systems they are not looked at.
        let user = rustix::process::geteuid().as_raw();
        let is_ours = stream.peer_cred().is_ok_and(|it| it.uid() == user || it.uid() == 0);
        let stream = stream.into_std().ok().filter(|_| is_ours);
        let Some(stream) = stream else { continue };
        let sockets = Arc::clone(&sockets);
        let handed = tokio::task::spawn_blocking(move || hand_over(&stream, &sockets)).await;
        match handed {
            Ok(Ok(())) => {
                tracing::info!("a newer process serves now");
                relieved.notify_one();
                return;
            }
            Ok(Err(error)) => tracing::warn!(%error, "a newer process did not take over"),
            Err(error) => tracing::warn!(%error, "a newer process could not be waited for"),
        }
    }
}

/// Sends the sockets and waits for the word.
fn hand_over(mut stream: &UnixStream, sockets: &Sockets) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let fds = [sockets.scim.as_fd(), sockets.admin.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    sendmsg(stream, &[IoSlice::new(GREETING)], &mut control, SendFlags::empty())?;
    let mut word = [0; READY.len()];
    stream.read_exact(&mut word)?;
    if word == *READY { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// Sockets that an older process has handed over; it goes on serving until it is told.
#[derive(Debug)]
pub struct Takeover {
    stream: UnixStream,
}

impl Takeover {
    /// Asks the process that waits at `path` for its sockets; `None` when there is none.
    ///
    /// # Errors
    /// It waits there, but does not hand them over.
    pub fn ask(path: &Path) -> io::Result<Option<(Self, Sockets)>> {
        let stream = match UnixStream::connect(path) {
            Ok(stream) => stream,
            Err(error) => {
                return match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
                    _ => Err(error),
                };
            }
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut greeting = [0; GREETING.len()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut greeting)];
        let received = recvmsg(&stream, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let mut listeners = Vec::with_capacity(2);
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                listeners.extend(fds.map(TcpListener::from));
            }
        }
        let is_whole = received.bytes == GREETING.len() && greeting == *GREETING;
        match (<[TcpListener; 2]>::try_from(listeners), is_whole) {
            (Ok([scim, admin]), true) => Ok(Some((Self { stream }, Sockets { scim, admin }))),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Tells the older process that this one serves.
    ///
    /// # Errors
    /// It cannot be told. Both serve then, until somebody ends the older one.
    pub fn ready(mut self) -> io::Result<()> {
        self.stream.write_all(READY)
    }
}

/// The socket for this address: the one that was handed over, if it is bound there, or a new one.
///
/// # Errors
/// The address cannot be listened on.
pub fn listener(handed: Option<TcpListener>, address: SocketAddr) -> io::Result<TcpListener> {
    if let Some(handed) = handed
        && let Ok(bound) = handed.local_addr()
        && (bound == address || address.port() == 0 && bound.ip() == address.ip())
    {
        return Ok(handed);
    }
    TcpListener::bind(address)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use tokio::time::timeout;

    use crate::app::handoff::{Offer, Sockets, Takeover, listener};

    fn sockets() -> Sockets {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        Sockets { scim: listen(), admin: listen() }
    }

    #[tokio::test]
    async fn the_same_sockets_go_to_the_newer_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("upgrade.sock");
        assert!(Takeover::ask(&path).unwrap().is_none());
        let sockets = sockets();
        let addresses = [&sockets.scim, &sockets.admin].map(|it| it.local_addr().unwrap());
        let offer = Offer::make(&path, sockets).unwrap();

        // One that gives up changes nothing.
        let asked = path.clone();
        let given = tokio::task::spawn_blocking(move || Takeover::ask(&asked).unwrap().unwrap());
        drop(given.await.unwrap());
        assert!(timeout(Duration::from_millis(20), offer.relieved()).await.is_err());

        let asked = path.clone();
        let taken = tokio::task::spawn_blocking(move || Takeover::ask(&asked).unwrap().unwrap());
        let (takeover, taken) = taken.await.unwrap();
        let got = [&taken.scim, &taken.admin].map(|it| it.local_addr().unwrap());
        assert_eq!(got, addresses);
        let newer = Offer::make(&path, taken).unwrap();
        takeover.ready().unwrap();
        offer.relieved().await;
        offer.close().await;
        assert!(path.exists(), "the path is the newer one's now");
        newer.withdraw().await;
        assert!(!path.exists());
    }

    #[test]
    fn another_address_is_listened_on_anew() {
        let handed = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = handed.local_addr().unwrap();
        let clone = handed.try_clone().unwrap();
        assert_eq!(listener(Some(handed), address).unwrap().local_addr().unwrap(), address);
        let other = listener(Some(clone), "127.0.0.2:0".parse().unwrap()).unwrap();
        assert_ne!(other.local_addr().unwrap().ip(), address.ip());
    }
}
