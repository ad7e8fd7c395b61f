//! An answer as it came over the network becomes one of ours, never more of it than allowed.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::BodyExt;

use crate::exchange::upstream::UpstreamError;
use crate::native::message::{Content, NativeResponse};
use crate::upstream::failure::{Cause, Failure};

/// Most bytes for which room is made before they come.
const ANNOUNCED: usize = 1 << 20;

/// Reads an answer to the end of its body, or to `limit` bytes of it.
pub(crate) async fn read<B>(response: Response<B>, limit: u64) -> Result<NativeResponse, Failure>
where
    B: BodyExt<Data = Bytes, Error: Into<Cause>> + Unpin,
{
    let (head, body) = response.into_parts();
    let body = content(body, limit).await?;
    Ok(NativeResponse { status: head.status.as_u16(), headers: fields(&head.headers), body })
}

/// What came in one piece is not copied.
async fn content<B>(mut body: B, limit: u64) -> Result<Content, Failure>
where
    B: BodyExt<Data = Bytes, Error: Into<Cause>> + Unpin,
{
    let Some(first) = chunk(&mut body).await? else {
        return Ok(Bytes::new().into());
    };
    let mut left = less(limit, &first)?;
    let Some(mut next) = chunk(&mut body).await? else {
        return Ok(first.into());
    };
    // Room at once for what is announced, but no more than a page's worth on a mere announcement.
    let announced = usize::try_from(body.size_hint().lower().min(left)).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(first.len() + next.len() + announced.min(ANNOUNCED));
    bytes.extend_from_slice(&first);
    loop {
        left = less(left, &next)?;
        bytes.extend_from_slice(&next);
        let Some(chunk) = chunk(&mut body).await? else {
            return Ok(Bytes::from(bytes).into());
        };
        next = chunk;
    }
}

/// The next bytes; trailers are nobody's.
async fn chunk<B>(body: &mut B) -> Result<Option<Bytes>, Failure>
where
    B: BodyExt<Data = Bytes, Error: Into<Cause>> + Unpin,
{
    while let Some(frame) = body.frame().await {
        if let Ok(chunk) = frame.map_err(cut_off)?.into_data() {
            return Ok(Some(chunk));
        }
    }
    Ok(None)
}

/// The length as announced is not looked at: the answer to HEAD announces what GET has.
fn less(left: u64, chunk: &Bytes) -> Result<u64, Failure> {
    let length = u64::try_from(chunk.len()).ok();
    let left = length.and_then(|length| left.checked_sub(length));
    left.ok_or(Failure::Hopeless(UpstreamError::TooLarge))
}

fn cut_off(error: impl Into<Cause>) -> Failure {
    Failure::CutOff(UpstreamError::Interrupted(Some(error.into())))
}

fn fields(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let field = |(name, value): (&HeaderName, _)| (name.as_str().to_owned(), text(value));
    headers.iter().map(field).collect()
}
