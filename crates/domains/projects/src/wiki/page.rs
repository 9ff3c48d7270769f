//! Reading pages, and deleting them.

use pentad_identity::Feature;
use pentad_kernel::Actor;
use pentad_store::{Tx, affected, with_reader, with_tx};

use super::Backlink;
use crate::{At, Error, Level, Projects, Result};

/// A page without its content.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct PageSummary {
    /// `page_` and 16 hex digits; `kp_` for a section page.
    pub id: String,
    /// Its name in addresses; may contain slashes.
    pub slug: String,
    /// Its name for people.
    pub title: String,
    /// `article`, `section` or `concept`.
    pub page_type: String,
    /// Its words.
    pub word_count: i64,
    /// The entries on it, when it was compiled.
    pub entry_count: i64,
    /// Whether compiling wrote it.
    pub auto_generated: bool,
    /// Whether it is meant to be shown outside the project.
    pub publish: bool,
    /// When it was last written.
    pub updated_at: At,
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Page {
    /// What a list shows of it.
    #[sqlx(flatten)]
    pub summary: PageSummary,
    /// The project.
    pub project_id: String,
    /// Markdown.
    pub content: String,
    /// The page above it, by its slug.
    pub parent_slug: Option<String>,
    /// Rises with every write.
    pub revision: i64,
    /// When it was first written.
    pub created_at: At,
}

/// A page with what links to it.
#[derive(Clone, Debug)]
pub struct PageView {
    /// The page.
    pub page: Page,
    /// What links to it.
    pub backlinks: Vec<Backlink>,
}

/// Writes of a page, newest first.
#[derive(Clone, Debug)]
pub struct History {
    /// The writes.
    pub revisions: Vec<Revision>,
    /// Where the older ones go on: before this revision.
    pub next: Option<i64>,
}

/// One write of a page.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Revision {
    /// Counts from 1.
    pub revision: i64,
    /// The title then.
    pub title: String,
    /// The content then.
    pub content: String,
    /// Its words.
    pub word_count: i64,
    /// Who wrote it.
    pub user_id: String,
    /// As which persona.
    pub persona_name: Option<String>,
    /// For which ticket.
    pub ticket_id: Option<String>,
    /// `user` or `service_key`.
    pub actor_type: String,
    /// The service key's name.
    pub service_key_name: Option<String>,
    /// When.
    pub created_at: At,
}

macro_rules! summary_columns {
    () => {
        "id, slug, title, page_type, word_count, entry_count, auto_generated, publish, updated_at"
    };
}
macro_rules! page_columns {
    () => {
        concat!(
            summary_columns!(),
            ", project_id, content, parent_slug, revision, created_at"
        )
    };
}
pub(super) use {page_columns, summary_columns};

const LIST: &str = concat!(
    "SELECT ",
    summary_columns!(),
    " FROM wiki_pages WHERE project_id = $1 ORDER BY slug"
);
const BY_SLUG: &str = concat!(
    "SELECT ",
    page_columns!(),
    " FROM wiki_pages WHERE project_id = $1 AND slug = $2"
);
const TITLE: &str = "SELECT title FROM wiki_pages WHERE project_id = $1 AND (id = $2 OR slug = $2)";
const DELETE: &str = "DELETE FROM wiki_pages WHERE id = $1";
const DELETE_LINKS: &str = "
    DELETE FROM knowledge_links WHERE project_id = $1
    AND ((source_type = 'page' AND source_id = $2) OR (target_type = 'page' AND target_id = $2))";
const REVISIONS: &str = "
    SELECT revision, title, content, word_count, user_id, persona_name, ticket_id, actor_type,
           service_key_name, created_at
    FROM wiki_revisions WHERE page_id = $1 AND revision < $2 ORDER BY revision DESC LIMIT $3";

impl Projects {
    /// The pages of a project, by slug.
    ///
    /// # Errors
    /// As [`Projects::open`].
    pub async fn pages(&self, actor: &Actor, project: &str) -> Result<Vec<PageSummary>> {
        self.open(actor, project, Level::Read).await?;
        Ok(with_reader!(self.db, |conn| sqlx::query_as(LIST)
            .bind(project)
            .fetch_all(conn)
            .await)?)
    }

    /// A page with what links to it.
    ///
    /// # Errors
    /// As [`Projects::open`]; [`Error::NotFound`].
    pub async fn page(&self, actor: &Actor, project: &str, slug: &str) -> Result<PageView> {
        self.open(actor, project, Level::Read).await?;
        let page = self.find_page(project, slug).await?;
        self.page_view(page).await
    }

    pub(super) async fn page_view(&self, page: Page) -> Result<PageView> {
        let backlinks = self
            .linking_to(&page.project_id, "page", &page.summary.id)
            .await?;
        Ok(PageView { page, backlinks })
    }

    pub(super) async fn find_page(&self, project: &str, slug: &str) -> Result<Page> {
        let page: Option<Page> = with_reader!(self.db, |conn| sqlx::query_as(BY_SLUG)
            .bind(project)
            .bind(slug)
            .fetch_optional(conn)
            .await)?;
        page.ok_or(Error::NotFound { kind: "Page" })
    }

    /// The title of a page, by its identifier or its slug.
    pub(crate) async fn page_title(&self, project: &str, reference: &str) -> Result<String> {
        let title: Option<String> = with_reader!(self.db, |conn| sqlx::query_scalar(TITLE)
            .bind(project)
            .bind(reference)
            .fetch_optional(conn)
            .await)?;
        title.ok_or(Error::NotFound { kind: "Page" })
    }

    /// The latest writes of a page before a revision, none of one that is not there; `limit` is bent to 1 to
    /// 200.
    ///
    /// # Errors
    /// As [`Projects::open`].
    pub async fn page_history(
        &self,
        actor: &Actor,
        project: &str,
        slug: &str,
        before: Option<i64>,
        limit: i64,
    ) -> Result<History> {
        self.open(actor, project, Level::Read).await?;
        let page = match self.find_page(project, slug).await {
            Ok(page) => page,
            Err(Error::NotFound { .. }) => {
                return Ok(History {
                    revisions: Vec::new(),
                    next: None,
                });
            }
            Err(error) => return Err(error),
        };
        let limit = limit.clamp(1, 200);
        let mut revisions: Vec<Revision> = with_reader!(self.db, |conn| sqlx::query_as(REVISIONS)
            .bind(&page.summary.id)
            .bind(before.unwrap_or(i64::MAX))
            .bind(limit + 1)
            .fetch_all(conn)
            .await)?;
        let more = revisions.len() as i64 > limit;
        revisions.truncate(limit as usize);
        let next = revisions.last().map(|oldest| oldest.revision).filter(|_| more);
        Ok(History { revisions, next })
    }

    /// Deletes a page.
    ///
    /// # Errors
    /// As [`Projects::open_for`] for editing; [`Error::NotFound`].
    pub async fn delete_page(&self, actor: &Actor, project: &str, slug: &str) -> Result<()> {
        self.open_for(actor, project, Level::Edit, Feature::ProjectContext)
            .await?;
        let page = self.find_page(project, slug).await?;
        let mut tx = self.db.begin().await?;
        self.remove_page(&mut tx, project, &page.summary.id).await?;
        tx.commit().await?;
        Ok(())
    }

    pub(super) async fn remove_page(&self, tx: &mut Tx, project: &str, page: &str) -> Result<()> {
        with_tx!(*tx, |conn| sqlx::query(DELETE_LINKS)
            .bind(project)
            .bind(page)
            .execute(conn)
            .await
            .map(affected))?;
        with_tx!(*tx, |conn| sqlx::query(DELETE)
            .bind(page)
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }
}

pub(super) async fn page_in(tx: &mut Tx, project: &str, slug: &str) -> Result<Option<Page>> {
    Ok(with_tx!(*tx, |conn| sqlx::query_as(BY_SLUG)
        .bind(project)
        .bind(slug)
        .fetch_optional(conn)
        .await)?)
}
