//! The wiki of a project: pages that people write and pages that compiling writes.

use std::collections::BTreeSet;

use pentad_identity::Feature;
use pentad_kernel::{Actor, id};
use pentad_store::{Tx, affected, with_reader, with_tx};
use serde_json::json;

use crate::author::Author;
use crate::knowledge::change::Link;
use crate::knowledge::concepts::concepts;
use crate::{At, Compilation, CompileCause, Error, Json, Level, Projects, Result, checked_line, word_count};

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

/// Something that links to a thing.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Backlink {
    /// `page` or `entry`.
    pub source_type: String,
    /// The identifier of the page or entry.
    pub source_id: String,
    /// `mentions`, `contributes`, `supersedes` or `contradicts`.
    pub link_type: String,
    /// How sure the link is: 0 to 1.
    pub confidence: f64,
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

/// What is written to a page.
#[derive(Clone, Debug, Default)]
pub struct PageWrite {
    /// Markdown; `[[slug]]` links to another page.
    pub content: String,
    /// A title; `None` keeps it, or makes one from the slug.
    pub title: Option<String>,
    /// The persona that writes.
    pub persona_name: Option<String>,
    /// The ticket it is written for.
    pub ticket_id: Option<String>,
    /// See [`PageSummary::publish`]; `None` keeps it.
    pub publish: Option<bool>,
}

/// A generated page that was written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regenerated {
    /// Its slug.
    pub slug: String,
    /// Its words.
    pub word_count: i64,
    /// Entries on it.
    pub entries_used: i64,
}

/// A page as compiling writes it.
#[derive(Clone, Debug)]
pub(crate) struct GeneratedPage {
    pub(crate) slug: String,
    pub(crate) title: String,
    pub(crate) content: String,
    pub(crate) page_type: &'static str,
    pub(crate) entry_count: i64,
}

const SLUG_BYTES: usize = 200;

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
const INSERT: &str = concat!(
    "INSERT INTO wiki_pages (id, project_id, slug, title, content, page_type, word_count, entry_count,
                             auto_generated, publish, parent_slug, revision, created_at, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12, $12) RETURNING ",
    page_columns!()
);
const UPDATE: &str = concat!(
    "UPDATE wiki_pages SET title = $2, content = $3, word_count = $4, entry_count = $5, auto_generated = $6,
        publish = $7, page_type = $8, updated_at = $9, revision = revision + 1
     WHERE id = $1 RETURNING ",
    page_columns!()
);
const INSERT_REVISION: &str = "
    INSERT INTO wiki_revisions (page_id, revision, title, content, word_count, user_id, persona_name,
                                ticket_id, actor_type, service_key_id, service_key_name, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
const DELETE: &str = "DELETE FROM wiki_pages WHERE id = $1";
const DELETE_LINKS: &str = "
    DELETE FROM knowledge_links WHERE project_id = $1
    AND ((source_type = 'page' AND source_id = $2) OR (target_type = 'page' AND target_id = $2))";
const DELETE_MENTIONS: &str = "
    DELETE FROM knowledge_links
    WHERE project_id = $1 AND source_type = 'page' AND source_id = $2 AND link_type = 'mentions'";
const BACKLINKS: &str = "
    SELECT source_type, source_id, link_type, confidence FROM knowledge_links
    WHERE project_id = $1 AND target_type = $2 AND target_id = $3 ORDER BY id";
const REVISIONS: &str = "
    SELECT revision, title, content, word_count, user_id, persona_name, ticket_id, actor_type,
           service_key_name, created_at
    FROM wiki_revisions WHERE page_id = $1 ORDER BY revision DESC LIMIT 200";
const WORKS_ON: &str = "
    SELECT 1 FROM tickets WHERE id = $2 AND project_id = $1 AND (
        created_by_user_id = $3 OR resolver_user_id = $3 OR EXISTS (
            SELECT 1 FROM retrieval_contexts
            WHERE ticket_id = $2 AND created_by_user_id = $3 AND closed_at IS NULL))";
const GENERATED: &str =
    "SELECT id, slug FROM wiki_pages WHERE project_id = $1 AND page_type = $2 AND auto_generated";
const WITH_LINKS: &str = "SELECT id, content FROM wiki_pages WHERE project_id = $1 AND content LIKE '%[[%'";

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

    async fn page_view(&self, page: Page) -> Result<PageView> {
        let backlinks = self
            .linking_to(&page.project_id, "page", &page.summary.id)
            .await?;
        Ok(PageView { page, backlinks })
    }

    async fn find_page(&self, project: &str, slug: &str) -> Result<Page> {
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

    async fn linking_to(&self, project: &str, target_type: &str, target: &str) -> Result<Vec<Backlink>> {
        Ok(with_reader!(self.db, |conn| sqlx::query_as(BACKLINKS)
            .bind(project)
            .bind(target_type)
            .bind(target)
            .fetch_all(conn)
            .await)?)
    }

    /// What links to a page or an entry, by its identifier.
    ///
    /// # Errors
    /// As [`Projects::open`].
    pub async fn backlinks(
        &self,
        actor: &Actor,
        project: &str,
        target_type: &str,
        target: &str,
    ) -> Result<Vec<Backlink>> {
        self.open(actor, project, Level::Read).await?;
        self.linking_to(project, target_type, target).await
    }

    /// The latest 200 writes of a page, newest first.
    ///
    /// # Errors
    /// As [`Projects::open`]; [`Error::NotFound`].
    pub async fn page_history(&self, actor: &Actor, project: &str, slug: &str) -> Result<Vec<Revision>> {
        self.open(actor, project, Level::Read).await?;
        let page = self.find_page(project, slug).await?;
        Ok(with_reader!(self.db, |conn| sqlx::query_as(REVISIONS)
            .bind(&page.summary.id)
            .fetch_all(conn)
            .await)?)
    }

    /// Writes a page. A generated page becomes one that people write.
    ///
    /// # Errors
    /// As [`Projects::open_for`] for editing; [`Error::Field`].
    pub async fn write_page(
        &self,
        actor: &Actor,
        project: &str,
        slug: &str,
        write: PageWrite,
    ) -> Result<PageView> {
        self.open_for(actor, project, Level::Edit, Feature::ProjectContext)
            .await?;
        check_slug(slug)?;
        self.checked_document("content", &write.content)?;
        let title = write
            .title
            .as_deref()
            .map(|title| checked_line("title", title, 255))
            .transpose()?;
        if let Some(persona) = &write.persona_name {
            self.require_persona(project, "persona_name", persona).await?;
        }
        if let Some(ticket) = &write.ticket_id {
            self.require_own_ticket(actor, project, ticket).await?;
        }
        let mut tx = self.db.begin().await?;
        self.take_turn(&mut tx, project).await?;
        let known = page_in(&mut tx, project, slug).await?;
        let created = known.is_none();
        let next = PageFields {
            title: title
                .or_else(|| known.as_ref().map(|page| page.summary.title.clone()))
                .unwrap_or_else(|| title_of(slug)),
            content: &write.content,
            page_type: "article",
            entry_count: 0,
            auto_generated: false,
            publish: write
                .publish
                .unwrap_or_else(|| known.as_ref().is_some_and(|page| page.summary.publish)),
        };
        let page = self.put_page(&mut tx, project, slug, known, &next).await?;
        self.insert_revision(&mut tx, actor, &page, &write).await?;
        self.write_mentions(&mut tx, &page).await?;
        if created {
            self.find_mentions(&mut tx, &page).await?;
        }
        tx.commit().await?;
        self.page_view(page).await
    }

    async fn require_own_ticket(&self, actor: &Actor, project: &str, ticket: &str) -> Result<()> {
        let works_on: Option<i32> = with_reader!(self.db, |conn| sqlx::query_scalar(WORKS_ON)
            .bind(project)
            .bind(ticket)
            .bind(actor.user.as_str())
            .fetch_optional(conn)
            .await)?;
        if works_on.is_none() {
            return Err(Error::field(
                "ticket_id",
                "no ticket of this project that you made, resolved or are working on",
            ));
        }
        Ok(())
    }

    async fn put_page(
        &self,
        tx: &mut Tx,
        project: &str,
        slug: &str,
        known: Option<Page>,
        next: &PageFields<'_>,
    ) -> Result<Page> {
        let now = self.now().as_micros();
        let words = word_count(next.content);
        if let Some(page) = known {
            return Ok(with_tx!(*tx, |conn| sqlx::query_as(UPDATE)
                .bind(&page.summary.id)
                .bind(&next.title)
                .bind(next.content)
                .bind(words)
                .bind(next.entry_count)
                .bind(next.auto_generated)
                .bind(next.publish)
                .bind(next.page_type)
                .bind(now)
                .fetch_one(conn)
                .await)?);
        }
        let prefix = if next.page_type == "section" {
            "kp_"
        } else {
            "page_"
        };
        Ok(with_tx!(*tx, |conn| sqlx::query_as(INSERT)
            .bind(id::prefixed(prefix, 16))
            .bind(project)
            .bind(slug)
            .bind(&next.title)
            .bind(next.content)
            .bind(next.page_type)
            .bind(words)
            .bind(next.entry_count)
            .bind(next.auto_generated)
            .bind(next.publish)
            .bind(slug.rsplit_once('/').map(|(parent, _)| parent))
            .bind(now)
            .fetch_one(conn)
            .await)?)
    }

    async fn insert_revision(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        page: &Page,
        write: &PageWrite,
    ) -> Result<()> {
        let author = Author::from(actor);
        with_tx!(*tx, |conn| sqlx::query(INSERT_REVISION)
            .bind(&page.summary.id)
            .bind(page.revision)
            .bind(&page.summary.title)
            .bind(&page.content)
            .bind(page.summary.word_count)
            .bind(author.user)
            .bind(&write.persona_name)
            .bind(&write.ticket_id)
            .bind(author.actor_type)
            .bind(author.service_key_id)
            .bind(author.service_key_name)
            .bind(page.summary.updated_at.timestamp().as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    /// Writes the links that the page's `[[slug]]`s make to pages there are.
    async fn write_mentions(&self, tx: &mut Tx, page: &Page) -> Result<()> {
        with_tx!(*tx, |conn| sqlx::query(DELETE_MENTIONS)
            .bind(&page.project_id)
            .bind(&page.summary.id)
            .execute(conn)
            .await
            .map(affected))?;
        for slug in mentioned(&page.content) {
            if let Some(target) = page_in(tx, &page.project_id, &slug).await? {
                self.link_pages(tx, &page.project_id, &page.summary.id, &target.summary.id)
                    .await?;
            }
        }
        Ok(())
    }

    /// Links the pages that mentioned this one before it was there.
    async fn find_mentions(&self, tx: &mut Tx, page: &Page) -> Result<()> {
        let pages: Vec<(String, String)> = with_tx!(*tx, |conn| sqlx::query_as(WITH_LINKS)
            .bind(&page.project_id)
            .fetch_all(conn)
            .await)?;
        for (id, content) in pages {
            if mentioned(&content).contains(&page.summary.slug) {
                self.link_pages(tx, &page.project_id, &id, &page.summary.id)
                    .await?;
            }
        }
        Ok(())
    }

    async fn link_pages(&self, tx: &mut Tx, project: &str, from: &str, to: &str) -> Result<()> {
        let link = Link {
            source: ("page", from),
            target: ("page", to),
            link_type: "mentions",
            confidence: 1.0,
        };
        self.insert_link(tx, project, &link).await
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

    async fn remove_page(&self, tx: &mut Tx, project: &str, page: &str) -> Result<()> {
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

    /// Writes a generated page anew from what is compiled.
    ///
    /// # Errors
    /// As [`Projects::open_for`] for editing; [`Error::NotFound`]; [`Error::Senseless`] for a page that
    /// people write.
    pub async fn regenerate_page(&self, actor: &Actor, project: &str, slug: &str) -> Result<Regenerated> {
        let granted = self
            .open_for(actor, project, Level::Edit, Feature::ProjectContext)
            .await?;
        let page = self.find_page(project, slug).await?;
        if !page.summary.auto_generated {
            return Err(Error::Senseless(
                "only generated pages can be regenerated; people write this one".to_owned(),
            ));
        }
        let document = self.context(project).await?;
        let mut tx = self.db.begin().await?;
        self.take_turn(&mut tx, project).await?;
        let claims = self.compiled_claims(&mut tx, project).await?;
        let project = granted.project;
        let written = if page.summary.page_type == "concept" {
            match concepts(&claims).into_iter().find(|concept| concept.slug == slug) {
                Some(concept) => Some(
                    self.write_concept(&mut tx, actor, &project, &concept, &claims)
                        .await?,
                ),
                None => None,
            }
        } else {
            self.write_section(&mut tx, actor, &project, slug, &claims)
                .await?
        };
        let Some(written) = written else {
            return Err(Error::NotFound {
                kind: "Anything to write on this page",
            });
        };
        let now = At(self.now());
        let mut compilation = Compilation {
            id: 0,
            project_id: project.id,
            user_id: actor.user.to_string(),
            cause: CompileCause::Regenerated.name().to_owned(),
            entries_compiled: written.entry_count,
            context_after: document.clone(),
            context_before: document,
            section_pages_updated: i64::from(written.page_type == "section"),
            concept_pages_updated: i64::from(written.page_type == "concept"),
            source_manifest: Json(json!({ "page": slug, "entries": [], "present": [], "dropped": [] })),
            compiled_at: now,
        };
        self.insert_compilation(&mut tx, &mut compilation).await?;
        tx.commit().await?;
        Ok(Regenerated {
            slug: written.slug,
            word_count: word_count(&written.content),
            entries_used: written.entry_count,
        })
    }

    /// Writes a generated page unless people have taken it over. Gives its identifier.
    pub(crate) async fn write_generated(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        project: &str,
        page: &GeneratedPage,
    ) -> Result<String> {
        let known = page_in(tx, project, &page.slug).await?;
        if let Some(known) = &known
            && (!known.summary.auto_generated || known.content == page.content)
        {
            return Ok(known.summary.id.clone());
        }
        let next = PageFields {
            title: page.title.clone(),
            content: &page.content,
            page_type: page.page_type,
            entry_count: page.entry_count,
            auto_generated: true,
            publish: known.as_ref().is_some_and(|known| known.summary.publish),
        };
        let written = self.put_page(tx, project, &page.slug, known, &next).await?;
        self.insert_revision(tx, actor, &written, &PageWrite::default())
            .await?;
        Ok(written.summary.id)
    }

    pub(crate) async fn delete_generated(&self, tx: &mut Tx, project: &str, slug: &str) -> Result<()> {
        if let Some(page) = page_in(tx, project, slug).await?
            && page.summary.auto_generated
        {
            self.remove_page(tx, project, &page.summary.id).await?;
        }
        Ok(())
    }

    pub(crate) async fn delete_generated_except(
        &self,
        tx: &mut Tx,
        project: &str,
        page_type: &str,
        kept: &[&str],
    ) -> Result<()> {
        let pages: Vec<(String, String)> = with_tx!(*tx, |conn| sqlx::query_as(GENERATED)
            .bind(project)
            .bind(page_type)
            .fetch_all(conn)
            .await)?;
        for (id, slug) in pages {
            if !kept.contains(&slug.as_str()) {
                self.remove_page(tx, project, &id).await?;
            }
        }
        Ok(())
    }
}

/// What a write makes of a page.
struct PageFields<'a> {
    title: String,
    content: &'a str,
    page_type: &'static str,
    entry_count: i64,
    auto_generated: bool,
    publish: bool,
}

async fn page_in(tx: &mut Tx, project: &str, slug: &str) -> Result<Option<Page>> {
    Ok(with_tx!(*tx, |conn| sqlx::query_as(BY_SLUG)
        .bind(project)
        .bind(slug)
        .fetch_optional(conn)
        .await)?)
}

fn check_slug(slug: &str) -> Result<()> {
    let fits = (1..=SLUG_BYTES).contains(&slug.len())
        && slug
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
        && slug
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..");
    if fits {
        Ok(())
    } else {
        Err(Error::field(
            "slug",
            format!("1 to {SLUG_BYTES} of letters, digits, - _ . and / between parts"),
        ))
    }
}

fn title_of(slug: &str) -> String {
    let name = slug.rsplit('/').next().unwrap_or(slug).replace(['-', '_'], " ");
    let mut letters = name.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The slugs between `[[` and `]]`, without the text after a `|`.
fn mentioned(content: &str) -> BTreeSet<String> {
    let mut slugs = BTreeSet::new();
    let mut rest = content;
    while let Some((_, after)) = rest.split_once("[[") {
        let Some((inside, behind)) = after.split_once("]]") else {
            break;
        };
        let slug = inside.split('|').next().unwrap_or_default().trim();
        if check_slug(slug).is_ok() {
            slugs.insert(slug.to_owned());
        }
        rest = behind;
    }
    slugs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_with_and_without_a_text_of_their_own() {
        let found = mentioned("see [[auth-flow]] and [[concept/deep|the deep one]], not [[ ]] nor [[open");
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            ["auth-flow", "concept/deep"]
        );
    }

    #[test]
    fn slugs_are_path_like_and_never_climb() {
        for right in ["auth-flow", "concept/deep", "v1.2_notes"] {
            assert!(check_slug(right).is_ok(), "{right}");
        }
        for wrong in ["", "/a", "a/", "a//b", "../a", "a/./b", "a b", "ä"] {
            assert!(check_slug(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_title_is_made_from_the_last_part_of_the_slug() {
        assert_eq!(title_of("concept/deep-dive"), "Deep dive");
    }
}
