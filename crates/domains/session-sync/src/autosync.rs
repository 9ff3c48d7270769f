//! What devices sync by themselves, and how it went.

use pentad_identity::{Caller, Feature};
use pentad_kernel::{Actor, Timestamp};
use pentad_store::{affected, with_reader, with_writer};

use crate::{Error, Result, SessionSync, require_feature};

macro_rules! words {
    ($(#[$type_meta:meta])* $type:ident { $($(#[$meta:meta])* $variant:ident => $name:literal,)* }) => {
        $(#[$type_meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type { $($(#[$meta])* $variant,)* }

        impl $type {
            /// The word in requests, answers and rows.
            pub const fn name(self) -> &'static str {
                match self { $($type::$variant => $name,)* }
            }

            /// Reads a word; `None` for any other.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// What devices push by themselves.
    Mode {
        /// Nothing.
        Off => "off",
        /// Every session.
        All => "all",
        /// Watched sessions.
        Selective => "selective",
    }
}

words! {
    /// When sessions are audited.
    AuditTrigger {
        /// When somebody asks.
        Manual => "manual",
        /// When they are synced.
        OnSync => "on_sync",
        /// When a pull request is made.
        OnPr => "on_pr",
    }
}

words! {
    /// How far a watched session is.
    WatchStatus {
        /// Not looked at yet.
        Pending => "pending",
        /// About to be pushed.
        Queued => "queued",
        /// Pushed.
        Synced => "synced",
        /// The push failed.
        Failed => "failed",
    }
}

/// How a user's devices sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutosyncSettings {
    /// What they push by themselves.
    pub mode: Mode,
    /// How long they wait for a session to settle.
    pub debounce_seconds: i64,
    /// Bytes of one file in an archive that may be pushed.
    pub max_member_bytes: u64,
}

/// A session that devices keep in sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The session.
    pub session_id: String,
    /// Its title.
    pub title: Option<String>,
    /// The tool it was recorded with.
    pub source_tool: String,
    /// Its messages.
    pub message_count: i64,
    /// How far it is.
    pub status: WatchStatus,
    /// When it was last pushed.
    pub last_synced_at: Option<Timestamp>,
}

/// How syncing stands. What is in the trash is not in use any more, though it counts against the limit until
/// it is gone: whoever deletes could store without end otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are those of the answer, named as it names them"
)]
pub struct SyncStatus {
    pub mode: Mode,
    pub total_sessions: i64,
    pub synced_sessions: i64,
    pub watched_sessions: i64,
    pub queued: i64,
    pub failed: i64,
    pub storage_used_bytes: u64,
    pub storage_limit_bytes: u64,
}

const DEFAULT_DEBOUNCE: i64 = 30;
const MIN_DEBOUNCE: i64 = 5;
const MAX_DEBOUNCE: i64 = 300;

#[derive(sqlx::FromRow)]
struct SettingsRow {
    mode: String,
    debounce_seconds: i64,
    audit_trigger: String,
}

#[derive(sqlx::FromRow)]
struct WatchRow {
    session_id: String,
    title: Option<String>,
    source_tool: String,
    message_count: i64,
    status: String,
    last_synced_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct CountsRow {
    total: i64,
    used: i64,
    watched: i64,
    queued: i64,
    failed: i64,
}

const SETTINGS: &str = "SELECT mode, debounce_seconds, audit_trigger FROM sync_settings WHERE user_id = $1";
const PUT_MODE: &str = "
    INSERT INTO sync_settings (user_id, mode, debounce_seconds, audit_trigger) VALUES ($1, $2, $3, 'manual')
    ON CONFLICT (user_id) DO UPDATE SET mode = excluded.mode, debounce_seconds = excluded.debounce_seconds";
const PUT_TRIGGER: &str = "
    INSERT INTO sync_settings (user_id, mode, debounce_seconds, audit_trigger) VALUES ($1, 'off', 30, $2)
    ON CONFLICT (user_id) DO UPDATE SET audit_trigger = excluded.audit_trigger";
const WATCHES: &str = "
    SELECT session_id, title, source_tool, message_count, status, last_synced_at
    FROM sync_watches JOIN sync_sessions ON sync_sessions.id = sync_watches.session_id
    WHERE sync_watches.user_id = $1 AND deleted_at IS NULL ORDER BY sync_watches.created_at DESC, session_id";
const WATCH: &str = "
    INSERT INTO sync_watches (user_id, session_id, status, created_at) VALUES ($1, $2, 'pending', $3)
    ON CONFLICT (user_id, session_id) DO NOTHING";
const UNWATCH: &str = "DELETE FROM sync_watches WHERE user_id = $1 AND session_id = $2";
const SET_STATUS: &str = "
    UPDATE sync_watches SET status = $3, last_synced_at = COALESCE($4, last_synced_at)
    WHERE user_id = $1 AND session_id = $2";
const COUNTS: &str = "
    SELECT (SELECT COUNT(*) FROM sync_sessions WHERE user_id = $1 AND deleted_at IS NULL) AS total,
        (SELECT CAST(COALESCE(SUM(blob_size_bytes), 0) AS BIGINT) FROM sync_sessions
            WHERE user_id = $1 AND deleted_at IS NULL) AS used,
        COUNT(*) AS watched,
        CAST(COALESCE(SUM(CASE WHEN status = 'queued' THEN 1 ELSE 0 END), 0) AS BIGINT) AS queued,
        CAST(COALESCE(SUM(CASE WHEN status = 'failed' THEN 1 ELSE 0 END), 0) AS BIGINT) AS failed
    FROM sync_watches
    WHERE user_id = $1 AND session_id IN (SELECT id FROM sync_sessions WHERE user_id = $1 AND deleted_at IS NULL)";

impl SessionSync {
    async fn settings_row(&self, actor: &Actor) -> Result<Option<SettingsRow>> {
        Ok(with_reader!(self.db, |conn| sqlx::query_as(SETTINGS)
            .bind(actor.user.as_str())
            .fetch_optional(conn)
            .await)?)
    }

    /// How the caller's devices sync.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn autosync(&self, caller: &Caller) -> Result<AutosyncSettings> {
        let row = self.settings_row(&caller.actor).await?;
        let mode = row.as_ref().and_then(|row| Mode::parse(&row.mode));
        Ok(AutosyncSettings {
            mode: mode.unwrap_or(Mode::Off),
            debounce_seconds: row.map_or(DEFAULT_DEBOUNCE, |row| row.debounce_seconds),
            max_member_bytes: self.member_limit(caller),
        })
    }

    /// Changes how the caller's devices sync. The wait is brought within 5 to 300 seconds.
    ///
    /// # Errors
    /// [`Error::UpgradeRequired`] for any mode but off.
    pub async fn set_autosync(
        &self,
        caller: &Caller,
        mode: Mode,
        debounce_seconds: Option<i64>,
    ) -> Result<AutosyncSettings> {
        if mode != Mode::Off {
            require_feature(caller, Feature::Autosync)?;
        }
        let before = self.autosync(caller).await?;
        let debounce = debounce_seconds
            .unwrap_or(before.debounce_seconds)
            .clamp(MIN_DEBOUNCE, MAX_DEBOUNCE);
        with_writer!(self.db, |conn| sqlx::query(PUT_MODE)
            .bind(caller.actor.user.as_str())
            .bind(mode.name())
            .bind(debounce)
            .execute(conn)
            .await
            .map(affected))?;
        Ok(AutosyncSettings {
            mode,
            debounce_seconds: debounce,
            ..before
        })
    }

    /// When the actor's sessions are audited.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_trigger(&self, actor: &Actor) -> Result<AuditTrigger> {
        let row = self.settings_row(actor).await?;
        Ok(row
            .and_then(|row| AuditTrigger::parse(&row.audit_trigger))
            .unwrap_or(AuditTrigger::Manual))
    }

    /// Changes when the actor's sessions are audited.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_audit_trigger(&self, actor: &Actor, trigger: AuditTrigger) -> Result<()> {
        with_writer!(self.db, |conn| sqlx::query(PUT_TRIGGER)
            .bind(actor.user.as_str())
            .bind(trigger.name())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    /// The sessions that the actor's devices keep in sync, last added first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn watches(&self, actor: &Actor) -> Result<Vec<Watch>> {
        let rows: Vec<WatchRow> = with_reader!(self.db, |conn| sqlx::query_as(WATCHES)
            .bind(actor.user.as_str())
            .fetch_all(conn)
            .await)?;
        Ok(rows
            .into_iter()
            .map(|row| Watch {
                session_id: row.session_id,
                title: row.title,
                source_tool: row.source_tool,
                message_count: row.message_count,
                status: WatchStatus::parse(&row.status).unwrap_or(WatchStatus::Pending),
                last_synced_at: row.last_synced_at.map(Timestamp::from_micros),
            })
            .collect())
    }

    /// Adds a session to those that are kept in sync; one that is there already stays as it is.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`].
    pub async fn watch(&self, caller: &Caller, id: &str) -> Result<()> {
        let session = self.session_by_id(caller, id).await?;
        with_writer!(self.db, |conn| sqlx::query(WATCH)
            .bind(caller.actor.user.as_str())
            .bind(&session.id)
            .bind(self.clock.now().as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    /// Takes a session off those that are kept in sync, if it is one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unwatch(&self, actor: &Actor, id: &str) -> Result<()> {
        with_writer!(self.db, |conn| sqlx::query(UNWATCH)
            .bind(actor.user.as_str())
            .bind(id)
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    /// Notes how far a watched session is; false when it is not watched.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_watch_status(&self, actor: &Actor, id: &str, status: WatchStatus) -> Result<bool> {
        let synced_at = (status == WatchStatus::Synced).then(|| self.clock.now().as_micros());
        let changed = with_writer!(self.db, |conn| sqlx::query(SET_STATUS)
            .bind(actor.user.as_str())
            .bind(id)
            .bind(status.name())
            .bind(synced_at)
            .execute(conn)
            .await
            .map(affected))?;
        Ok(changed > 0)
    }

    /// How syncing stands for the caller.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sync_status(&self, caller: &Caller) -> Result<SyncStatus> {
        let counts: CountsRow = with_reader!(self.db, |conn| sqlx::query_as(COUNTS)
            .bind(caller.actor.user.as_str())
            .fetch_one(conn)
            .await)?;
        Ok(SyncStatus {
            mode: self.autosync(caller).await?.mode,
            total_sessions: counts.total,
            // Whatever is here has been synced.
            synced_sessions: counts.total,
            watched_sessions: counts.watched,
            queued: counts.queued,
            failed: counts.failed,
            storage_used_bytes: u64::try_from(counts.used).unwrap_or(0),
            storage_limit_bytes: self.storage_limit(caller).unwrap_or(0),
        })
    }
}

/// The fault of a word that is none of those there are.
impl Error {
    /// A value that is none of the words a field takes.
    pub fn word(field: &str, words: &str) -> Self {
        Self::Invalid(format!("{field} must be one of {words}"))
    }
}
