//! Telling the service manager how the process is doing (`sd_notify`, the protocol of systemd).

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::config::load::environment;

/// The process serves; with its number, because it may have taken over from another one.
pub fn ready() {
    tell(&format!("MAINPID={}\nREADY=1\n", std::process::id()));
}

/// The process is about to end.
pub fn stopping() {
    tell("STOPPING=1\n");
}

fn tell(message: &str) {
    let Some(name) = environment("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&name, message) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}

fn send(name: &str, message: &str) -> io::Result<()> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(message.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use crate::app::notify::send;

    #[test]
    fn a_service_manager_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        send(path.to_str().unwrap(), "READY=1\n").unwrap();
        let mut message = [0; 32];
        let length = socket.recv(&mut message).unwrap();
        assert_eq!(&message[..length], b"READY=1\n");
        assert!(send(folder.path().join("nobody").to_str().unwrap(), "READY=1\n").is_err());
    }
}
