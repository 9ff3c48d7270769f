//! Push and pull.

use std::io;
use std::ops::Range;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, RANGE,
};
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::{Stream, stream};
use pentad_http_kit::{Access, Binary, Endpoint, Fault, Form, Part, Principal, endpoint};
use pentad_session_sync::{ArchiveStream, Client, Error, Push, Pushed, Session, SessionRef, SessionSync};

use crate::faults::fault;
use crate::wire::PushedAnswer;

/// How much of a refused upload is still read, so that its sender gets to the answer.
const DRAINED_BYTES: usize = 64 << 20;

/// The value of a header as text.
pub(crate) fn header(
    request: &HttpRequest,
    name: impl actix_web::http::header::AsHeaderName,
) -> Option<&str> {
    request.headers().get(name)?.to_str().ok()
}

/// What the command line says of itself.
pub(crate) fn client(request: &HttpRequest) -> Client {
    let text = |name: &str| {
        header(request, name)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    Client {
        version: text("x-client-version"),
        platform: text("x-client-platform"),
        device: text("x-client-device"),
    }
}

/// The etag of an `If-Match`; what is none matches nothing.
pub(crate) fn if_match(request: &HttpRequest) -> Option<String> {
    let value = header(request, IF_MATCH)?.trim();
    let bare = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    Some(bare.unwrap_or(value).to_owned())
}

pub(crate) fn undelete(request: &HttpRequest) -> bool {
    header(request, "x-sessionfs-undelete").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The part that holds the archive, which may be read on after its end.
pub(crate) struct ArchivePart {
    part: Part,
    ended: bool,
}

impl ArchivePart {
    async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        if self.ended {
            return Ok(None);
        }
        let chunk = self.part.chunk().await;
        self.ended = !matches!(chunk, Ok(Some(_)));
        chunk
    }
}

/// The part named `file` of a form.
pub(crate) async fn file_part(request: &HttpRequest, form: &mut Form) -> Result<ArchivePart, Fault> {
    let missing = || Fault::unprocessable(&["body", "file"], "Field required", "missing");
    let is_form = header(request, CONTENT_TYPE).is_some_and(|media| {
        media
            .trim_start()
            .to_ascii_lowercase()
            .starts_with("multipart/form-data")
    });
    if !is_form {
        return Err(missing());
    }
    while let Some(part) = form.next().await? {
        if part.name() == "file" {
            return Ok(ArchivePart { part, ended: false });
        }
    }
    Err(missing())
}

/// The pieces of a part.
pub(crate) fn pieces(part: &mut ArchivePart) -> impl Stream<Item = io::Result<Bytes>> + '_ {
    stream::unfold(part, |part| async move {
        match part.chunk().await {
            Ok(None) => None,
            Ok(Some(bytes)) => Some((Ok(bytes), part)),
            Err(fault) => Some((Err(io::Error::other(fault.to_string())), part)),
        }
    })
}

/// Reads on a while in what was refused: a client that is still sending would not see the answer.
pub(crate) async fn drain(part: &mut ArchivePart) {
    let mut left = DRAINED_BYTES;
    while let Ok(Some(bytes)) = part.chunk().await {
        match left.checked_sub(bytes.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// Refuses a body that says itself that it is too long.
pub(crate) fn check_length(request: &HttpRequest, limit: u64) -> Result<(), Fault> {
    // The boundary and the head of the part come on top of the archive.
    let allowed = limit.saturating_add(64 << 10);
    let length = header(request, CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    if length.is_some_and(|length| length > allowed) {
        return Err(fault(Error::ArchiveTooLarge { limit }));
    }
    Ok(())
}

/// The answer to a push, with how long its steps took.
pub(crate) fn pushed(pushed: &Pushed, status: StatusCode, body: impl serde::Serialize) -> HttpResponse {
    let timing: Vec<String> = pushed
        .timing
        .iter()
        .map(|(step, millis)| format!("{step};dur={millis:.1}"))
        .collect();
    let mut response = HttpResponse::build(status);
    response.insert_header((ETAG, format!("\"{}\"", pushed.etag)));
    if !timing.is_empty() {
        response.insert_header(("Server-Timing", timing.join(", ")));
    }
    response.json(body)
}

/// The form of an upload, for the document.
#[derive(Debug, utoipa::ToSchema)]
#[schema(as = sync::Archive)]
#[expect(
    dead_code,
    reason = "the document is made from it; requests are read as a stream"
)]
pub(crate) struct ArchiveForm {
    /// The session as a `.tar.gz`.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    file: String,
}

/// Push session (upload archive)
///
/// Stores a `.tar.gz` of at most 300 MiB (50 MiB on the free plan) under the session's identifier. With
/// `If-Match` only over the state that the client last saw; a session in the trash only with
/// `X-SessionFS-Undelete: true`. The answer leaves when the archive is on disk; its text is searchable
/// right after.
#[utoipa::path(put, path = "/api/v1/sessions/{id}/sync", tag = "sessions",
    params(("id" = String, Path, description = "The session: `ses_` and 8 to 40 of a-z and 0-9.", example = "ses_0123456789abcdef"),
           ("If-Match" = Option<String>, Header, description = "The etag that the client last saw."),
           ("X-SessionFS-Undelete" = Option<String>, Header, description = "`true` takes the session out of the trash.")),
    request_body(content = ArchiveForm, content_type = "multipart/form-data"),
    responses((status = 201, description = "The session is new.", body = PushedAnswer),
              (status = 200, description = "The session is replaced.", body = PushedAnswer),
              (status = 400, description = "The identifier or the archive is refused."),
              (status = 409, description = "`etag_mismatch`, or the identifier is another user's."),
              (status = 410, description = "The session is in the trash."),
              (status = 413, description = "The archive, or a file in it, is too large."),
              (status = 422, description = "The form has no part `file`.")))]
async fn push(
    request: HttpRequest,
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
    mut form: Form,
) -> Result<HttpResponse, Fault> {
    if !pentad_session_sync::valid_session_id(&id) {
        return Err(fault(Error::InvalidSessionId));
    }
    check_length(&request, sync.archive_limit(&principal))?;
    let mut part = file_part(&request, &mut form).await?;
    let wanted = Push {
        session: id.into_inner(),
        if_match: if_match(&request),
        undelete: undelete(&request),
        client: client(&request),
    };
    let outcome = sync.push(&principal, wanted, pieces(&mut part)).await;
    match outcome {
        Ok(done) => {
            let status = if done.created {
                StatusCode::CREATED
            } else {
                StatusCode::OK
            };
            Ok(pushed(&done, status, PushedAnswer::from(&done)))
        }
        Err(error) => {
            drain(&mut part).await;
            Err(fault(error))
        }
    }
}

/// `bytes=first-last`, `bytes=first-` or `bytes=-count` of so many bytes; `None` for anything else.
fn range(text: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    let range = if first.is_empty() {
        size.saturating_sub(last.parse().ok()?)..size
    } else {
        let last: Option<u64> = if last.is_empty() {
            None
        } else {
            Some(last.parse().ok()?)
        };
        first.parse().ok()?..last.map_or(size, |last| last.saturating_add(1).min(size))
    };
    (range.start < range.end).then_some(range)
}

pub(crate) fn archive(stream: ArchiveStream, status: StatusCode) -> HttpResponse {
    let length = stream.range.end - stream.range.start;
    let mut response = HttpResponse::build(status);
    response
        .insert_header((CONTENT_TYPE, "application/gzip"))
        .insert_header((ETAG, format!("\"{}\"", stream.etag)))
        .insert_header((ACCEPT_RANGES, "bytes"));
    if status == StatusCode::PARTIAL_CONTENT {
        let (first, last) = (stream.range.start, stream.range.end - 1);
        response.insert_header((CONTENT_RANGE, format!("bytes {first}-{last}/{}", stream.size)));
    }
    response.body(SizedStream::new(length, stream.bytes))
}

async fn send(request: &HttpRequest, sync: &SessionSync, session: &Session) -> Result<HttpResponse, Fault> {
    let size = u64::try_from(session.blob_size_bytes).unwrap_or(0);
    let asked = header(request, RANGE);
    let wanted = match asked {
        // Only the range form that is understood; anything else is answered whole (RFC 9110, 14.2).
        Some(text) => range(text, size),
        None => None,
    };
    let status = if wanted.is_some() {
        StatusCode::PARTIAL_CONTENT
    } else {
        StatusCode::OK
    };
    let stream = sync.archive(session, wanted).await.map_err(fault)?;
    Ok(archive(stream, status))
}

/// Pull session (download archive)
///
/// The archive exactly as it was pushed. `If-None-Match` with the stored etag is answered 304 without a
/// body; a single byte range is answered 206.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/sync", tag = "sessions",
    params(("id" = String, Path, description = "The session, or its alias.", example = "ses_0123456789abcdef")),
    responses((status = 200, description = "The archive.", body = inline(Binary), content_type = "application/gzip"),
              (status = 206, description = "The range of it.", body = inline(Binary), content_type = "application/gzip"),
              (status = 304, description = "The client has it."),
              (status = 400, description = "That is neither an identifier nor an alias."),
              (status = 404, description = "There is no such session.")))]
async fn pull(
    request: HttpRequest,
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<HttpResponse, Fault> {
    let name = SessionRef::parse(&id).map_err(fault)?;
    let session = sync.session(&principal.actor, &name).await.map_err(fault)?;
    let known = header(&request, IF_NONE_MATCH).unwrap_or_default();
    let is_known = known.split(',').any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.trim_start_matches("W/").trim_matches('"') == session.etag
    });
    if is_known {
        return Ok(HttpResponse::NotModified()
            .insert_header((ETAG, format!("\"{}\"", session.etag)))
            .finish());
    }
    send(&request, &sync, &session).await
}

/// Download a session's archive
#[utoipa::path(get, path = "/api/v1/sessions/{id}/download", tag = "sessions",
    params(("id" = String, Path, description = "The session, or its alias.", example = "ses_0123456789abcdef")),
    responses((status = 200, description = "The archive.", body = inline(Binary), content_type = "application/gzip"),
              (status = 400, description = "That is neither an identifier nor an alias."),
              (status = 404, description = "There is no such session.")))]
async fn download(
    request: HttpRequest,
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<HttpResponse, Fault> {
    let name = SessionRef::parse(&id).map_err(fault)?;
    let session = sync.session(&principal.actor, &name).await.map_err(fault)?;
    send(&request, &sync, &session).await
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(push, Access::User),
        endpoint!(pull, Access::User),
        endpoint!(download, Access::User),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_rfc_or_none() {
        assert_eq!(range("bytes=0-9", 100), Some(0..10));
        assert_eq!(range("bytes=90-", 100), Some(90..100));
        assert_eq!(range("bytes=-10", 100), Some(90..100));
        assert_eq!(range("bytes=95-200", 100), Some(95..100));
        for none in [
            "bytes=100-",
            "bytes=5-4",
            "bytes=a-b",
            "bytes=0-1,3-4",
            "lines=0-1",
            "",
        ] {
            assert_eq!(range(none, 100), None, "{none}");
        }
    }
}
