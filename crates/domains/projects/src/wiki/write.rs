//! Writing pages.

use pentad_identity::Feature;
use pentad_kernel::{Actor, id};
use pentad_store::{Tx, affected, with_reader, with_tx};

use super::page::{Page, PageView, page_columns, page_in, summary_columns};
use crate::author::Author;
use crate::{Error, Level, Projects, Result, checked_line, word_count};

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
    /// See [`crate::PageSummary::publish`]; `None` keeps it.
    pub publish: Option<bool>,
}

const SLUG_BYTES: usize = 200;

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
const WORKS_ON: &str = "
    SELECT 1 FROM tickets WHERE id = $2 AND project_id = $1 AND (
        created_by_user_id = $3 OR resolver_user_id = $3 OR EXISTS (
            SELECT 1 FROM retrieval_contexts
            WHERE ticket_id = $2 AND created_by_user_id = $3 AND closed_at IS NULL))";

/// What a write makes of a page.
pub(super) struct PageFields<'a> {
    pub(super) title: String,
    pub(super) content: &'a str,
    pub(super) page_type: &'static str,
    pub(super) entry_count: i64,
    pub(super) auto_generated: bool,
    pub(super) publish: bool,
}

impl Projects {
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
                "unknown, of another project, or not owned by you: you made, resolved or work on it",
            ));
        }
        Ok(())
    }

    pub(super) async fn put_page(
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

    pub(super) async fn insert_revision(
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
}

pub(super) fn check_slug(slug: &str) -> Result<()> {
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
    let name = slug.rsplit('/').next().unwrap_or(slug);
    let words = name.split(['-', '_']).map(|word| {
        let mut letters = word.chars();
        letters
            .next()
            .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(title_of("concept/deep-dive"), "Deep Dive");
    }
}
