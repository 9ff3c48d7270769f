//! Folders in which people keep sessions they want to find again.

use pentad_identity::{Caller, Feature};
use pentad_kernel::{Actor, Timestamp, id};
use pentad_store::{affected, with_reader, with_tx, with_writer};

use crate::session::{SessionRow, session_columns};
use crate::{Error, Result, Session, SessionSync, require_feature};

const MAX_NAME_CHARS: usize = 100;
/// How many folders one person may have, and how many sessions one shows.
const MAX_FOLDERS: i64 = 500;
const LISTED: i64 = 1_000;

/// A folder of bookmarks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookmarkFolder {
    /// Its identifier.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Its colour: `#` and six hexadecimal digits.
    pub color: Option<String>,
    /// How many sessions are in it, without those in the trash.
    pub bookmark_count: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A session in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bookmark {
    /// Its identifier.
    pub id: String,
    /// The folder.
    pub folder_id: String,
    /// The session.
    pub session_id: String,
    /// When it was put there.
    pub created_at: Timestamp,
}

/// Changes to a folder; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EditFolder {
    /// The new name.
    pub name: Option<String>,
    /// The new colour.
    pub color: Option<String>,
}

#[derive(sqlx::FromRow)]
struct FolderRow {
    id: String,
    name: String,
    color: Option<String>,
    bookmark_count: i64,
    created_at: i64,
}

impl From<FolderRow> for BookmarkFolder {
    fn from(row: FolderRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            color: row.color,
            bookmark_count: row.bookmark_count,
            created_at: Timestamp::from_micros(row.created_at),
        }
    }
}

#[derive(sqlx::FromRow)]
struct BookmarkedRow {
    #[sqlx(flatten)]
    session: SessionRow,
    bookmark_id: String,
    bookmarked_at: i64,
}

/// The columns of [`FolderRow`].
macro_rules! folder_columns {
    () => {
        "id, name, color, created_at, (SELECT COUNT(*) FROM sync_bookmarks
            JOIN sync_sessions ON sync_sessions.id = sync_bookmarks.session_id AND deleted_at IS NULL
            WHERE folder_id = sync_bookmark_folders.id) AS bookmark_count"
    };
}

const CREATE: &str = "
    INSERT INTO sync_bookmark_folders (id, user_id, name, color, created_at)
    SELECT $1, $2, $3, $4, $5
    WHERE (SELECT COUNT(*) FROM sync_bookmark_folders WHERE user_id = $2) < $6";
const FOLDERS: &str = concat!(
    "SELECT ",
    folder_columns!(),
    " FROM sync_bookmark_folders WHERE user_id = $1 ORDER BY created_at, id"
);
const FOLDER: &str = concat!(
    "SELECT ",
    folder_columns!(),
    " FROM sync_bookmark_folders WHERE id = $1 AND user_id = $2"
);
const EDIT: &str = "
    UPDATE sync_bookmark_folders SET name = COALESCE($3, name), color = COALESCE($4, color)
    WHERE id = $1 AND user_id = $2";
const DELETE: &str = "DELETE FROM sync_bookmark_folders WHERE id = $1 AND user_id = $2";
const BOOKMARK: &str = "
    INSERT INTO sync_bookmarks (id, folder_id, session_id, user_id, created_at)
    SELECT $1, id, $3, user_id, $5 FROM sync_bookmark_folders WHERE id = $2 AND user_id = $4
    ON CONFLICT (folder_id, session_id) DO NOTHING";
const UNBOOKMARK: &str = "DELETE FROM sync_bookmarks WHERE id = $1 AND user_id = $2";
const BOOKMARKED: &str = concat!(
    "SELECT ",
    session_columns!(),
    ", sync_bookmarks.id AS bookmark_id, sync_bookmarks.created_at AS bookmarked_at
     FROM sync_bookmarks JOIN sync_sessions ON sync_sessions.id = sync_bookmarks.session_id
     WHERE folder_id = $1 AND sync_bookmarks.user_id = $2 AND deleted_at IS NULL
     ORDER BY sync_bookmarks.created_at DESC, sync_bookmarks.id LIMIT $3"
);

fn field(field: &'static str, message: &str) -> Error {
    Error::Field {
        field,
        message: message.to_owned(),
    }
}

fn check_name(name: &str) -> Result<()> {
    if name.trim().is_empty() || name.chars().count() > MAX_NAME_CHARS || name.contains('\0') {
        return Err(field("name", "name must have 1 to 100 characters"));
    }
    Ok(())
}

fn check_color(color: &str) -> Result<()> {
    let digits = color.strip_prefix('#').unwrap_or_default();
    if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(field("color", "color must be # and six hexadecimal digits"));
    }
    Ok(())
}

impl SessionSync {
    /// Makes a folder.
    ///
    /// # Errors
    /// [`Error::UpgradeRequired`]; [`Error::Field`], also when the caller has too many already.
    pub async fn create_bookmark_folder(
        &self,
        caller: &Caller,
        name: &str,
        color: Option<&str>,
    ) -> Result<BookmarkFolder> {
        require_feature(caller, Feature::BookmarksCloud)?;
        check_name(name)?;
        color.map_or(Ok(()), check_color)?;
        let folder = BookmarkFolder {
            id: id::random_uuid(),
            name: name.to_owned(),
            color: color.map(str::to_owned),
            bookmark_count: 0,
            created_at: self.clock.now(),
        };
        let made = with_writer!(self.db, |conn| sqlx::query(CREATE)
            .bind(&folder.id)
            .bind(caller.actor.user.as_str())
            .bind(&folder.name)
            .bind(&folder.color)
            .bind(folder.created_at.as_micros())
            .bind(MAX_FOLDERS)
            .execute(conn)
            .await
            .map(affected))?;
        if made == 0 {
            return Err(field("name", "there may be at most 500 bookmark folders"));
        }
        Ok(folder)
    }

    /// The actor's folders, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn bookmark_folders(&self, actor: &Actor) -> Result<Vec<BookmarkFolder>> {
        let rows: Vec<FolderRow> = with_reader!(self.db, |conn| sqlx::query_as(FOLDERS)
            .bind(actor.user.as_str())
            .fetch_all(conn)
            .await)?;
        Ok(rows.into_iter().map(BookmarkFolder::from).collect())
    }

    /// Changes name and colour of a folder.
    ///
    /// # Errors
    /// [`Error::UpgradeRequired`], [`Error::Field`], [`Error::FolderNotFound`].
    pub async fn edit_bookmark_folder(
        &self,
        caller: &Caller,
        id: &str,
        edit: EditFolder,
    ) -> Result<BookmarkFolder> {
        require_feature(caller, Feature::BookmarksCloud)?;
        edit.name.as_deref().map_or(Ok(()), check_name)?;
        edit.color.as_deref().map_or(Ok(()), check_color)?;
        let user = caller.actor.user.as_str();
        let mut tx = self.db.begin().await?;
        with_tx!(tx, |conn| sqlx::query(EDIT)
            .bind(id)
            .bind(user)
            .bind(&edit.name)
            .bind(&edit.color)
            .execute(conn)
            .await
            .map(affected))?;
        let row: Option<FolderRow> = with_tx!(tx, |conn| sqlx::query_as(FOLDER)
            .bind(id)
            .bind(user)
            .fetch_optional(conn)
            .await)?;
        tx.commit().await?;
        row.map(BookmarkFolder::from).ok_or(Error::FolderNotFound)
    }

    /// Deletes a folder with its bookmarks; their sessions stay.
    ///
    /// # Errors
    /// [`Error::FolderNotFound`].
    pub async fn delete_bookmark_folder(&self, actor: &Actor, id: &str) -> Result<()> {
        let deleted = with_writer!(self.db, |conn| sqlx::query(DELETE)
            .bind(id)
            .bind(actor.user.as_str())
            .execute(conn)
            .await
            .map(affected))?;
        if deleted == 0 {
            return Err(Error::FolderNotFound);
        }
        Ok(())
    }

    /// Puts a session of the caller's into a folder.
    ///
    /// # Errors
    /// [`Error::UpgradeRequired`], [`Error::FolderNotFound`], [`Error::SessionNotFound`],
    /// [`Error::AlreadyBookmarked`].
    pub async fn bookmark(&self, caller: &Caller, folder: &str, session: &str) -> Result<Bookmark> {
        require_feature(caller, Feature::BookmarksCloud)?;
        self.bookmark_folder(&caller.actor, folder).await?;
        let session = self.session_by_id(caller, session).await?;
        let bookmark = Bookmark {
            id: id::random_uuid(),
            folder_id: folder.to_owned(),
            session_id: session.id,
            created_at: self.clock.now(),
        };
        let made = with_writer!(self.db, |conn| sqlx::query(BOOKMARK)
            .bind(&bookmark.id)
            .bind(&bookmark.folder_id)
            .bind(&bookmark.session_id)
            .bind(caller.actor.user.as_str())
            .bind(bookmark.created_at.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        if made == 0 {
            return Err(Error::AlreadyBookmarked);
        }
        Ok(bookmark)
    }

    /// Takes a session out of a folder.
    ///
    /// # Errors
    /// [`Error::BookmarkNotFound`].
    pub async fn unbookmark(&self, actor: &Actor, id: &str) -> Result<()> {
        let deleted = with_writer!(self.db, |conn| sqlx::query(UNBOOKMARK)
            .bind(id)
            .bind(actor.user.as_str())
            .execute(conn)
            .await
            .map(affected))?;
        if deleted == 0 {
            return Err(Error::BookmarkNotFound);
        }
        Ok(())
    }

    /// The sessions in a folder with their bookmarks, the last one put there first; those in the trash are left
    /// out.
    ///
    /// # Errors
    /// [`Error::FolderNotFound`].
    pub async fn bookmarked(&self, actor: &Actor, folder: &str) -> Result<Vec<(Session, Bookmark)>> {
        self.bookmark_folder(actor, folder).await?;
        let rows: Vec<BookmarkedRow> = with_reader!(self.db, |conn| sqlx::query_as(BOOKMARKED)
            .bind(folder)
            .bind(actor.user.as_str())
            .bind(LISTED)
            .fetch_all(conn)
            .await)?;
        let bookmarked = |row: BookmarkedRow| {
            let session = Session::from(row.session);
            let bookmark = Bookmark {
                id: row.bookmark_id,
                folder_id: folder.to_owned(),
                session_id: session.id.clone(),
                created_at: Timestamp::from_micros(row.bookmarked_at),
            };
            (session, bookmark)
        };
        Ok(rows.into_iter().map(bookmarked).collect())
    }

    async fn bookmark_folder(&self, actor: &Actor, id: &str) -> Result<BookmarkFolder> {
        let row: Option<FolderRow> = with_reader!(self.db, |conn| sqlx::query_as(FOLDER)
            .bind(id)
            .bind(actor.user.as_str())
            .fetch_optional(conn)
            .await)?;
        row.map(BookmarkFolder::from).ok_or(Error::FolderNotFound)
    }
}
