//! Folders of bookmarked sessions.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, endpoint};
use pentad_session_sync::{Bookmark, BookmarkFolder, EditFolder, Session, SessionSync};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::faults::fault;
use crate::wire::SessionSummary;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::NewBookmarkFolder, example = json!({"name": "Important", "color": "#4f9cf7"}))]
struct CreateFolder {
    /// Its name: 1 to 100 characters.
    name: String,
    /// Its colour: `#` and six hexadecimal digits.
    color: Option<String>,
}

/// Changes to a folder; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::EditBookmarkFolder, example = json!({"name": "Reading list"}))]
struct UpdateFolder {
    /// The new name: 1 to 100 characters.
    name: Option<String>,
    /// The new colour: `#` and six hexadecimal digits.
    color: Option<String>,
}

/// A folder of bookmarks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::BookmarkFolder)]
struct FolderAnswer {
    id: String,
    name: String,
    color: Option<String>,
    /// How many sessions are in it.
    bookmark_count: i64,
    created_at: String,
}

impl From<BookmarkFolder> for FolderAnswer {
    fn from(folder: BookmarkFolder) -> Self {
        Self {
            id: folder.id,
            name: folder.name,
            color: folder.color,
            bookmark_count: folder.bookmark_count,
            created_at: folder.created_at.to_string(),
        }
    }
}

/// The caller's folders.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::BookmarkFolders)]
struct FolderList {
    /// Oldest first.
    folders: Vec<FolderAnswer>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::NewBookmark, example = json!({
    "folder_id": "9b2f6c1e-5d0a-4c3b-8e7f-112233445566", "session_id": "ses_0123456789abcdef"
}))]
struct CreateBookmark {
    /// The folder.
    folder_id: String,
    /// The session.
    session_id: String,
}

/// A session in a folder.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::Bookmark)]
struct BookmarkAnswer {
    id: String,
    folder_id: String,
    session_id: String,
    created_at: String,
}

impl From<Bookmark> for BookmarkAnswer {
    fn from(bookmark: Bookmark) -> Self {
        Self {
            id: bookmark.id,
            folder_id: bookmark.folder_id,
            session_id: bookmark.session_id,
            created_at: bookmark.created_at.to_string(),
        }
    }
}

/// A session as a folder shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::BookmarkedSession)]
struct BookmarkedAnswer {
    #[serde(flatten)]
    session: SessionSummary,
    /// The bookmark, by which the session is taken out of the folder.
    bookmark_id: String,
    /// When it was put there.
    bookmarked_at: String,
}

/// The sessions in a folder.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::BookmarkedSessions)]
struct BookmarkedList {
    /// The last one put there first, at most 1,000.
    sessions: Vec<BookmarkedAnswer>,
    /// How many there are.
    total: usize,
}

impl From<Vec<(Session, Bookmark)>> for BookmarkedList {
    fn from(bookmarked: Vec<(Session, Bookmark)>) -> Self {
        let answer = |(session, bookmark): (Session, Bookmark)| BookmarkedAnswer {
            session: session.into(),
            bookmark_id: bookmark.id,
            bookmarked_at: bookmark.created_at.to_string(),
        };
        Self {
            total: bookmarked.len(),
            sessions: bookmarked.into_iter().map(answer).collect(),
        }
    }
}

/// Create bookmark folder
#[utoipa::path(post, path = "/api/v1/bookmarks/folders", tag = "bookmarks", request_body = CreateFolder,
    responses((status = 201, description = "The folder.", body = FolderAnswer),
              (status = 422, description = "Name or colour are out of their bounds, or there are 500 folders.")))]
async fn create_bookmark_folder(
    sync: Data<SessionSync>,
    principal: Principal,
    JsonBody(body): JsonBody<CreateFolder>,
) -> Result<HttpResponse, Fault> {
    let folder = sync
        .create_bookmark_folder(&principal, &body.name, body.color.as_deref())
        .await
        .map_err(fault)?;
    Ok(HttpResponse::Created().json(FolderAnswer::from(folder)))
}

/// List bookmark folders
#[utoipa::path(get, path = "/api/v1/bookmarks/folders", tag = "bookmarks",
    responses((status = 200, description = "The folders.", body = FolderList)))]
async fn list_bookmark_folders(
    sync: Data<SessionSync>,
    principal: Principal,
) -> Result<Json<FolderList>, Fault> {
    let folders = sync.bookmark_folders(&principal.actor).await.map_err(fault)?;
    Ok(Json(FolderList {
        folders: folders.into_iter().map(FolderAnswer::from).collect(),
    }))
}

/// Rename or recolour a bookmark folder
#[utoipa::path(put, path = "/api/v1/bookmarks/folders/{folder_id}", tag = "bookmarks", request_body = UpdateFolder,
    params(("folder_id" = String, Path, description = "The folder.")),
    responses((status = 200, description = "The folder as it is now.", body = FolderAnswer),
              (status = 404, description = "The caller has no such folder."),
              (status = 422, description = "Name or colour are out of their bounds.")))]
async fn update_bookmark_folder(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
    JsonBody(body): JsonBody<UpdateFolder>,
) -> Result<Json<FolderAnswer>, Fault> {
    let edit = EditFolder {
        name: body.name,
        color: body.color,
    };
    let folder = sync
        .edit_bookmark_folder(&principal, &id, edit)
        .await
        .map_err(fault)?;
    Ok(Json(folder.into()))
}

/// Delete a bookmark folder
///
/// Its bookmarks go with it; the sessions stay.
#[utoipa::path(delete, path = "/api/v1/bookmarks/folders/{folder_id}", tag = "bookmarks",
    params(("folder_id" = String, Path, description = "The folder.")),
    responses((status = 204, description = "The folder is gone."),
              (status = 404, description = "The caller has no such folder.")))]
async fn delete_bookmark_folder(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<HttpResponse, Fault> {
    sync.delete_bookmark_folder(&principal.actor, &id)
        .await
        .map_err(fault)?;
    Ok(HttpResponse::NoContent().finish())
}

/// List the sessions in a bookmark folder
#[utoipa::path(get, path = "/api/v1/bookmarks/folders/{folder_id}/sessions", tag = "bookmarks",
    params(("folder_id" = String, Path, description = "The folder.")),
    responses((status = 200, description = "The sessions.", body = BookmarkedList),
              (status = 404, description = "The caller has no such folder.")))]
async fn list_bookmarked_sessions(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<Json<BookmarkedList>, Fault> {
    let bookmarked = sync.bookmarked(&principal.actor, &id).await.map_err(fault)?;
    Ok(Json(bookmarked.into()))
}

/// Bookmark a session
#[utoipa::path(post, path = "/api/v1/bookmarks", tag = "bookmarks", request_body = CreateBookmark,
    responses((status = 201, description = "The session is in the folder.", body = BookmarkAnswer),
              (status = 404, description = "The caller has no such folder or session."),
              (status = 409, description = "The session is in the folder already.")))]
async fn create_bookmark(
    sync: Data<SessionSync>,
    principal: Principal,
    JsonBody(body): JsonBody<CreateBookmark>,
) -> Result<HttpResponse, Fault> {
    let bookmark = sync
        .bookmark(&principal, &body.folder_id, &body.session_id)
        .await
        .map_err(fault)?;
    Ok(HttpResponse::Created().json(BookmarkAnswer::from(bookmark)))
}

/// Remove a bookmark
#[utoipa::path(delete, path = "/api/v1/bookmarks/{bookmark_id}", tag = "bookmarks",
    params(("bookmark_id" = String, Path, description = "The bookmark.")),
    responses((status = 204, description = "The session is not in the folder any more."),
              (status = 404, description = "The caller has no such bookmark.")))]
async fn delete_bookmark(
    sync: Data<SessionSync>,
    principal: Principal,
    id: Path<String>,
) -> Result<HttpResponse, Fault> {
    sync.unbookmark(&principal.actor, &id).await.map_err(fault)?;
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(create_bookmark_folder, Access::User),
        endpoint!(list_bookmark_folders, Access::User),
        endpoint!(update_bookmark_folder, Access::User),
        endpoint!(delete_bookmark_folder, Access::User),
        endpoint!(list_bookmarked_sessions, Access::User),
        endpoint!(create_bookmark, Access::User),
        endpoint!(delete_bookmark, Access::User),
    ]
}
