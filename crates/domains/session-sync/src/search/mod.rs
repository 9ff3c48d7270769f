//! Full-text search over everything that was said in a user's sessions.
//!
//! Text becomes searchable after the push is answered. A search first catches up with what its user
//! pushed, so people find what they just stored, and no push waits for an index.

mod dialect;
mod tokens;

use std::collections::HashMap;
use std::hash::{Hash as _, Hasher as _};
use std::time::Duration;

use pentad_identity::{Caller, Feature};
use pentad_kernel::{Actor, UserId, secret};
use pentad_store::{Lease, Tx, affected, with_reader, with_tx};
use sqlx::QueryBuilder;

use crate::message::{Block, Message, strings};
use crate::reads::Messages;
use crate::session::{SessionRow, session_columns};
use crate::{Error, Result, Session, SessionSync, require_feature};
use dialect::{Hit, Needle, NewRow};
use tokens::{Remembering, Tokenizer, snippet};

/// Tokens in one row: longer messages take several.
const ROW_TOKENS: usize = 6_000;
/// Tokens of one message that can be found.
const MESSAGE_TOKENS: usize = 200_000;
/// Text written to the index in one transaction.
const BATCH_BYTES: usize = 2 << 20;
/// How long a gateway may take to index a session that needs several transactions.
const INDEX_LEASE: Duration = Duration::from_secs(600);
/// Words of a query that count.
const QUERY_TOKENS: usize = 16;
/// Rows looked at for one query.
const HITS: i64 = 2_000;
/// Matches shown of one session.
const MATCHES: usize = 5;
/// How long a search waits for text that is not searchable yet.
const CATCH_UP: Duration = Duration::from_secs(2);

/// What is searched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchQuery {
    /// The words.
    pub text: String,
    /// Only sessions recorded with this tool.
    pub tool: Option<String>,
    /// Only sessions changed within so many days.
    pub days: Option<u32>,
    /// Which page, from 1.
    pub page: u32,
    /// Sessions on a page.
    pub page_size: u32,
}

/// A place where the words stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The text around them, the words within `<mark>`, the rest escaped for HTML.
    pub snippet: String,
    /// The line of `messages.jsonl`, from 0; `None` for the title.
    pub message_index: Option<u32>,
    /// Whose message it is.
    pub role: Option<String>,
}

/// A session that has the words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The session.
    pub session: Session,
    /// Where the words stand, best first.
    pub matches: Vec<Match>,
}

const UNINDEXED: &str = concat!(
    "SELECT ",
    session_columns!(),
    " FROM sync_sessions WHERE indexed_etag <> etag AND user_id = $1 AND deleted_at IS NULL
     ORDER BY updated_at DESC LIMIT 50"
);
const UNINDEXED_ANY: &str = concat!(
    "SELECT ",
    session_columns!(),
    " FROM sync_sessions WHERE indexed_etag <> etag AND deleted_at IS NULL ORDER BY updated_at LIMIT 20"
);
const CLAIM: &str = "UPDATE sync_sessions SET indexed_etag = etag WHERE id = $1 AND etag = $2
    AND title IS NOT DISTINCT FROM $3";
const STILL: &str = "UPDATE sync_sessions SET indexed_etag = indexed_etag WHERE id = $1 AND etag = $2
    AND title IS NOT DISTINCT FROM $3";
const KNOWN: &str = "SELECT id, message_index, digest FROM sync_search_rows WHERE session_id = $1";
const ROWS: &str = "SELECT COUNT(*), COALESCE(MAX(id), 0) FROM sync_search_rows WHERE session_id = $1";
const PURGED: &str = "SELECT id FROM sync_sessions WHERE purge_after <= $1";
const LIVE: &str = concat!(
    "SELECT ",
    session_columns!(),
    " FROM sync_sessions WHERE deleted_at IS NULL AND user_id = "
);
/// Sessions that one statement looks up.
const LOOKED_UP: usize = 500;

/// Forgets the text of sessions that are about to be purged.
pub(crate) async fn forget_purged(tx: &mut Tx, now: i64) -> Result<()> {
    let ids: Vec<String> = with_tx!(*tx, |conn| sqlx::query_scalar(PURGED)
        .bind(now)
        .fetch_all(conn)
        .await)?;
    for id in ids {
        dialect::forget(tx, &id).await?;
    }
    Ok(())
}

/// How many digits of a user's digest stand before the tokens of their texts.
const OWNER_DIGITS: usize = 8;

/// What the tokens of a user's texts begin with. Two users may have the same: whose a found session is, is asked
/// of the session.
fn owner_prefix(user: &str) -> String {
    let mut digest = secret::sha256_hex(user);
    digest.truncate(OWNER_DIGITS);
    digest
}

/// The turns of users for whom text is being made searchable. Two users may share a place in it.
#[derive(Debug, Default)]
pub(crate) struct Turns([tokio::sync::Mutex<()>; 32]);

impl Turns {
    async fn wait(&self, user: &UserId) -> tokio::sync::MutexGuard<'_, ()> {
        let mut hasher = std::hash::DefaultHasher::new();
        user.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % self.0.len() as u64).unwrap_or(0);
        self.0[place].lock().await
    }
}

/// The text of a message that can be found.
fn message_text(message: &Message<'_>) -> String {
    let mut text = String::new();
    let mut add = |piece: &str| {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(piece);
    };
    for block in message.blocks() {
        match block {
            Block::Text(piece) | Block::Thought(piece) => add(&piece),
            Block::ToolUse { name, input, .. } => {
                add(&name);
                if let Some(input) = input {
                    strings(input, &mut |piece| add(piece));
                }
            }
            Block::ToolResult { text: piece, .. } => add(&piece),
        }
    }
    text
}

impl SessionSync {
    /// Sessions of the caller's that have all the words in one message or in the title, best first; when
    /// none has, those with words that begin so.
    ///
    /// # Errors
    /// [`Error::UpgradeRequired`].
    pub async fn search(&self, caller: &Caller, query: &SearchQuery) -> Result<(Vec<Found>, u64)> {
        require_feature(caller, Feature::CloudSync)?;
        let actor = &caller.actor;
        self.catch_up(&actor.user).await?;
        let tokenizer = Tokenizer::default();
        let mut wanted: Vec<String> = tokenizer.tokens(&query.text).take(QUERY_TOKENS).collect();
        wanted.dedup();
        if wanted.is_empty() {
            return Ok((Vec::new(), 0));
        }
        let owner = owner_prefix(actor.user.as_str());
        let mut prefixes = false;
        let mut sessions = Vec::new();
        for attempt in [false, true] {
            prefixes = attempt;
            let needle = Needle {
                owner: &owner,
                tokens: &wanted,
                prefixes,
            };
            let hits = dialect::find(&self.db, &needle, HITS).await?;
            sessions = self.sessions_of(actor, query, hits).await?;
            if !sessions.is_empty() {
                break;
            }
        }
        let total = sessions.len() as u64;
        let first = usize::try_from(crate::reads::offset(query.page, query.page_size)).unwrap_or(usize::MAX);
        let is_match = |token: &str| {
            wanted
                .iter()
                .any(|want| token == want || (prefixes && token.starts_with(want.as_str())))
        };
        let mut found = Vec::new();
        let page: Vec<_> = sessions
            .into_iter()
            .skip(first)
            .take(query.page_size as usize)
            .collect();
        let ids = page.iter().map(|(session, _)| session.id.as_str());
        let messages = if page.is_empty() {
            HashMap::new()
        } else {
            self.messages_of_sessions(ids).await?
        };
        for (session, indexes) in page {
            // One that is gone by now is not found.
            let Some(messages) = messages.get(&session.id) else {
                continue;
            };
            let matches = self
                .show(&tokenizer, &session, messages, &indexes, &is_match)
                .await?;
            found.push(Found { session, matches });
        }
        Ok((found, total))
    }

    /// The sessions of the hits that the query wants, in the order of their best hit.
    async fn sessions_of(
        &self,
        actor: &Actor,
        query: &SearchQuery,
        hits: Vec<Hit>,
    ) -> Result<Vec<(Session, Vec<i64>)>> {
        let mut order: Vec<(String, Vec<i64>, f64)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for hit in hits {
            let place = *places.entry(hit.session_id.clone()).or_insert_with(|| {
                order.push((hit.session_id.clone(), Vec::new(), hit.rank));
                order.len() - 1
            });
            let indexes = &mut order[place].1;
            if indexes.len() < MATCHES && !indexes.contains(&hit.message_index) {
                indexes.push(hit.message_index);
            }
        }
        let tools = query.tool.as_deref().map(crate::reads::tool_names);
        let since = query.days.map(|days| {
            self.clock
                .now()
                .minus(Duration::from_secs(u64::from(days) * 24 * 3600))
        });
        let rows = self
            .live_sessions(actor, order.iter().map(|(id, ..)| id.as_str()))
            .await?;
        let mut rows: HashMap<String, Session> = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
        let mut wanted = Vec::new();
        for (id, indexes, _) in order {
            let Some(session) = rows.remove(&id) else {
                continue;
            };
            let tool_fits = tools
                .as_ref()
                .is_none_or(|tools| tools.contains(&session.source_tool.as_str()));
            if tool_fits && since.is_none_or(|since| session.updated_at >= since) {
                wanted.push((session, indexes));
            }
        }
        Ok(wanted)
    }

    async fn live_sessions<'a>(
        &self,
        actor: &Actor,
        ids: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<Session>> {
        let ids: Vec<&str> = ids.collect();
        let mut sessions = Vec::with_capacity(ids.len());
        for ids in ids.chunks(LOOKED_UP) {
            let rows: Vec<SessionRow> = with_reader!(self.db, |conn| {
                let mut builder = QueryBuilder::new(LIVE);
                builder
                    .push_bind(actor.user.to_string())
                    .push(" AND sync_sessions.id IN (");
                let mut list = builder.separated(", ");
                for id in ids {
                    list.push_bind((*id).to_owned());
                }
                builder.push(")");
                builder.build_query_as().fetch_all(conn).await
            })?;
            sessions.extend(rows.into_iter().map(Session::from));
        }
        Ok(sessions)
    }

    /// The places of a session, with the text around them.
    async fn show(
        &self,
        tokenizer: &Tokenizer,
        session: &Session,
        messages: &Messages<'_>,
        indexes: &[i64],
        is_match: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<Match>> {
        let mut matches = Vec::new();
        for &index in indexes {
            let Ok(index) = u32::try_from(index) else {
                let title = session.title.as_deref().unwrap_or_default();
                matches.push(Match {
                    snippet: snippet(tokenizer, title, is_match),
                    message_index: None,
                    role: None,
                });
                continue;
            };
            let line = messages.line(index).await?;
            let Some(message) = line.as_deref().and_then(Message::parse) else {
                continue;
            };
            matches.push(Match {
                snippet: snippet(tokenizer, &message_text(&message), is_match),
                message_index: Some(index),
                role: Some(message.role.into_owned()).filter(|role| !role.is_empty()),
            });
        }
        Ok(matches)
    }

    /// Waits a little for what the user pushed to become searchable; the work goes on when the wait ends.
    async fn catch_up(&self, user: &UserId) -> Result<()> {
        if self.unindexed_of(user).await?.is_empty() {
            return Ok(());
        }
        let (sync, user) = (self.clone(), user.clone());
        let indexing = tokio::spawn(async move {
            if let Err(error) = sync.index_sessions_of(&user).await {
                tracing::warn!(%error, "sessions were not made searchable");
            }
        });
        if tokio::time::timeout(CATCH_UP, indexing).await.is_err() {
            tracing::debug!("a search did not wait for all text to become searchable");
        }
        Ok(())
    }

    /// Makes searchable what the user pushed and is not yet. Searches that ask for it at once do it one after the
    /// other, so that only the first has work.
    async fn index_sessions_of(&self, user: &UserId) -> Result<()> {
        let _turn = self.indexing.wait(user).await;
        for session in self.unindexed_of(user).await? {
            self.index_session(&session).await?;
        }
        Ok(())
    }

    async fn unindexed_of(&self, user: &UserId) -> Result<Vec<Session>> {
        let rows: Vec<SessionRow> = with_reader!(self.db, |conn| sqlx::query_as(UNINDEXED)
            .bind(user.as_str())
            .fetch_all(conn)
            .await)?;
        Ok(rows.into_iter().map(Session::from).collect())
    }

    /// Makes searchable some of what anybody pushed and is not yet; how many sessions. Called now and then.
    ///
    /// # Errors
    /// When the store or the database fails; what is left is done by the next call.
    pub async fn index_sessions(&self) -> Result<usize> {
        let rows: Vec<SessionRow> = with_reader!(self.db, |conn| sqlx::query_as(UNINDEXED_ANY)
            .fetch_all(conn)
            .await)?;
        let count = rows.len();
        for row in rows {
            self.index_session(&row.into()).await?;
        }
        Ok(count)
    }

    async fn index_session(&self, session: &Session) -> Result<()> {
        let messages = match self.session_messages(&session.id).await {
            Ok(messages) => messages,
            Err(Error::SessionNotFound) => return Ok(()),
            Err(error) => return Err(error),
        };
        let unpacked: usize = messages.frames.iter().map(|frame| frame.unpacked as usize).sum();
        if unpacked < BATCH_BYTES {
            return self.write_rows(session, &messages, usize::MAX).await;
        }
        // Of a session that takes several transactions one gateway at a time has charge.
        let name = format!("sync-index/{}", session.id);
        let (holder, now) = (pentad_kernel::id::random_uuid(), self.clock.now());
        let Some(lease) = Lease::acquire(&self.db, &name, &holder, now, INDEX_LEASE).await? else {
            return Ok(());
        };
        let written = self.write_rows(session, &messages, BATCH_BYTES).await;
        lease.release(&self.db).await?;
        written
    }

    /// Writes the rows of a session in transactions of so many bytes. Lines that are as they were keep theirs: a
    /// session grows from push to push, and its text is made searchable once.
    async fn write_rows(&self, session: &Session, messages: &Messages<'_>, batch_bytes: usize) -> Result<()> {
        let mut known = self.known_rows(&session.id).await?;
        let seen = known.rows;
        let owner = owner_prefix(session.user.as_str());
        let mut batch = Batch::default();
        let title = session.title.clone().unwrap_or_default();
        let digest = digest(&owner, &title);
        if !known.keeps(-1, digest, &mut batch.gone) {
            batch.add(
                -1,
                digest,
                &Tokenizer::default().tokens(&title).collect::<Vec<_>>(),
            );
        }
        let mut first = Some(seen);
        for frame in &messages.frames {
            let lines = match messages.lines(frame).await {
                Ok(lines) => lines,
                // A push replaced the session meanwhile and its object was swept: the new one is indexed.
                Err(Error::Blob(pentad_blob::Error::NotFound { .. })) => return Ok(()),
                Err(error) => return Err(error),
            };
            let owner = owner.clone();
            (batch, known) = tokio::task::spawn_blocking(move || {
                batch.add_lines(&owner, &lines, &mut known);
                (batch, known)
            })
            .await
            .map_err(|panic| Error::Internal(panic.into()))?;
            if batch.bytes >= batch_bytes {
                if !self.write_batch(session, &batch, first.take(), false).await? {
                    return Ok(());
                }
                batch = Batch::default();
            }
        }
        // What is left is of lines that are no more.
        batch
            .gone
            .extend(known.lines.into_values().flat_map(|line| line.ids));
        self.write_batch(session, &batch, first, true).await?;
        Ok(())
    }

    async fn known_rows(&self, session: &str) -> Result<Known> {
        let rows: Vec<(i64, i64, i64)> = with_reader!(self.db, |conn| sqlx::query_as(KNOWN)
            .bind(session)
            .fetch_all(conn)
            .await)?;
        let mut known = Known::default();
        for (id, line, digest) in rows {
            known.rows = (known.rows.0 + 1, known.rows.1.max(id));
            let line = known.lines.entry(line).or_default();
            line.digest = digest;
            line.ids.push(id);
        }
        Ok(known)
    }

    /// Writes rows of a session; false when it, or what is known of it, was changed meanwhile, and it waits for
    /// another turn. The first batch of a session says how many rows it had, and the last of them.
    async fn write_batch(
        &self,
        session: &Session,
        batch: &Batch,
        first: Option<(i64, i64)>,
        last: bool,
    ) -> Result<bool> {
        let owner = owner_prefix(session.user.as_str());
        let mut tx = self.db.begin().await?;
        let sql = if last { CLAIM } else { STILL };
        let unchanged = with_tx!(tx, |conn| sqlx::query(sql)
            .bind(&session.id)
            .bind(&session.etag)
            .bind(&session.title)
            .execute(conn)
            .await
            .map(affected))?;
        if unchanged == 0 {
            return Ok(false);
        }
        if let Some(seen) = first {
            let rows: (i64, i64) = with_tx!(tx, |conn| sqlx::query_as(ROWS)
                .bind(&session.id)
                .fetch_one(conn)
                .await)?;
            if rows != seen {
                return Ok(false);
            }
        }
        dialect::forget_rows(&mut tx, &batch.gone).await?;
        dialect::insert(&mut tx, &session.id, &owner, &batch.rows).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// The rows that a session has in the index.
#[derive(Default)]
struct Known {
    /// By their line.
    lines: HashMap<i64, KnownLine>,
    /// How many there are, and the greatest identifier among them, which no later row has.
    rows: (i64, i64),
}

#[derive(Default)]
struct KnownLine {
    digest: i64,
    ids: Vec<i64>,
}

impl Known {
    /// Whether the rows of a line stay; otherwise they are gone.
    fn keeps(&mut self, line: i64, digest: i64, gone: &mut Vec<i64>) -> bool {
        match self.lines.remove(&line) {
            Some(known) if known.digest == digest => true,
            Some(known) => {
                gone.extend(known.ids);
                false
            }
            None => false,
        }
    }
}

/// What the rows of a line are made from, of which another version of this code may make others.
fn digest(owner: &str, line: &str) -> i64 {
    const VERSION: &str = "1";
    let hash = secret::sha256([VERSION, owner, line].join("\0"));
    i64::from_be_bytes(*hash.first_chunk().expect("a SHA-256 has 32 bytes"))
}

/// Rows on their way into the index, and those that go.
#[derive(Default)]
struct Batch {
    rows: Vec<NewRow>,
    gone: Vec<i64>,
    bytes: usize,
}

impl Batch {
    fn add(&mut self, line: i64, digest: i64, tokens: &[String]) {
        for piece in tokens.chunks(ROW_TOKENS) {
            let tokens = piece.join(" ");
            self.bytes += tokens.len() + 32;
            self.rows.push(NewRow { line, digest, tokens });
        }
    }

    fn add_lines(&mut self, owner: &str, lines: &[(u32, String)], known: &mut Known) {
        let mut tokenizer = Remembering::default();
        for (number, line) in lines {
            let (number, digest) = (i64::from(*number), digest(owner, line));
            if known.keeps(number, digest, &mut self.gone) {
                continue;
            }
            let Some(message) = Message::parse(line) else {
                continue;
            };
            let tokens = tokenizer.tokens(&message_text(&message), MESSAGE_TOKENS);
            self.add(number, digest, &tokens);
        }
    }
}
