//! Reading sessions: lists, archives, messages a page at a time, and the parts of their archives.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use pentad_kernel::Actor;
use pentad_store::with_reader;
use serde_json::Value;
use sqlx::QueryBuilder;

use crate::frames::{self, Frame};
use crate::message::Message;
use crate::session::{SessionRow, session_columns};
use crate::{ArchiveStream, Error, Provenance, Result, Session, SessionRef, SessionSync, objects};

/// By what a list is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// By the time of the last change.
    #[default]
    UpdatedAt,
    /// By the name of the model.
    Model,
}

/// Which sessions a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// Which page, from 1.
    pub page: u32,
    /// Sessions on a page.
    pub page_size: u32,
    /// Only those recorded with this tool.
    pub source_tool: Option<String>,
    /// Only those with one of these models; empty for any.
    pub models: Vec<String>,
    /// Only those with this tag.
    pub tag: Option<String>,
    /// The order.
    pub sort: Sort,
    /// Whether the order is reversed: oldest first, models from A.
    pub ascending: bool,
    /// Those in the trash instead of the live ones.
    pub deleted: bool,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self {
            page: 1,
            page_size: 20,
            source_tool: None,
            models: Vec::new(),
            tag: None,
            sort: Sort::default(),
            ascending: false,
            deleted: false,
        }
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// How many there are on all pages.
    pub total: u64,
    /// Whether there is a next page.
    pub has_more: bool,
}

/// Tools that are known by two names.
pub(crate) fn tool_names(tool: &str) -> Vec<&str> {
    match tool {
        "gemini" | "gemini-cli" => vec!["gemini", "gemini-cli"],
        "copilot" | "copilot-cli" => vec!["copilot", "copilot-cli"],
        other => vec![other],
    }
}

fn filter<DB: sqlx::Database>(builder: &mut QueryBuilder<DB>, actor: &Actor, query: &ListQuery)
where
    for<'a> String: sqlx::Encode<'a, DB> + sqlx::Type<DB>,
{
    builder.push(" FROM sync_sessions WHERE user_id = ");
    builder.push_bind(actor.user.to_string());
    builder.push(if query.deleted {
        " AND deleted_at IS NOT NULL"
    } else {
        " AND deleted_at IS NULL"
    });
    if let Some(tool) = &query.source_tool {
        builder.push(" AND source_tool IN (");
        let mut names = builder.separated(", ");
        for name in tool_names(tool) {
            names.push_bind(name.to_owned());
        }
        builder.push(")");
    }
    if !query.models.is_empty() {
        builder.push(" AND model_id IN (");
        let mut models = builder.separated(", ");
        for model in &query.models {
            models.push_bind(model.clone());
        }
        builder.push(")");
    }
    if let Some(tag) = &query.tag {
        // The tags are a JSON array of texts, so the quoted form of a tag is in it only as a whole.
        builder.push(" AND REPLACE(tags, ");
        builder.push_bind(Value::String(tag.clone()).to_string());
        builder.push(", '') <> tags");
    }
}

fn list_sql<DB: sqlx::Database>(actor: &Actor, query: &ListQuery) -> QueryBuilder<DB>
where
    for<'a> String: sqlx::Encode<'a, DB> + sqlx::Type<DB>,
    for<'a> i64: sqlx::Encode<'a, DB> + sqlx::Type<DB>,
{
    let mut builder = QueryBuilder::new(concat!("SELECT ", session_columns!()));
    filter(&mut builder, actor, query);
    builder.push(match (query.sort, query.ascending) {
        (Sort::UpdatedAt, false) => " ORDER BY updated_at DESC, id",
        (Sort::UpdatedAt, true) => " ORDER BY updated_at, id",
        (Sort::Model, false) => " ORDER BY model_id DESC NULLS LAST, updated_at DESC, id",
        (Sort::Model, true) => " ORDER BY model_id NULLS LAST, updated_at DESC, id",
    });
    builder.push(" LIMIT ");
    builder.push_bind(i64::from(query.page_size));
    builder.push(" OFFSET ");
    builder.push_bind(offset(query.page, query.page_size));
    builder
}

fn count_sql<DB: sqlx::Database>(actor: &Actor, query: &ListQuery) -> QueryBuilder<DB>
where
    for<'a> String: sqlx::Encode<'a, DB> + sqlx::Type<DB>,
{
    let mut builder = QueryBuilder::new("SELECT COUNT(*)");
    filter(&mut builder, actor, query);
    builder
}

pub(crate) fn offset(page: u32, page_size: u32) -> i64 {
    (i64::from(page) - 1).max(0) * i64::from(page_size)
}

impl SessionSync {
    /// The actor's sessions, or those in the trash.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(&self, actor: &Actor, query: &ListQuery) -> Result<Page<Session>> {
        let rows: Vec<SessionRow> = with_reader!(self.db, |conn| list_sql(actor, query)
            .build_query_as()
            .fetch_all(conn)
            .await)?;
        let first = offset(query.page, query.page_size);
        let seen = first + i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let is_last = (rows.len() as u64) < u64::from(query.page_size) && (!rows.is_empty() || first == 0);
        let total: i64 = if is_last {
            seen
        } else {
            with_reader!(self.db, |conn| count_sql(actor, query)
                .build_query_scalar()
                .fetch_one(conn)
                .await)?
        };
        Ok(Page {
            items: rows.into_iter().map(Session::from).collect(),
            total: u64::try_from(total).unwrap_or(0),
            has_more: seen < total,
        })
    }
}

/// In which order messages are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageOrder {
    /// As they were written.
    #[default]
    Oldest,
    /// The last one first.
    Newest,
}

/// Which messages a page shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageQuery {
    /// Which page, from 1.
    pub page: u32,
    /// Messages on a page.
    pub page_size: u32,
    /// The order.
    pub order: MessageOrder,
    /// The page that has this line of `messages.jsonl` (from 0) instead of `page`.
    pub around: Option<u32>,
}

/// Where the message that was asked for is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The line that was asked for.
    pub index: u32,
    /// `found`; `hidden` when the line is a message that is not shown; `missing` when it is none.
    pub status: &'static str,
    /// The nearest visible message's line.
    pub anchor_index: Option<u32>,
}

/// A page of messages.
#[derive(Clone, Debug, PartialEq)]
pub struct MessagePage {
    /// The messages as the archive has them.
    pub messages: Vec<Value>,
    /// Their lines in `messages.jsonl`, from 0.
    pub message_indexes: Vec<u32>,
    /// Visible messages in all.
    pub total: u64,
    /// Which page this is.
    pub page: u32,
    /// Whether there is a next page.
    pub has_more: bool,
    /// Where the message that was asked for is.
    pub target: Option<Target>,
}

/// What is stored of the messages of a session.
#[derive(sqlx::FromRow)]
struct MessagesRow {
    session_id: String,
    messages_object: Option<String>,
    frames: Vec<u8>,
    visible_messages: i64,
}

/// The messages of a session, frame by frame.
pub(crate) struct Messages<'a> {
    sync: &'a SessionSync,
    object: Option<String>,
    pub(crate) frames: Vec<Frame>,
    total: u64,
}

/// Frames that were read lately, by object and offset: who searches or turns pages reads the same ones again.
pub(crate) type ReadFrames = moka::sync::Cache<(String, u64), Arc<str>>;

/// Bytes of text that are remembered, and for how long after their last use.
const REMEMBERED_BYTES: u64 = 16 << 20;
const REMEMBERED_FOR: Duration = Duration::from_secs(120);

/// Nothing read yet.
pub(crate) fn read_frames() -> ReadFrames {
    moka::sync::Cache::builder()
        .max_capacity(REMEMBERED_BYTES)
        .weigher(|_, text: &Arc<str>| u32::try_from(text.len()).unwrap_or(u32::MAX))
        .time_to_idle(REMEMBERED_FOR)
        .build()
}

impl<'a> Messages<'a> {
    fn new(sync: &'a SessionSync, row: MessagesRow) -> Self {
        Self {
            sync,
            object: row.messages_object,
            frames: frames::decode(&row.frames),
            total: u64::try_from(row.visible_messages).unwrap_or(0),
        }
    }

    /// The lines of a frame with their numbers, for who goes through a whole session: nothing is remembered.
    pub(crate) async fn lines(&self, frame: &Frame) -> Result<Vec<(u32, String)>> {
        let text = self.read(frame).await?;
        Ok((frame.first_line..)
            .zip(text.lines().map(str::to_owned))
            .collect())
    }

    /// The line with this number, if there is one.
    pub(crate) async fn line(&self, number: u32) -> Result<Option<String>> {
        let frame = self
            .frames
            .iter()
            .find(|frame| (frame.first_line..frame.first_line + frame.lines).contains(&number));
        let Some(frame) = frame else { return Ok(None) };
        let text = self.text(frame).await?;
        let line = text.lines().nth((number - frame.first_line) as usize);
        Ok(line.map(str::to_owned))
    }

    /// The text of a frame, remembered for who comes next.
    async fn text(&self, frame: &Frame) -> Result<Arc<str>> {
        let key = (self.object.clone().unwrap_or_default(), frame.offset);
        if let Some(text) = self.sync.read_frames.get(&key) {
            return Ok(text);
        }
        let text: Arc<str> = self.read(frame).await?.into();
        self.sync.read_frames.insert(key, Arc::clone(&text));
        Ok(text)
    }

    async fn read(&self, frame: &Frame) -> Result<String> {
        let Some(object) = &self.object else {
            return Ok(String::new());
        };
        let range = frame.offset..frame.offset + u64::from(frame.bytes);
        let packed = objects::read(&self.sync.blobs, object, range).await?;
        frame
            .unpack(&packed)
            .map_err(|error| Error::Internal(Box::new(error)))
    }

    async fn visible_lines(&self, frame: &Frame) -> Result<Vec<(u32, String)>> {
        let text = self.text(frame).await?;
        Ok((frame.first_line..)
            .zip(text.lines())
            .filter(|(_, line)| Message::parse(line).is_some_and(|message| message.is_visible()))
            .map(|(number, line)| (number, line.to_owned()))
            .collect())
    }

    /// The visible messages at these places, in the order of the session.
    async fn visible(&self, places: Range<u64>) -> Result<Vec<(u32, String)>> {
        let mut found = Vec::new();
        let mut before = 0;
        for frame in &self.frames {
            let after = before + u64::from(frame.visible);
            if after > places.start && before < places.end {
                let first = usize::try_from(places.start.saturating_sub(before)).unwrap_or(usize::MAX);
                let last = usize::try_from(places.end.min(after) - before).unwrap_or(usize::MAX);
                let lines = self.visible_lines(frame).await?;
                found.extend(lines.into_iter().take(last).skip(first));
            }
            before = after;
        }
        Ok(found)
    }

    /// Where a line is: its target and the place of its anchor among the visible messages.
    async fn locate(&self, index: u32) -> Result<(Target, Option<u64>)> {
        let mut status = "missing";
        // The visible lines on either side that are nearest, with their places.
        let (mut earlier, mut later) = (None, None);
        // The last frame before the line's own that has visible lines, with the place of its first.
        let mut previous = None;
        let mut before = 0;
        for frame in &self.frames {
            if (frame.first_line..frame.first_line + frame.lines).contains(&index) {
                let lines = self.lines(frame).await?;
                let mut place = before;
                for (number, line) in &lines {
                    let message = Message::parse(line);
                    let visible = message.as_ref().is_some_and(Message::is_visible);
                    if *number == index {
                        status = match (&message, visible) {
                            (None, _) => "missing",
                            (Some(_), true) => "found",
                            (Some(_), false) => "hidden",
                        };
                    }
                    if visible {
                        if *number <= index {
                            earlier = Some((*number, place));
                        } else if later.is_none() {
                            later = Some((*number, place));
                        }
                        place += 1;
                    }
                }
            } else if frame.first_line > index {
                if later.is_none() && frame.visible > 0 {
                    let lines = self.visible_lines(frame).await?;
                    later = lines.first().map(|(number, _)| (*number, before));
                }
                if later.is_some() {
                    break;
                }
            } else if frame.visible > 0 {
                previous = Some((frame, before));
            }
            before += u64::from(frame.visible);
        }
        if let (None, Some((frame, before))) = (earlier, previous) {
            let lines = self.visible_lines(frame).await?;
            earlier = lines
                .last()
                .map(|(number, _)| (*number, before + u64::from(frame.visible) - 1));
        }
        let anchor = match (earlier, later) {
            (Some(earlier), Some(later)) => Some(if index - earlier.0 <= later.0 - index {
                earlier
            } else {
                later
            }),
            (earlier, later) => earlier.or(later),
        };
        let target = Target {
            index,
            status,
            anchor_index: anchor.map(|(number, _)| number),
        };
        Ok((target, anchor.map(|(_, place)| place)))
    }
}

const MESSAGES_OF: &str =
    "SELECT session_id, messages_object, frames, visible_messages FROM sync_contents WHERE session_id IN (";
const MESSAGES: &str =
    "SELECT session_id, messages_object, frames, visible_messages FROM sync_contents WHERE session_id = $1";

#[derive(sqlx::FromRow)]
struct DocumentsRow {
    workspace: Option<String>,
    tools: Option<String>,
    provenance: String,
}

const DOCUMENTS: &str = "SELECT workspace, tools, provenance FROM sync_contents WHERE session_id = $1";

impl SessionSync {
    pub(crate) async fn session_messages(&self, session: &str) -> Result<Messages<'_>> {
        let row: Option<MessagesRow> = with_reader!(self.db, |conn| sqlx::query_as(MESSAGES)
            .bind(session)
            .fetch_optional(conn)
            .await)?;
        Ok(Messages::new(self, row.ok_or(Error::SessionNotFound)?))
    }

    /// The messages of several sessions, by the session; of one that is gone, none.
    pub(crate) async fn messages_of_sessions(
        &self,
        sessions: impl Iterator<Item = &str> + Clone,
    ) -> Result<HashMap<String, Messages<'_>>> {
        let rows: Vec<MessagesRow> = with_reader!(self.db, |conn| {
            let mut builder = QueryBuilder::new(MESSAGES_OF);
            let mut list = builder.separated(", ");
            for session in sessions.clone() {
                list.push_bind(session.to_owned());
            }
            builder.push(")");
            builder.build_query_as().fetch_all(conn).await
        })?;
        let messages = rows
            .into_iter()
            .map(|row| (row.session_id.clone(), Messages::new(self, row)));
        Ok(messages.collect())
    }

    /// A page of a session's visible messages.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`].
    pub async fn messages(
        &self,
        actor: &Actor,
        name: &SessionRef,
        query: MessageQuery,
    ) -> Result<MessagePage> {
        let session = self.session(actor, name).await?;
        let messages = self.session_messages(&session.id).await?;
        let (total, size) = (messages.total, u64::from(query.page_size.max(1)));
        let newest = query.order == MessageOrder::Newest;
        let mut page = query.page.max(1);
        let mut target = None;
        if let Some(around) = query.around {
            let (found, place) = messages.locate(around).await?;
            let place = place.map(|place| if newest { total - 1 - place } else { place });
            page = u32::try_from(place.unwrap_or(0) / size + 1).unwrap_or(u32::MAX);
            target = Some(found);
        }
        let start = (u64::from(page) - 1).saturating_mul(size).min(total);
        let end = start.saturating_add(size).min(total);
        let places = if newest {
            total - end..total - start
        } else {
            start..end
        };
        let mut lines = messages.visible(places).await?;
        if newest {
            lines.reverse();
        }
        let (message_indexes, messages) = lines
            .into_iter()
            .map(|(number, line)| (number, shown(&line)))
            .unzip();
        Ok(MessagePage {
            messages,
            message_indexes,
            total,
            page,
            has_more: end < total,
            target,
        })
    }

    async fn documents(&self, actor: &Actor, name: &SessionRef) -> Result<(Session, DocumentsRow)> {
        let session = self.session(actor, name).await?;
        let row: Option<DocumentsRow> = with_reader!(self.db, |conn| sqlx::query_as(DOCUMENTS)
            .bind(&session.id)
            .fetch_optional(conn)
            .await)?;
        Ok((session, row.ok_or(Error::SessionNotFound)?))
    }

    /// The session's `workspace.json`.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`], [`Error::NoSuchPart`].
    pub async fn workspace(&self, actor: &Actor, name: &SessionRef) -> Result<Value> {
        let (_, row) = self.documents(actor, name).await?;
        document(row.workspace).ok_or(Error::NoSuchPart("workspace.json"))
    }

    /// The session's `tools.json`.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`], [`Error::NoSuchPart`].
    pub async fn tools(&self, actor: &Actor, name: &SessionRef) -> Result<Value> {
        let (_, row) = self.documents(actor, name).await?;
        document(row.tools).ok_or(Error::NoSuchPart("tools.json"))
    }

    /// Which rules the session's agent worked under.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`].
    pub async fn provenance(&self, actor: &Actor, name: &SessionRef) -> Result<(String, Provenance)> {
        let (session, row) = self.documents(actor, name).await?;
        Ok((
            session.id,
            serde_json::from_str(&row.provenance).unwrap_or_default(),
        ))
    }

    /// The session's archive as it was pushed, or a range of it.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`].
    pub async fn archive(&self, session: &Session, range: Option<Range<u64>>) -> Result<ArchiveStream> {
        let (range, bytes) = objects::stream(&self.blobs, &session.etag, range).await?;
        Ok(ArchiveStream {
            size: u64::try_from(session.blob_size_bytes).unwrap_or(0),
            etag: session.etag.clone(),
            range,
            bytes,
        })
    }
}

fn document(text: Option<String>) -> Option<Value> {
    text.and_then(|text| serde_json::from_str(&text).ok())
}

/// A message as it is shown. One that is nested too deep to be read is shown as its text.
fn shown(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|_| Value::String(line.to_owned()))
}
