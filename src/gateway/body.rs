//! Reading a request body chunk by chunk, never more than allowed and never longer than allowed.
//!
//! `Content-Length` alone proves nothing: a chunked body has none.

use bytes::{Bytes, BytesMut};
use http::header;
use pingora::protocols::http::ServerSession;
use tokio::time::timeout;

use crate::gateway::limits::Limits;
use crate::gateway::refusal::Refusal;

/// The whole body; empty when there is none.
///
/// # Errors
/// The body is too large, too slow or broken. The connection ends with the answer then: nobody
/// knows where the next request would begin.
pub(crate) async fn read(session: &mut ServerSession, limits: &Limits) -> Result<Bytes, Refusal> {
    if declared_length(session).is_some_and(|length| length > limits.body_bytes) {
        return Err(Refusal::BodyTooLarge);
    }
    let reading = async {
        if waits_for_continue(session) {
            session.write_continue_response().await.map_err(|_| Refusal::BodyBroken)?;
        }
        collect(session, limits.body_bytes).await
    };
    let read = timeout(limits.body_timeout, reading).await.unwrap_or(Err(Refusal::BodyTimedOut));
    if read.is_err() {
        session.set_keepalive(None);
    }
    read
}

/// Whether the client holds its body back until it is told to send it (RFC 9110 section 10.1.1).
pub(crate) fn waits_for_continue(session: &ServerSession) -> bool {
    session.get_header_bytes(header::EXPECT).eq_ignore_ascii_case(b"100-continue")
}

fn declared_length(session: &ServerSession) -> Option<usize> {
    let text = session.get_header(header::CONTENT_LENGTH)?.to_str().ok()?;
    // A number too large for the type is too large for the limit as well.
    Some(text.trim().parse().unwrap_or(usize::MAX))
}

async fn collect(session: &mut ServerSession, most: usize) -> Result<Bytes, Refusal> {
    let mut body = BytesMut::new();
    while let Some(chunk) = session.read_request_body().await.map_err(|_| Refusal::BodyBroken)? {
        if chunk.len() > most.saturating_sub(body.len()) {
            return Err(Refusal::BodyTooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Takes in and forgets what the client is still sending, for a while.
///
/// Closing a connection with unread bytes makes the kernel reset it, and HTTP/2 does the same to a
/// stream; the client may then never see the answer that tells it to stop.
pub(crate) async fn discard(session: &mut ServerSession, limits: &Limits) {
    if waits_for_continue(session) {
        return;
    }
    let rest = async { while let Ok(Some(_)) = session.read_request_body().await {} };
    if timeout(limits.discard_timeout, rest).await.is_err() {
        tracing::debug!("the client went on sending after it had been answered");
    }
}
