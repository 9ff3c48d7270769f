//! Wiki pages.

use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, Query, endpoint};
use pentad_projects::{Backlink, PageSummary, PageView, PageWrite, Projects, Regenerated, Revision};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::parameters::integer;
use crate::wire::{answer, list, time};

answer! {
    /// A wiki page in a list.
    PageSummaryAnswer as sync::PageSummary, from |page: PageSummary| {
        id: String = page.id,
        /// Its name in addresses; may contain slashes.
        slug: String = page.slug,
        title: String = page.title,
        /// `article`, `section` or `concept`.
        page_type: String = page.page_type,
        word_count: i64 = page.word_count,
        entry_count: i64 = page.entry_count,
        auto_generated: bool = page.auto_generated,
        updated_at: String = time(page.updated_at),
        publish: bool = page.publish,
    }
}

answer! {
    /// Something that links to a page or an entry.
    BacklinkAnswer as sync::Backlink, from |link: Backlink| {
        /// `page` or `entry`.
        source_type: String = link.source_type,
        source_id: String = link.source_id,
        /// `mentions`, `contributes`, `supersedes` or `contradicts`.
        link_type: String = link.link_type,
        confidence: f64 = link.confidence,
    }
}

/// A wiki page.
#[derive(Debug, serde::Serialize, ToSchema)]
#[schema(as = sync::Page)]
pub(crate) struct PageAnswer {
    #[serde(flatten)]
    summary: PageSummaryAnswer,
    project_id: String,
    /// Markdown.
    content: String,
    parent_slug: Option<String>,
    created_at: String,
    revision: i64,
    backlinks: Vec<BacklinkAnswer>,
}

impl From<PageView> for PageAnswer {
    fn from(view: PageView) -> Self {
        Self {
            project_id: view.page.project_id,
            content: view.page.content,
            parent_slug: view.page.parent_slug,
            created_at: time(view.page.created_at),
            revision: view.page.revision,
            summary: view.page.summary.into(),
            backlinks: list(view.backlinks),
        }
    }
}

answer! {
    /// One write of a wiki page.
    RevisionAnswer as sync::PageRevision, from |revision: Revision| {
        /// Counts from 1; older ones follow it as `cursor`.
        id: i64 = revision.revision,
        /// The same.
        revision_number: i64 = revision.revision,
        title: String = revision.title,
        content: String = revision.content,
        word_count: i64 = revision.word_count,
        user_id: String = revision.user_id,
        persona_name: Option<String> = revision.persona_name,
        ticket_id: Option<String> = revision.ticket_id,
        actor_type: String = revision.actor_type,
        service_key_name: Option<String> = revision.service_key_name,
        revised_at: String = time(revision.created_at),
    }
}

/// Writes of a wiki page.
#[derive(Debug, serde::Serialize, ToSchema)]
#[schema(as = sync::PageHistory)]
pub(crate) struct HistoryAnswer {
    slug: String,
    /// Newest first.
    revisions: Vec<RevisionAnswer>,
    count: usize,
    /// The `cursor` of the older ones; none at the end.
    next_cursor: Option<i64>,
}

answer! {
    /// A page that was written anew.
    RegeneratedAnswer as sync::RegeneratedPage, from |page: Regenerated| {
        status: &'static str = "regenerated",
        slug: String = page.slug,
        word_count: i64 = page.word_count,
        entries_used: i64 = page.entries_used,
    }
}

/// List wiki pages
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/pages", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef")),
    responses((status = 200, description = "By slug.", body = Vec<PageSummaryAnswer>),
              (status = 404, description = "There is no such project.")))]
async fn list_pages(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
) -> Result<Json<Vec<PageSummaryAnswer>>, Fault> {
    Ok(Json(list(projects.pages(&principal.actor, &project_id).await?)))
}

/// Read a wiki page
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/pages/{slug}", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("slug" = String, Path, description = "The page; slashes in it need no escape.", example = "key-decisions")),
    responses((status = 200, description = "The page and what links to it.", body = PageAnswer),
              (status = 404, description = "There is no such project or page.")))]
async fn get_page(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<PageAnswer>, Fault> {
    let (project, slug) = path.into_inner();
    Ok(Json(
        projects.page(&principal.actor, &project, &slug).await?.into(),
    ))
}

/// What to write to a page.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::WritePage, example = json!({"content": "# Auth\nTokens rotate. See [[key-decisions]].", "title": "Auth flow"}))]
pub(crate) struct WritePage {
    /// Markdown; `[[slug]]` links to another page.
    content: String,
    /// Left out, the title stays, or is made from the slug.
    title: Option<String>,
    /// The persona that writes.
    persona_name: Option<String>,
    /// The ticket it is written for.
    ticket_id: Option<String>,
    publish: Option<bool>,
}

/// Create or update a wiki page
#[utoipa::path(put, path = "/api/v1/projects/{project_id}/pages/{slug}", tag = "sync", request_body = WritePage,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("slug" = String, Path, description = "The page; slashes in it need no escape.", example = "auth-flow")),
    responses((status = 200, description = "The page.", body = PageAnswer),
              (status = 404, description = "There is no such project."),
              (status = 422, description = "A field is refused.")))]
async fn put_page(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
    body: JsonBody<WritePage>,
) -> Result<Json<PageAnswer>, Fault> {
    let (project, slug) = path.into_inner();
    let body = body.0;
    let write = PageWrite {
        content: body.content,
        title: body.title,
        persona_name: body.persona_name,
        ticket_id: body.ticket_id,
        publish: body.publish,
    };
    let page = projects
        .write_page(&principal.actor, &project, &slug, write)
        .await?;
    Ok(Json(page.into()))
}

/// Delete a wiki page
#[utoipa::path(delete, path = "/api/v1/projects/{project_id}/pages/{slug}", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("slug" = String, Path, description = "The page.", example = "auth-flow")),
    responses((status = 200, description = "`{status, slug}`.", body = Object),
              (status = 404, description = "There is no such project or page.")))]
async fn delete_page(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<Value>, Fault> {
    let (project, slug) = path.into_inner();
    projects.delete_page(&principal.actor, &project, &slug).await?;
    Ok(Json(json!({ "status": "deleted", "slug": slug })))
}

/// Write a generated wiki page anew
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/pages/{slug}/regenerate", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("slug" = String, Path, description = "The page.", example = "key-decisions")),
    responses((status = 200, description = "It is written.", body = RegeneratedAnswer),
              (status = 400, description = "People write this page."),
              (status = 404, description = "There is no such project or page.")))]
async fn regenerate_page(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<RegeneratedAnswer>, Fault> {
    let (project, slug) = path.into_inner();
    let regenerated = projects
        .regenerate_page(&principal.actor, &project, &slug)
        .await?;
    Ok(Json(regenerated.into()))
}

/// Read the history of a wiki page
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/pages/{slug}/history", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("slug" = String, Path, description = "The page.", example = "auth-flow"),
           ("limit" = Option<i64>, Query, description = "At most this many: 1 to 200, default 50."),
           ("cursor" = Option<i64>, Query, description = "Only writes before this one: the `next_cursor` of another answer.")),
    responses((status = 200, description = "Its writes, newest first.", body = HistoryAnswer),
              (status = 400, description = "A parameter is refused."),
              (status = 404, description = "There is no such project.")))]
async fn get_page_history(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
    query: Query,
) -> Result<Json<HistoryAnswer>, Fault> {
    let (project, slug) = path.into_inner();
    let any = i64::MIN..=i64::MAX;
    let (before, limit) = (integer(&query, "cursor", &any)?, integer(&query, "limit", &any)?);
    let history = projects
        .page_history(&principal.actor, &project, &slug, before, limit.unwrap_or(50))
        .await?;
    let revisions: Vec<RevisionAnswer> = list(history.revisions);
    Ok(Json(HistoryAnswer {
        slug,
        count: revisions.len(),
        revisions,
        next_cursor: history.next,
    }))
}

/// List what links to a page or an entry
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/links/{target_type}/{target_id}", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("target_type" = String, Path, description = "`page` or `entry`."),
           ("target_id" = String, Path, description = "Its identifier.")),
    responses((status = 200, description = "The links.", body = Vec<BacklinkAnswer>),
              (status = 404, description = "There is no such project.")))]
async fn list_backlinks(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String, String)>,
) -> Result<Json<Vec<BacklinkAnswer>>, Fault> {
    let (project, target_type, target) = path.into_inner();
    let links = projects
        .backlinks(&principal.actor, &project, &target_type, &target)
        .await?;
    Ok(Json(list(links)))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(list_pages, Access::User),
        // Before the pages, whose slugs may contain slashes.
        endpoint!(regenerate_page, Access::User),
        endpoint!(get_page_history, Access::User),
        endpoint!(get_page, Access::User),
        endpoint!(put_page, Access::User).body_limit("wiki_page_bytes", 4 << 20),
        endpoint!(delete_page, Access::User),
        endpoint!(list_backlinks, Access::User),
    ]
}
