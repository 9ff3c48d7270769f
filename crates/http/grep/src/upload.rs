//! From a multipart form to an upload.

use std::time::Duration;

use pentad_grep_sessions::{GrepSessions, NewSession, Storage, Upload};
use pentad_http_kit::Fault;
use pentad_http_kit::{FileName, Form, Part, Principal, whole_number};

/// The longest value of a plain field.
const FIELD_BYTES: usize = 1024;

/// Reads a form: its files, and how the session is to be opened. The order of the fields is free.
///
/// What follows a refused part is read and thrown away, within bounds, so that a client that writes
/// its whole request first gets to read the refusal.
pub(crate) async fn read(
    sessions: &GrepSessions,
    principal: &Principal,
    form: &mut Form,
) -> Result<(Upload, NewSession), Fault> {
    let outcome = read_parts(sessions, principal, form).await;
    if outcome.is_err() {
        form.drain().await;
    }
    outcome
}

async fn read_parts(
    sessions: &GrepSessions,
    principal: &Principal,
    form: &mut Form,
) -> Result<(Upload, NewSession), Fault> {
    let mut upload = sessions.upload(&principal.plan);
    let mut new = NewSession::default();
    while let Some(part) = form.next().await? {
        match part.name() {
            "files" => take_file(&mut upload, part).await?,
            "storage" => {
                let word = part.text(FIELD_BYTES).await?;
                new.storage = Storage::parse(&word)
                    .ok_or_else(|| Fault::invalid(format!("storage must be memory or s3, not {word:?}")))?;
            }
            "ttl_minutes" => new.ttl = Some(minutes(&part.text(FIELD_BYTES).await?)?),
            "file" => {
                return Err(Fault::invalid(
                    "the form has a part named file: send parts named files for a grep session, or one named file \
                     with the query parameter source_tool for an agent session",
                ));
            }
            // Unknown fields are nobody's business; the form skips what is not read.
            _ => {}
        }
    }
    Ok((upload, new))
}

async fn take_file(upload: &mut Upload, mut part: Part) -> Result<(), Fault> {
    let name = match part.file_name() {
        FileName::Given(name) if !name.is_empty() => name,
        FileName::Given(_) | FileName::Absent => {
            return Err(Fault::invalid(
                "a part named files needs a file name: filename=\"path/of/the/file\"",
            ));
        }
        FileName::NotText => return Err(Fault::invalid("a file name is not UTF-8")),
    };
    let mut file = upload.file(&name)?;
    while let Some(chunk) = part.chunk().await? {
        file.write(&chunk).await?;
    }
    Ok(upload.add(file).await?)
}

fn minutes(text: &str) -> Result<Duration, Fault> {
    let wrong = || {
        Fault::invalid(format!(
            "ttl_minutes must be a whole number of at least 1, not {text:?}"
        ))
    };
    let minutes = whole_number(text)
        .and_then(|minutes| u32::try_from(minutes).ok())
        .filter(|minutes| *minutes > 0)
        .ok_or_else(wrong)?;
    Ok(Duration::from_secs(u64::from(minutes) * 60))
}

/// The form of an upload, for the document.
#[derive(Debug, utoipa::ToSchema)]
#[schema(as = grep::Upload)]
#[expect(
    dead_code,
    reason = "the document is made from it; requests are read as a stream"
)]
pub(crate) struct UploadForm {
    /// One or more text files. The file name of each part is its full relative path; a `.zip` is
    /// extracted, with its directories.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    files: Vec<String>,
    /// `memory` (default) or `s3`.
    #[schema(example = "memory")]
    storage: Option<String>,
    /// Life of a memory session in minutes. Default 10.
    #[schema(example = 10)]
    ttl_minutes: Option<u32>,
}
