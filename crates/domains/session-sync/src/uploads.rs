//! Pushing an archive in parts, which may be sent again when a connection breaks.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use pentad_identity::{Caller, Feature};
use pentad_kernel::{Classify, ErrorKind, Timestamp, UserId, id, secret};
use pentad_store::{affected, with_reader, with_tx, with_writer};
use serde_json::{Value, json};

use crate::push::{Client, Push, Pushed};
use crate::{Error, Result, SessionSync, objects, require_feature, valid_session_id};

/// Why a step of a chunked upload is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// There is no such upload of the caller's.
    #[error("Upload not found")]
    NotFound,
    /// Enough uploads are pending.
    #[error("Too many pending uploads: at most {0}")]
    TooManyPending(i64),
    /// The part has another length.
    #[error("Part {number} must have {expected} bytes")]
    PartSizeMismatch {
        /// Which part.
        number: i64,
        /// The length it must have.
        expected: i64,
    },
    /// The part is not the one whose hash was sent.
    #[error("Part hash does not match X-Part-SHA256")]
    PartHashMismatch,
    /// The user is sending enough parts already.
    #[error("You are sending parts already: at most {0} at once")]
    Busy(usize),
    /// There is no part of this number.
    #[error("Part number must be from 1 to {0}")]
    InvalidPartNumber(i64),
    /// Parts are missing.
    #[error("Parts are missing")]
    MissingParts(Vec<i64>),
    /// The upload is finished or given up.
    #[error("Upload is {0}, not pending")]
    NotPending(String),
    /// The upload's time is over.
    #[error("Upload has expired")]
    Expired,
    /// The whole is not what was announced.
    #[error("sha256 of the parts does not match the announced one")]
    Sha256Mismatch,
}

impl Classify for UploadError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound => ErrorKind::NotFound,
            Self::Busy(_) => ErrorKind::RateLimited,
            Self::PartSizeMismatch { .. }
            | Self::PartHashMismatch
            | Self::InvalidPartNumber(_)
            | Self::Sha256Mismatch => ErrorKind::Invalid,
            Self::TooManyPending(_) | Self::MissingParts(_) | Self::NotPending(_) | Self::Expired => {
                ErrorKind::Conflict
            }
        }
    }

    fn code(&self) -> Option<&'static str> {
        Some(match self {
            Self::NotFound => return None,
            Self::TooManyPending(_) => "too_many_pending_uploads",
            Self::PartSizeMismatch { .. } => "part_size_mismatch",
            Self::PartHashMismatch => "part_hash_mismatch",
            Self::Busy(_) => "upload_busy",
            Self::InvalidPartNumber(_) => "invalid_part_number",
            Self::MissingParts(_) => "missing_parts",
            Self::NotPending(_) => "upload_not_pending",
            Self::Expired => "upload_expired",
            Self::Sha256Mismatch => "sha256_mismatch",
        })
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::MissingParts(parts) => Some(json!({"missing": parts})),
            Self::PartSizeMismatch { number, expected } => {
                Some(json!({"part_number": number, "expected_bytes": expected}))
            }
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::Busy(_)).then_some(Duration::from_secs(1))
    }
}

/// How many parts each user is sending: they are held in memory until they are whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct PartsOnTheirWay(Arc<Mutex<HashMap<UserId, usize>>>);

/// A part on its way, until it is dropped.
#[derive(Debug)]
struct PartOnItsWay {
    all: PartsOnTheirWay,
    user: UserId,
}

impl PartsOnTheirWay {
    fn counts(&self) -> MutexGuard<'_, HashMap<UserId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, user: &UserId) -> std::result::Result<PartOnItsWay, UploadError> {
        let mut counts = self.counts();
        let count = counts.entry(user.clone()).or_default();
        if *count >= MAX_PARTS_AT_ONCE {
            return Err(UploadError::Busy(MAX_PARTS_AT_ONCE));
        }
        *count += 1;
        Ok(PartOnItsWay {
            all: self.clone(),
            user: user.clone(),
        })
    }
}

impl Drop for PartOnItsWay {
    fn drop(&mut self) {
        let mut counts = self.all.counts();
        if let Some(count) = counts.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.user);
            }
        }
    }
}

/// An upload to be begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUpload {
    /// The session it is for.
    pub session_id: String,
    /// Bytes of the archive.
    pub total_size: i64,
    /// Its SHA-256, hex.
    pub sha256: String,
    /// Bytes of each part but the last; brought within 5 to 32 MiB, 8 when not given.
    pub part_size: Option<i64>,
}

/// A part that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// Its length in bytes.
    pub size: i64,
    /// Its SHA-256, hex.
    pub sha256: String,
}

/// How far an upload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadProgress {
    /// Its identifier.
    pub id: String,
    /// `pending`, `completed`, `aborted` or `expired`.
    pub status: String,
    /// Bytes of each part but the last.
    pub part_size: i64,
    /// How many parts there are.
    pub part_count: i64,
    /// The parts that are there, from 1.
    pub received: Vec<i64>,
    /// When it ends.
    pub expires_at: Timestamp,
}

const MIB: i64 = 1 << 20;
const DEFAULT_PART: i64 = 8 * MIB;
const MIN_PART: i64 = 5 * MIB;
const MAX_PART: i64 = 32 * MIB;
const LIFETIME: Duration = Duration::from_secs(24 * 3600);
const MAX_PENDING: i64 = 3;
const MAX_PARTS_AT_ONCE: usize = 2;

#[derive(sqlx::FromRow)]
struct UploadRow {
    id: String,
    session_id: String,
    total_size: i64,
    sha256: String,
    part_size: i64,
    part_count: i64,
    status: String,
    answer: Option<String>,
    expires_at: i64,
}

const INSERT: &str = "
    INSERT INTO sync_uploads (id, session_id, user_id, total_size, sha256, part_size, part_count, status,
        created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', $8, $9)";
const PENDING: &str =
    "SELECT COUNT(*) FROM sync_uploads WHERE user_id = $1 AND status = 'pending' AND expires_at > $2";
const BY_ID: &str = "
    SELECT id, session_id, total_size, sha256, part_size, part_count, status, answer, expires_at FROM sync_uploads
    WHERE id = $1 AND user_id = $2";
const PUT_PART: &str = "
    INSERT INTO sync_upload_parts (upload_id, number, size, object) VALUES ($1, $2, $3, $4)
    ON CONFLICT (upload_id, number) DO UPDATE SET size = excluded.size, object = excluded.object";
const PARTS: &str = "SELECT number, object FROM sync_upload_parts WHERE upload_id = $1 ORDER BY number";
const END: &str =
    "UPDATE sync_uploads SET status = $3, answer = $4 WHERE id = $1 AND user_id = $2 AND status = 'pending'";
const DROP_PARTS: &str = "DELETE FROM sync_upload_parts WHERE upload_id = $1";
const SWEEP: &str = "DELETE FROM sync_uploads WHERE expires_at <= $1";

impl UploadRow {
    /// How long a part must be.
    fn size_of(&self, number: i64) -> i64 {
        if number == self.part_count {
            self.total_size - self.part_size * (self.part_count - 1)
        } else {
            self.part_size
        }
    }

    fn is_over(&self, now: Timestamp) -> bool {
        now >= Timestamp::from_micros(self.expires_at)
    }
}

impl SessionSync {
    /// Begins an upload.
    ///
    /// # Errors
    /// As [`SessionSync::push`] before the archive is read; [`UploadError::TooManyPending`].
    pub async fn begin_upload(&self, caller: &Caller, new: &NewUpload) -> Result<UploadProgress> {
        require_feature(caller, Feature::CloudSync)?;
        if !caller.email_verified {
            return Err(Error::EmailNotVerified);
        }
        if !valid_session_id(&new.session_id) {
            return Err(Error::InvalidSessionId);
        }
        let limit = self.archive_limit(caller);
        if u64::try_from(new.total_size).is_ok_and(|size| size > limit) {
            return Err(Error::ArchiveTooLarge { limit });
        }
        if new.total_size < 1 {
            return Err(Error::Field {
                field: "total_size",
                message: "total_size must be at least 1".to_owned(),
            });
        }
        let is_hash = new.sha256.len() == 64 && new.sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hash {
            return Err(Error::Field {
                field: "sha256",
                message: "sha256 must be 64 hex digits".to_owned(),
            });
        }
        let now = self.clock.now();
        let part_size = new.part_size.unwrap_or(DEFAULT_PART).clamp(MIN_PART, MAX_PART);
        let progress = UploadProgress {
            id: id::prefixed("up_", 24),
            status: "pending".to_owned(),
            part_size,
            part_count: (new.total_size + part_size - 1) / part_size,
            received: Vec::new(),
            expires_at: now.plus(LIFETIME),
        };
        let user = caller.actor.user.as_str();
        let mut tx = self.db.begin().await?;
        let pending: i64 = with_tx!(tx, |conn| sqlx::query_scalar(PENDING)
            .bind(user)
            .bind(now.as_micros())
            .fetch_one(conn)
            .await)?;
        if pending >= MAX_PENDING {
            return Err(UploadError::TooManyPending(MAX_PENDING).into());
        }
        with_tx!(tx, |conn| sqlx::query(INSERT)
            .bind(&progress.id)
            .bind(&new.session_id)
            .bind(user)
            .bind(new.total_size)
            .bind(new.sha256.to_ascii_lowercase())
            .bind(progress.part_size)
            .bind(progress.part_count)
            .bind(now.as_micros())
            .bind(progress.expires_at.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        tx.commit().await?;
        Ok(progress)
    }

    async fn upload_row(&self, caller: &Caller, id: &str) -> Result<UploadRow> {
        let row: Option<UploadRow> = with_reader!(self.db, |conn| sqlx::query_as(BY_ID)
            .bind(id)
            .bind(caller.actor.user.as_str())
            .fetch_optional(conn)
            .await)?;
        Ok(row.ok_or(UploadError::NotFound)?)
    }

    async fn upload_parts(&self, id: &str) -> Result<Vec<(i64, String)>> {
        Ok(with_reader!(self.db, |conn| sqlx::query_as(PARTS)
            .bind(id)
            .fetch_all(conn)
            .await)?)
    }

    fn check_pending(&self, upload: &UploadRow) -> Result<()> {
        if upload.status != "pending" {
            return Err(UploadError::NotPending(upload.status.clone()).into());
        }
        if upload.is_over(self.clock.now()) {
            return Err(UploadError::Expired.into());
        }
        Ok(())
    }

    /// Takes a part. Sending one again replaces it.
    ///
    /// # Errors
    /// An [`UploadError`].
    pub async fn put_part<S>(
        &self,
        caller: &Caller,
        id: &str,
        number: i64,
        sha256: Option<&str>,
        body: S,
    ) -> Result<StoredPart>
    where
        S: Stream<Item = io::Result<Bytes>>,
    {
        let _on_its_way = self.parts_on_their_way.begin(&caller.actor.user)?;
        let upload = self.upload_row(caller, id).await?;
        self.check_pending(&upload)?;
        if !(1..=upload.part_count).contains(&number) {
            return Err(UploadError::InvalidPartNumber(upload.part_count).into());
        }
        let expected = upload.size_of(number);
        let mismatch = || UploadError::PartSizeMismatch { number, expected };
        let length = usize::try_from(expected).unwrap_or(0);
        let mut part = Vec::new();
        let mut body = std::pin::pin!(body);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|_| Error::Interrupted)?;
            if part.len() + chunk.len() > length {
                return Err(mismatch().into());
            }
            part.extend_from_slice(&chunk);
        }
        if part.len() != length {
            return Err(mismatch().into());
        }
        if let Some(wanted) = sha256
            && !secret::sha256_hex(&part).eq_ignore_ascii_case(wanted)
        {
            return Err(UploadError::PartHashMismatch.into());
        }
        let object = objects::put_bytes(&self.blobs, part.into()).await?;
        with_writer!(self.db, |conn| sqlx::query(PUT_PART)
            .bind(id)
            .bind(number)
            .bind(expected)
            .bind(&object)
            .execute(conn)
            .await
            .map(affected))?;
        Ok(StoredPart {
            size: expected,
            sha256: object,
        })
    }

    /// How far an upload is.
    ///
    /// # Errors
    /// [`UploadError::NotFound`].
    pub async fn upload_progress(&self, caller: &Caller, id: &str) -> Result<UploadProgress> {
        let upload = self.upload_row(caller, id).await?;
        let parts = self.upload_parts(id).await?;
        let expired = upload.status == "pending" && upload.is_over(self.clock.now());
        Ok(UploadProgress {
            status: if expired {
                "expired".to_owned()
            } else {
                upload.status
            },
            id: upload.id,
            part_size: upload.part_size,
            part_count: upload.part_count,
            received: parts.into_iter().map(|(number, _)| number).collect(),
            expires_at: Timestamp::from_micros(upload.expires_at),
        })
    }

    /// Pushes what the parts make up. Asked again, it answers again.
    ///
    /// # Errors
    /// An [`UploadError`], and as [`SessionSync::push`].
    pub async fn complete_upload(
        &self,
        caller: &Caller,
        id: &str,
        if_match: Option<String>,
        undelete: bool,
        client: Client,
    ) -> Result<Pushed> {
        let upload = self.upload_row(caller, id).await?;
        if let Some(pushed) = upload.answer.as_deref().and_then(answered) {
            return Ok(pushed);
        }
        self.check_pending(&upload)?;
        let parts = self.upload_parts(id).await?;
        let there = |number: &i64| parts.iter().any(|(known, _)| known == number);
        let missing: Vec<i64> = (1..=upload.part_count)
            .filter(|number| !there(number))
            .take(1_000)
            .collect();
        if !missing.is_empty() {
            return Err(UploadError::MissingParts(missing).into());
        }
        let push = Push {
            session: upload.session_id.clone(),
            if_match,
            undelete,
            client,
        };
        let blobs = self.blobs.clone();
        let body = stream::iter(parts)
            .then(move |(_, object)| {
                let blobs = blobs.clone();
                async move {
                    let (_, bytes) = objects::stream(&blobs, &object, None)
                        .await
                        .map_err(io::Error::other)?;
                    Ok::<_, io::Error>(bytes)
                }
            })
            .try_flatten();
        let pushed = self.push_assembled(caller, &push, &upload.sha256, body).await?;
        self.end_upload(caller, id, "completed", Some(answer(&pushed)))
            .await?;
        Ok(pushed)
    }

    /// Gives an upload up.
    ///
    /// # Errors
    /// [`UploadError::NotFound`], [`UploadError::NotPending`].
    pub async fn abort_upload(&self, caller: &Caller, id: &str) -> Result<()> {
        let upload = self.upload_row(caller, id).await?;
        if upload.status == "aborted" {
            return Ok(());
        }
        if !self.end_upload(caller, id, "aborted", None).await? {
            return Err(UploadError::NotPending(upload.status).into());
        }
        Ok(())
    }

    async fn end_upload(
        &self,
        caller: &Caller,
        id: &str,
        status: &str,
        answer: Option<String>,
    ) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        let ended = with_tx!(tx, |conn| sqlx::query(END)
            .bind(id)
            .bind(caller.actor.user.as_str())
            .bind(status)
            .bind(answer)
            .execute(conn)
            .await
            .map(affected))?;
        with_tx!(tx, |conn| sqlx::query(DROP_PARTS)
            .bind(id)
            .execute(conn)
            .await
            .map(affected))?;
        tx.commit().await?;
        Ok(ended == 1)
    }

    /// Forgets uploads whose time is over; how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sweep_uploads(&self) -> Result<u64> {
        let now = self.clock.now().as_micros();
        Ok(with_writer!(self.db, |conn| sqlx::query(SWEEP)
            .bind(now)
            .execute(conn)
            .await
            .map(affected))?)
    }
}

/// What is kept of a push, for whoever asks for its answer again.
fn answer(pushed: &Pushed) -> String {
    json!({
        "session_id": pushed.session_id, "etag": pushed.etag, "blob_size_bytes": pushed.blob_size_bytes,
        "synced_at": pushed.synced_at.as_micros(), "created": pushed.created,
    })
    .to_string()
}

fn answered(text: &str) -> Option<Pushed> {
    let value: Value = serde_json::from_str(text).ok()?;
    Some(Pushed {
        session_id: value["session_id"].as_str()?.to_owned(),
        etag: value["etag"].as_str()?.to_owned(),
        blob_size_bytes: value["blob_size_bytes"].as_i64()?,
        synced_at: Timestamp::from_micros(value["synced_at"].as_i64()?),
        created: value["created"].as_bool()?,
        timing: Vec::new(),
    })
}
