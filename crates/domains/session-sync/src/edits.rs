//! What owners change about their sessions: title, alias, tags, and whether they are there at all.

use std::time::Duration;

use pentad_kernel::Actor;
use pentad_store::{affected, with_tx, with_writer};

use crate::manifest::{MAX_TAG_CHARS, MAX_TAGS, MAX_TITLE_CHARS, without_tags};
use crate::{Error, Result, Session, SessionRef, SessionSync, valid_alias};

/// Changes to a session; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// The new title.
    pub title: Option<String>,
    /// The new alias.
    pub alias: Option<String>,
    /// The new tags.
    pub tags: Option<Vec<String>>,
}

/// Where a session is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteScope {
    /// Here only.
    Cloud,
    /// Here, and devices shall delete their copies.
    Everywhere,
}

impl DeleteScope {
    /// Reads what a request says; `None` for another word.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "cloud" => Some(Self::Cloud),
            "everywhere" => Some(Self::Everywhere),
            _ => None,
        }
    }

    const fn stored(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Everywhere => "both",
        }
    }
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// How many sessions.
    pub sessions: usize,
    /// Bytes of their archives. The sweep removes those that no other session has.
    pub bytes: i64,
}

/// A session that came back from the trash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The session.
    pub session: Session,
    /// Where it had been deleted.
    pub from_scope: Option<String>,
}

/// The title as it is kept: without HTML tags and without spaces around it. Nothing may be left of it.
///
/// # Errors
/// [`Error::Field`] for a title that is too long, or has a NUL.
pub(crate) fn plain_title(title: &str) -> Result<String> {
    let field = |message: String| Error::Field {
        field: "title",
        message,
    };
    if title.contains('\0') {
        return Err(field("title must not contain NUL".to_owned()));
    }
    if title.chars().count() > MAX_TITLE_CHARS {
        return Err(field(format!(
            "title must have at most {MAX_TITLE_CHARS} characters"
        )));
    }
    Ok(without_tags(title).trim().to_owned())
}

/// The tags as they are kept: without HTML tags.
///
/// # Errors
/// What is wrong with them.
pub(crate) fn plain_tags(tags: &[String]) -> std::result::Result<Vec<String>, String> {
    if tags.iter().any(|tag| tag.contains('\0')) {
        return Err("tags must not contain NUL".to_owned());
    }
    if tags.len() > MAX_TAGS || tags.iter().any(|tag| tag.chars().count() > MAX_TAG_CHARS) {
        return Err(format!(
            "tags must be at most {MAX_TAGS} texts of at most {MAX_TAG_CHARS} characters"
        ));
    }
    Ok(tags.iter().map(|tag| without_tags(tag)).collect())
}

const EDIT: &str = "
    UPDATE sync_sessions SET title = COALESCE($3, title), tags = COALESCE($4, tags), alias = COALESCE($5, alias),
        updated_at = $6, indexed_etag = CASE WHEN $3 IS NULL THEN indexed_etag ELSE '' END
    WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL";
const CLEAR_ALIAS: &str = "
    UPDATE sync_sessions SET alias = NULL, updated_at = $3 WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL";
const DELETE: &str = "
    UPDATE sync_sessions SET deleted_at = $3, deleted_by = $4, delete_scope = $5, purge_after = $6, updated_at = $3
    WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL";
const RESTORE: &str = "
    UPDATE sync_sessions SET deleted_at = NULL, deleted_by = NULL, delete_scope = NULL, purge_after = NULL,
        updated_at = $3,
        alias = CASE WHEN EXISTS (SELECT 1 FROM sync_sessions AS other WHERE other.user_id = sync_sessions.user_id
            AND other.alias = sync_sessions.alias AND other.deleted_at IS NULL) THEN NULL ELSE alias END
    WHERE id = $1 AND user_id = $2 AND deleted_at IS NOT NULL";
const PURGE: &str = "DELETE FROM sync_sessions WHERE purge_after <= $1 RETURNING blob_size_bytes";

impl SessionSync {
    /// Changes title, alias and tags.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`], [`Error::Field`], [`Error::AliasTaken`].
    pub async fn edit(&self, actor: &Actor, name: &SessionRef, edit: Edit) -> Result<Session> {
        if edit == Edit::default() {
            return Err(Error::Invalid(
                "At least one of title, alias and tags is required".to_owned(),
            ));
        }
        let title = edit.title.as_deref().map(plain_title).transpose()?;
        if title.as_deref() == Some("") {
            return Err(Error::Field {
                field: "title",
                message: "title must not be empty".to_owned(),
            });
        }
        let tags = edit.tags.as_deref().map(plain_tags).transpose();
        let tags = tags.map_err(|message| Error::Field {
            field: "tags",
            message,
        })?;
        if edit.alias.as_deref().is_some_and(|alias| !valid_alias(alias)) {
            return Err(Error::Field {
                field: "alias",
                message:
                    "alias must be 3 to 100 of letters, digits, _ and -, beginning with a letter or digit"
                        .to_owned(),
            });
        }
        let session = self.session(actor, name).await?;
        let tags = tags.map(|tags| serde_json::to_string(&tags).expect("a list of texts has a JSON form"));
        let mut tx = self.db.begin().await?;
        let changed = with_tx!(tx, |conn| sqlx::query(EDIT)
            .bind(&session.id)
            .bind(actor.user.as_str())
            .bind(title)
            .bind(tags)
            .bind(&edit.alias)
            .bind(self.clock.now().as_micros())
            .execute(conn)
            .await
            .map(affected))
        .map_err(|error| match edit.alias {
            Some(alias) if error.is_duplicate() => Error::AliasTaken(alias),
            _ => error.into(),
        })?;
        if changed == 0 {
            return Err(Error::SessionNotFound);
        }
        let session = self.any_session_in(&mut tx, &session.id).await?;
        tx.commit().await?;
        session.ok_or(Error::SessionNotFound)
    }

    /// Takes the alias off a session.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`].
    pub async fn clear_alias(&self, actor: &Actor, name: &SessionRef) -> Result<Session> {
        let session = self.session(actor, name).await?;
        let now = self.clock.now();
        with_writer!(self.db, |conn| sqlx::query(CLEAR_ALIAS)
            .bind(&session.id)
            .bind(actor.user.as_str())
            .bind(now.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(Session {
            alias: None,
            updated_at: now,
            ..session
        })
    }

    /// Puts a session into the trash.
    ///
    /// # Errors
    /// [`Error::AlreadyDeleted`], [`Error::SessionNotFound`].
    pub async fn delete(&self, actor: &Actor, name: &SessionRef, scope: DeleteScope) -> Result<Session> {
        let id = match name {
            SessionRef::Id(id) => id.clone(),
            SessionRef::Alias(_) => self.session(actor, name).await?.id,
        };
        let now = self.clock.now();
        let purge = now.plus(Duration::from_secs(
            u64::from(self.settings.trash_days) * 24 * 3600,
        ));
        let mut tx = self.db.begin().await?;
        let changed = with_tx!(tx, |conn| sqlx::query(DELETE)
            .bind(&id)
            .bind(actor.user.as_str())
            .bind(now.as_micros())
            .bind(actor.user.as_str())
            .bind(scope.stored())
            .bind(purge.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        let session = self.any_session_in(&mut tx, &id).await?;
        tx.commit().await?;
        match session.filter(|session| session.user == actor.user) {
            None => Err(Error::SessionNotFound),
            Some(_) if changed == 0 => Err(Error::AlreadyDeleted),
            Some(session) => Ok(session),
        }
    }

    /// Takes a session out of the trash. Its alias comes back unless another session has it by now.
    ///
    /// # Errors
    /// [`Error::NotDeleted`]; [`Error::Gone`] when there is none of that name any more.
    pub async fn restore(&self, actor: &Actor, id: &str) -> Result<Restored> {
        let mut tx = self.db.begin().await?;
        let before = self.any_session_in(&mut tx, id).await?;
        let before = before
            .filter(|session| session.user == actor.user)
            .ok_or(Error::Gone)?;
        let changed = with_tx!(tx, |conn| sqlx::query(RESTORE)
            .bind(id)
            .bind(actor.user.as_str())
            .bind(self.clock.now().as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        if changed == 0 {
            return Err(Error::NotDeleted);
        }
        let session = self.any_session_in(&mut tx, id).await?.ok_or(Error::Gone)?;
        tx.commit().await?;
        Ok(Restored {
            session,
            from_scope: before.delete_scope,
        })
    }

    /// Forgets what has been in the trash for long enough.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn purge(&self) -> Result<Purged> {
        let mut tx = self.db.begin().await?;
        let now = self.clock.now().as_micros();
        crate::search::forget_purged(&mut tx, now).await?;
        let sizes: Vec<i64> = with_tx!(tx, |conn| sqlx::query_scalar(PURGE)
            .bind(now)
            .fetch_all(conn)
            .await)?;
        tx.commit().await?;
        Ok(Purged {
            sessions: sizes.len(),
            bytes: sizes.iter().sum(),
        })
    }
}
