//! Request lines as some clients write them, made such that the HTTP parser takes them.
//!
//! RFC 3986 has no raw quotation marks, brackets or letters beyond ASCII in a URI, and the parser
//! below refuses them before any handler runs, without a body. Hand-made tools send them all the
//! same, above all `filter=userName eq "ada"`. They are percent-encoded here, which is what their
//! senders mean; nothing behind the request line's end is touched. HTTP/1.1 only: HTTP/2 has no
//! request line.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf as _, BytesMut};
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{SslDigest, TlsRef};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    Stream, TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes read at once while a request line is under way, and most bytes that wait to be written.
const CHUNK: usize = 2048;

tokio::task_local! {
    /// Whether the connection that this task serves is inside a request line.
    static INSIDE: Arc<AtomicBool>;
}

/// Serves one HTTP/1.1 connection whose request lines are mended.
pub(crate) async fn mended<F, R>(stream: Stream, serve: impl FnOnce(Stream) -> F) -> R
where
    F: Future<Output = R>,
{
    let inside = Arc::new(AtomicBool::new(true));
    let mended = Mended {
        inner: stream,
        inside: Arc::clone(&inside),
        begun: false,
        ready: BytesMut::new(),
        leaving: BytesMut::new(),
    };
    INSIDE.scope(inside, serve(Box::new(mended))).await
}

/// Says that the next bytes of this task's connection begin a request.
pub(crate) fn begins() {
    let told = INSIDE.try_with(|inside| inside.store(true, Ordering::Release));
    debug_assert!(told.is_ok(), "every connection of HTTP/1.1 is mended");
}

struct Mended {
    inner: Stream,
    inside: Arc<AtomicBool>,
    /// Whether the line has more than line ends so far.
    begun: bool,
    /// Bytes that have been read and not yet been taken.
    ready: BytesMut,
    /// Bytes that are to be written in one go.
    leaving: BytesMut,
}

impl Mended {
    /// Writes what is to leave.
    fn leave(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.leaving.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(context, &self.leaving))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.leaving.advance(written);
        }
        self.leaving = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    /// Takes bytes over, encoding what a request line may not have.
    fn take_over(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.iter();
        for byte in bytes.by_ref() {
            if may_stand(*byte) {
                self.ready.extend_from_slice(&[*byte]);
            } else {
                self.ready.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
            // Empty lines in front of a request are allowed (RFC 9112 section 2.2).
            self.begun |= !matches!(byte, b'\r' | b'\n');
            if *byte == b'\n' && self.begun {
                self.begun = false;
                self.inside.store(false, Ordering::Release);
                break;
            }
        }
        self.ready.extend_from_slice(bytes.as_slice());
    }
}

/// Whether the parser takes this byte in a request line. Control characters are left to it: it
/// refuses them, and rightly so.
fn may_stand(byte: u8) -> bool {
    byte.is_ascii()
        && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

impl AsyncRead for Mended {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ready.is_empty() {
            if !this.inside.load(Ordering::Acquire) {
                return Pin::new(&mut this.inner).poll_read(context, buffer);
            }
            let mut chunk = [0; CHUNK];
            let mut read = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.inner).poll_read(context, &mut read))?;
            this.take_over(read.filled());
        }
        let length = this.ready.len().min(buffer.remaining());
        buffer.put_slice(this.ready.get(..length).unwrap_or_default());
        this.ready.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Mended {
    // A head and a small body are one system call, or one record of TLS. The room for them is
    // given back at once, since most connections wait most of the time.
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.leaving.len() + bytes.len() > CHUNK {
            ready!(this.leave(context))?;
        }
        if bytes.len() > CHUNK {
            return Pin::new(&mut this.inner).poll_write(context, bytes);
        }
        this.leaving.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.leave(context))?;
        Pin::new(&mut this.inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.leave(context))?;
        Pin::new(&mut this.inner).poll_shutdown(context)
    }
}

#[async_trait]
impl Shutdown for Mended {
    async fn shutdown(&mut self) {
        self.inner.shutdown().await;
    }
}

#[async_trait]
impl Peek for Mended {
    async fn try_peek(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        self.inner.try_peek(buffer).await
    }
}

impl UniqueID for Mended {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for Mended {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.inner.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.selected_alpn_proto()
    }
}

impl GetTimingDigest for Mended {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.inner.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.inner.get_write_pending_time()
    }
}

impl GetProxyDigest for Mended {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }

    fn set_proxy_digest(&mut self, digest: ProxyDigest) {
        self.inner.set_proxy_digest(digest);
    }
}

impl GetSocketDigest for Mended {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.inner.set_socket_digest(digest);
    }
}

impl fmt::Debug for Mended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mended").field("inner", &self.inner).finish_non_exhaustive()
    }
}
