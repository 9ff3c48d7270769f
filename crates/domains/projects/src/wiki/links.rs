//! What links to what: `[[slug]]`s in pages, and the links that compiling makes.

use std::collections::BTreeSet;

use pentad_kernel::Actor;
use pentad_store::{Tx, affected, with_reader, with_tx};

use super::page::{Page, page_in};
use super::write::check_slug;
use crate::knowledge::change::Link;
use crate::{Level, Projects, Result};

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

const DELETE_MENTIONS: &str = "
    DELETE FROM knowledge_links
    WHERE project_id = $1 AND source_type = 'page' AND source_id = $2 AND link_type = 'mentions'";
const BACKLINKS: &str = "
    SELECT source_type, source_id, link_type, confidence FROM knowledge_links
    WHERE project_id = $1 AND target_type = $2 AND target_id = $3 ORDER BY id";
const WITH_LINKS: &str = "SELECT id, content FROM wiki_pages WHERE project_id = $1 AND content LIKE '%[[%'";

impl Projects {
    pub(super) async fn linking_to(
        &self,
        project: &str,
        target_type: &str,
        target: &str,
    ) -> Result<Vec<Backlink>> {
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

    /// Writes the links that the page's `[[slug]]`s make to pages there are.
    pub(super) async fn write_mentions(&self, tx: &mut Tx, page: &Page) -> Result<()> {
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
    pub(super) async fn find_mentions(&self, tx: &mut Tx, page: &Page) -> Result<()> {
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
}
