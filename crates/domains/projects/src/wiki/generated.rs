//! Pages that compiling writes, until people take them over.

use pentad_identity::Feature;
use pentad_kernel::Actor;
use pentad_store::{Tx, with_tx};
use serde_json::json;

use super::PageWrite;
use super::page::page_in;
use super::write::PageFields;
use crate::knowledge::concepts::concepts;
use crate::{At, Compilation, CompileCause, Error, Json, Level, Projects, Result, word_count};

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

const GENERATED: &str =
    "SELECT id, slug FROM wiki_pages WHERE project_id = $1 AND page_type = $2 AND auto_generated";

impl Projects {
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
                "only auto-generated pages can be regenerated; people write this one".to_owned(),
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
