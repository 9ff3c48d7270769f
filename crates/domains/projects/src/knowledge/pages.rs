//! Wiki pages that compiling writes: one for each type of entry, one for each concept.

use pentad_kernel::Actor;
use pentad_store::{Tx, affected, with_tx};

use super::change::Link;
use super::classify::{SECTIONS, section_of};
use super::concepts::{Concept, concepts};
use super::merge::Claim;
use crate::wiki::GeneratedPage;
use crate::{Project, Projects, Result};

const COMPILED: &str = "
    SELECT id, entry_type, content, confidence, created_at FROM knowledge_entries
    WHERE project_id = $1 AND compiled_at IS NOT NULL AND NOT dismissed AND freshness_class <> 'superseded'
    ORDER BY id";
const LIVE: &str = "
    SELECT id, entry_type, content, confidence, created_at FROM knowledge_entries
    WHERE project_id = $1 AND claim_class = 'claim' AND NOT dismissed AND freshness_class IN ('current', 'aging')
    ORDER BY id";
const UNLINK: &str = "
    DELETE FROM knowledge_links
    WHERE project_id = $1 AND target_type = 'page' AND target_id = $2 AND link_type = 'contributes'";

#[derive(sqlx::FromRow)]
struct ClaimRow {
    id: i64,
    entry_type: String,
    content: String,
    confidence: f64,
    created_at: crate::At,
}

/// How many generated pages were written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PagesWritten {
    pub(crate) sections: i64,
    pub(crate) concepts: i64,
}

/// What a page shows of the claims: the surest, the newest of them first.
pub(crate) fn render(title: &str, claims: &[&Claim], limit: usize) -> String {
    let mut shown: Vec<&&Claim> = claims.iter().collect();
    shown.sort_by(|a, b| b.confidence.total_cmp(&a.confidence).then(b.id.cmp(&a.id)));
    shown.truncate(limit);
    shown.sort_by_key(|claim| std::cmp::Reverse((claim.created_at, claim.id)));
    let mut content = format!("# {title}\n\n");
    for claim in shown {
        let text = claim.content.split_whitespace().collect::<Vec<_>>().join(" ");
        let date = &claim.created_at.to_string()[..10];
        content.push_str(&format!("- {text} ({date}, KB {})\n", claim.id));
    }
    content
}

impl Projects {
    /// The claims that hold, compiled or not.
    pub(crate) async fn live_claims(&self, tx: &mut Tx, project: &str) -> Result<Vec<Claim>> {
        self.claims(tx, project, LIVE).await
    }

    pub(crate) async fn compiled_claims(&self, tx: &mut Tx, project: &str) -> Result<Vec<Claim>> {
        self.claims(tx, project, COMPILED).await
    }

    async fn claims(&self, tx: &mut Tx, project: &str, sql: &'static str) -> Result<Vec<Claim>> {
        let rows: Vec<ClaimRow> = with_tx!(*tx, |conn| sqlx::query_as(sql)
            .bind(project)
            .fetch_all(conn)
            .await)?;
        Ok(rows
            .into_iter()
            .map(|row| Claim {
                id: row.id,
                entry_type: row.entry_type,
                content: row.content,
                confidence: row.confidence,
                created_at: row.created_at.timestamp(),
            })
            .collect())
    }

    /// Writes the section and concept pages anew from what is compiled.
    pub(crate) async fn rebuild_pages(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        project: &Project,
    ) -> Result<PagesWritten> {
        let claims = self.compiled_claims(tx, &project.id).await?;
        let mut written = PagesWritten::default();
        for section in SECTIONS {
            if self
                .write_section(tx, actor, project, section.slug, &claims)
                .await?
                .is_some()
            {
                written.sections += 1;
            }
        }
        let found = concepts(&claims);
        let slugs: Vec<&str> = found.iter().map(|concept| concept.slug.as_str()).collect();
        self.delete_generated_except(tx, &project.id, "concept", &slugs)
            .await?;
        for concept in &found {
            self.write_concept(tx, actor, project, concept, &claims).await?;
            written.concepts += 1;
        }
        Ok(written)
    }

    /// Writes one section page; `None` when there is nothing to say and the page is gone.
    pub(crate) async fn write_section(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        project: &Project,
        slug: &str,
        claims: &[Claim],
    ) -> Result<Option<GeneratedPage>> {
        let Some(section) = SECTIONS.iter().find(|section| section.slug == slug) else {
            return Ok(None);
        };
        let of_section: Vec<&Claim> = claims
            .iter()
            .filter(|claim| section_of(&claim.entry_type).is_some_and(|known| known.slug == section.slug))
            .collect();
        if of_section.is_empty() {
            self.delete_generated(tx, &project.id, slug).await?;
            return Ok(None);
        }
        let limit = usize::try_from(project.kb_section_page_limit).unwrap_or(usize::MAX);
        let page = GeneratedPage {
            slug: section.slug.to_owned(),
            title: section.heading.to_owned(),
            content: render(section.heading, &of_section, limit),
            page_type: "section",
            entry_count: i64::try_from(of_section.len().min(limit)).unwrap_or(i64::MAX),
        };
        self.write_generated(tx, actor, &project.id, &page).await?;
        Ok(Some(page))
    }

    pub(crate) async fn write_concept(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        project: &Project,
        concept: &Concept,
        claims: &[Claim],
    ) -> Result<GeneratedPage> {
        let sharing: Vec<&Claim> = claims
            .iter()
            .filter(|claim| concept.claims.contains(&claim.id))
            .collect();
        let page = GeneratedPage {
            slug: concept.slug.clone(),
            title: concept.title.clone(),
            content: render(&concept.title, &sharing, usize::MAX),
            page_type: "concept",
            entry_count: i64::try_from(sharing.len()).unwrap_or(i64::MAX),
        };
        let id = self.write_generated(tx, actor, &project.id, &page).await?;
        with_tx!(*tx, |conn| sqlx::query(UNLINK)
            .bind(&project.id)
            .bind(&id)
            .execute(conn)
            .await
            .map(affected))?;
        for claim in sharing {
            let entry = claim.id.to_string();
            let link = Link {
                source: ("entry", &entry),
                target: ("page", &id),
                link_type: "contributes",
                confidence: claim.confidence,
            };
            self.insert_link(tx, &project.id, &link).await?;
        }
        Ok(page)
    }
}
