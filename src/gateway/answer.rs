//! Writing the answer: head and body in one go (RFC 7644 section 3.1).
//!
//! An answer always has its length, or the connection would have to be closed after it.

use bytes::Bytes;
use http::{Method, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::proxy::Session;

use crate::exchange::response::ScimResponse;
use crate::gateway::head;
use crate::gateway::refusal::Refusal;

/// Sends the answer. The request's own method and `Accept` decide about body and media type.
///
/// # Errors
/// The client is gone, or a header of the answer is no header.
pub(crate) async fn write(
    session: &mut Session,
    response: ScimResponse,
    request_id: &str,
) -> pingora::Result<()> {
    let request = session.req_header();
    let media_type = head::answer_type(&request.headers);
    let without_body = request.method == Method::HEAD;
    let (response, body) = encode(response);
    let mut header = ResponseHeader::build(response.status, Some(response.headers.len() + 6))?;
    for (name, value) in response.headers {
        header.append_header(name, value)?;
    }
    header.insert_header(header::CACHE_CONTROL, "no-store")?;
    header.insert_header("X-Request-Id", request_id)?;
    if let Some(body) = &body {
        header.insert_header(header::CONTENT_TYPE, media_type)?;
        header.insert_header(header::CONTENT_LENGTH, body.len().to_string())?;
    } else if !is_bodiless(header.status) {
        header.insert_header(header::CONTENT_LENGTH, "0")?;
    }
    let body = body.filter(|body| !without_body && !body.is_empty());
    // One by one: the bodies of several tasks are copied. Both leave together all the same.
    let head = HttpTask::Header(Box::new(header), body.is_none());
    session.write_response_tasks(vec![head]).await?;
    if body.is_some() {
        session.write_response_tasks(vec![HttpTask::Body(body, true)]).await?;
    }
    Ok(())
}

/// Statuses whose answers end with the head (RFC 9110 section 6.4.1).
fn is_bodiless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn encode(mut response: ScimResponse) -> (ScimResponse, Option<Bytes>) {
    let Some(body) = response.body.take() else { return (response, None) };
    if let Ok(text) = body.into_text() {
        return (response, Some(text));
    }
    let mut refused = Refusal::Internal.response();
    let text = refused.body.take().and_then(|body| body.into_text().ok());
    (refused, text)
}
