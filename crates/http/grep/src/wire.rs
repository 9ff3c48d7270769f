//! The JSON of the surface.

use pentad_grep_engine::{Hit, Match, Page};
use pentad_grep_sessions::{Created, FileEntry, Session, Skipped};
use serde::Serialize;
use utoipa::ToSchema;

/// An opened session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = grep::CreatedSession, example = json!({
    "id": "3fa85f64-5717-4562-b3fc-2c963f66afa6", "storage": "memory", "file_count": 2,
    "expires_at": "2026-05-07T12:10:00Z"
}))]
pub struct CreatedSession {
    /// The session's identifier.
    #[schema(format = Uuid)]
    id: String,
    /// `memory` or `s3`.
    storage: &'static str,
    /// Searchable text files.
    file_count: u64,
    /// When the session ends, RFC 3339 UTC; `null` for s3.
    expires_at: Option<String>,
    /// Files that are not searchable; only when there are some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    skipped: Vec<SkippedFile>,
}

/// A file that is not searchable.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = grep::SkippedFile)]
pub(crate) struct SkippedFile {
    /// Its path.
    path: String,
    /// `binary` for a file with a NUL byte, `symlink` for a link or device in an archive.
    reason: &'static str,
}

pub(crate) fn skipped(skipped: Vec<Skipped>) -> Vec<SkippedFile> {
    skipped
        .into_iter()
        .map(|file| SkippedFile {
            path: file.path,
            reason: file.reason.name(),
        })
        .collect()
}

impl From<Created> for CreatedSession {
    fn from(created: Created) -> Self {
        Self {
            id: created.session.id.to_string(),
            storage: created.session.storage.name(),
            file_count: created.session.file_count,
            // Whole seconds, as the seed prints them; never later than the true end.
            expires_at: created
                .session
                .expires_at
                .map(|end| end.truncated_to_second().to_string()),
            skipped: skipped(created.skipped),
        }
    }
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = grep::Session, example = json!({
    "id": "3fa85f64-5717-4562-b3fc-2c963f66afa6", "storage": "s3", "state": "stopped", "file_count": 2,
    "text_bytes": 5120, "created_at": "2026-05-07T12:00:00Z", "expires_at": null
}))]
pub struct SessionAnswer {
    /// The session's identifier.
    #[schema(format = Uuid)]
    id: String,
    /// `memory` or `s3`.
    storage: &'static str,
    /// `live`, or `stopped` for an s3 session that answers again when it is asked.
    state: &'static str,
    /// Searchable text files.
    file_count: u64,
    /// Bytes of text in them.
    text_bytes: u64,
    /// When the session was opened, RFC 3339 UTC.
    created_at: String,
    /// When the session ends, RFC 3339 UTC; `null` for s3.
    expires_at: Option<String>,
}

impl From<Session> for SessionAnswer {
    fn from(session: Session) -> Self {
        Self {
            id: session.id.to_string(),
            storage: session.storage.name(),
            state: session.state.name(),
            file_count: session.file_count,
            text_bytes: session.text_bytes,
            created_at: session.created_at.to_string(),
            expires_at: session
                .expires_at
                .map(|end| end.truncated_to_second().to_string()),
        }
    }
}

/// One page of sessions, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = grep::SessionList)]
pub struct SessionList {
    /// The sessions.
    pub(crate) sessions: Vec<SessionAnswer>,
    /// The `cursor` of the next page; `null` on the last.
    pub(crate) next_cursor: Option<String>,
}

/// A stopped session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = grep::DeletedSession, example = json!({"id": "3fa85f64-5717-4562-b3fc-2c963f66afa6", "deleted": true}))]
pub struct DeletedSession {
    /// The session's identifier.
    #[schema(format = Uuid)]
    pub(crate) id: String,
    /// Always true.
    pub(crate) deleted: bool,
}

/// A restarted session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = grep::RestartedSession, example = json!({
    "id": "3fa85f64-5717-4562-b3fc-2c963f66afa6", "storage": "s3", "file_count": 2
}))]
pub(crate) struct RestartedSession {
    /// The session's identifier.
    #[schema(format = Uuid)]
    pub(crate) id: String,
    /// Always `s3`.
    pub(crate) storage: &'static str,
    /// Searchable text files.
    pub(crate) file_count: u64,
}

/// What an append changed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = grep::Appended, example = json!({
    "id": "3fa85f64-5717-4562-b3fc-2c963f66afa6", "files_added": 3, "files_replaced": 1
}))]
pub(crate) struct AppendAnswer {
    /// The session's identifier.
    #[schema(format = Uuid)]
    pub(crate) id: String,
    /// Text files in the request, replaced ones included.
    pub(crate) files_added: u64,
    /// Of these, those that were there before.
    pub(crate) files_replaced: u64,
    /// Files that are not searchable; only when there are some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) skipped: Vec<SkippedFile>,
}

/// One page of an answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = grep::Answer, example = json!({
    "hits": [{"path": "src/loop.ts", "matches": [{"line": 142, "snippet": "export async function runAgentLoop(..."}]}],
    "total": 1, "next_file_offset": null
}))]
pub(crate) struct Answer {
    /// Matching files of this page.
    pub(crate) hits: Vec<HitAnswer>,
    /// Files with at least one match in the whole session, whatever the page.
    pub(crate) total: usize,
    /// Lines with at least one match in the whole session; only with `count=lines`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) total_lines: Option<usize>,
    /// The `file_offset` of the next page; `null` on the last.
    pub(crate) next_file_offset: Option<usize>,
    /// True if a budget left something out of the page; absent otherwise.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub(crate) truncated: bool,
}

/// A matching file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = grep::Hit)]
pub(crate) struct HitAnswer {
    /// Its path.
    pub(crate) path: String,
    /// Its matching lines, ascending; empty when lines or files are counted.
    pub(crate) matches: Vec<MatchAnswer>,
    /// How many of its lines match; only with `count=lines`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lines: Option<usize>,
    /// True if more of its lines match than are shown; absent otherwise.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub(crate) truncated: bool,
}

/// A matching line.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = grep::Match)]
pub(crate) struct MatchAnswer {
    /// Its number, from 1.
    pub(crate) line: usize,
    /// Its text; of a line over 512 bytes a part that holds the first match.
    pub(crate) snippet: String,
    /// True if the snippet is a part of the line; absent otherwise.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    truncated: bool,
    /// The lines before it, oldest first; only if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before_context: Option<Vec<String>>,
    /// The lines after it; only if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after_context: Option<Vec<String>>,
    /// Whether the line defines something; only with `classify_definitions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_definition: Option<bool>,
    /// The kind of what it defines, as `function`.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    /// The name of what it defines.
    #[serde(skip_serializing_if = "Option::is_none")]
    symbol: Option<String>,
    /// How well the line matches, at least 1; only in fuzzy mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<u32>,
    /// Where the first match begins, in bytes from 1; only with `ranges`.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    /// Where the pattern matches, in bytes of the line from 0, ends excluded: the first thousand places of the
    /// line. Only with `ranges`.
    #[serde(skip_serializing_if = "Option::is_none")]
    ranges: Option<Vec<[usize; 2]>>,
    /// Which of several patterns match, counted from 0: `query` first, then each `pattern`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    patterns: Vec<usize>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// What of a match was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shown {
    pub(crate) before: bool,
    pub(crate) after: bool,
    pub(crate) definitions: bool,
    pub(crate) ranges: bool,
}

impl Answer {
    pub(crate) fn new(page: Page, shown: Shown) -> Self {
        Self {
            hits: page
                .hits
                .into_iter()
                .map(|hit| HitAnswer::new(hit, shown))
                .collect(),
            total: page.total,
            total_lines: page.total_lines,
            next_file_offset: page.next_file_offset,
            truncated: page.truncated,
        }
    }
}

impl HitAnswer {
    fn new(hit: Hit, shown: Shown) -> Self {
        Self {
            path: hit.path,
            matches: hit
                .matches
                .into_iter()
                .map(|found| MatchAnswer::new(found, shown))
                .collect(),
            lines: hit.lines,
            truncated: hit.truncated,
        }
    }
}

impl MatchAnswer {
    fn new(found: Match, shown: Shown) -> Self {
        let is_definition = shown.definitions.then_some(found.definition.is_some());
        let (kind, symbol) = found.definition.map_or((None, None), |definition| {
            (Some(definition.kind), definition.symbol)
        });
        Self {
            line: found.line,
            snippet: found.snippet,
            truncated: found.truncated,
            before_context: shown.before.then_some(found.before),
            after_context: shown.after.then_some(found.after),
            is_definition,
            kind,
            symbol,
            score: found.score,
            column: found.column,
            ranges: shown.ranges.then(|| {
                found
                    .ranges
                    .iter()
                    .map(|range| [range.start, range.end])
                    .collect()
            }),
            patterns: found.patterns,
        }
    }
}

/// A file of a session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = grep::File)]
pub(crate) struct FileAnswer {
    /// Its path.
    path: String,
    /// Bytes of its text.
    bytes: u64,
    /// Its lines.
    lines: u64,
}

impl From<FileEntry> for FileAnswer {
    fn from(file: FileEntry) -> Self {
        Self {
            path: file.path,
            bytes: file.bytes,
            lines: file.lines,
        }
    }
}

/// One page of a session's files, by path.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = grep::FileList)]
pub(crate) struct FileList {
    /// The files.
    pub(crate) files: Vec<FileAnswer>,
    /// How many files the filters allow in all.
    pub(crate) total: u64,
    /// The `after` of the next page; `null` on the last.
    pub(crate) next: Option<String>,
}

/// Some lines of a file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = grep::FileSlice)]
pub(crate) struct FileSliceAnswer {
    /// The file's path.
    pub(crate) path: String,
    /// The first line, counted from 1.
    pub(crate) start: u64,
    /// The last line; one less than `start` when there is none.
    pub(crate) end: u64,
    /// How many lines the file has.
    pub(crate) total_lines: u64,
    /// The lines with their terminators; bytes that are not UTF-8 as U+FFFD.
    pub(crate) text: String,
}

/// A file that was taken out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = grep::DeletedFile)]
pub(crate) struct DeletedFile {
    /// Its path.
    pub(crate) path: String,
    /// Always true.
    pub(crate) deleted: bool,
}
