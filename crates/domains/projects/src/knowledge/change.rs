//! What happens to an entry after it was written.

use pentad_kernel::Actor;
use pentad_store::{Tx, affected, with_tx};

use super::classify::{CLAIM_CHARACTERS, CLAIM_CONFIDENCE, Vocabulary};
use crate::{Entry, EntryChange, Error, Level, Projects, Result, checked_optional};

const DISMISS: &str = "
    UPDATE knowledge_entries SET dismissed = TRUE, dismissed_at = $3, dismissed_by = $4, dismissed_reason = $5
    WHERE id = $1 AND project_id = $2 AND NOT dismissed";
const TAKE_UP: &str = "
    UPDATE knowledge_entries SET dismissed = FALSE, dismissed_at = NULL, dismissed_by = NULL,
        dismissed_reason = NULL
    WHERE id = $1 AND project_id = $2";
const REFRESH: &str = "
    UPDATE knowledge_entries SET freshness_class = 'current', last_relevant_at = $3
    WHERE id = $1 AND project_id = $2 AND freshness_class <> 'superseded'";
const PROMOTE: &str = "
    UPDATE knowledge_entries SET claim_class = 'claim', promoted_at = $3, promoted_by = $4
    WHERE id = $1 AND project_id = $2 AND claim_class <> 'claim'";
const SUPERSEDE: &str = "
    UPDATE knowledge_entries SET freshness_class = 'superseded', superseded_by = $3, supersession_reason = $4
    WHERE id = $1 AND project_id = $2";
const CONFIDENCE: &str = "UPDATE knowledge_entries SET confidence = $3 WHERE id = $1 AND project_id = $2";
const DISMISS_STALE: &str = "
    UPDATE knowledge_entries SET dismissed = TRUE, dismissed_at = $2, dismissed_by = $3, dismissed_reason = 'stale'
    WHERE project_id = $1 AND NOT dismissed AND (freshness_class = 'superseded'
        OR (freshness_class = 'stale' AND confidence < 0.5))";
/// The newest claims, with which a further one is compared.
pub(super) const CLAIMS: &str = "
    SELECT content FROM knowledge_entries
    WHERE project_id = $1 AND claim_class = 'claim' AND NOT dismissed ORDER BY id DESC LIMIT 50";
const LINK: &str = "
    INSERT INTO knowledge_links (project_id, source_type, source_id, target_type, target_id, link_type,
                                 confidence, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (project_id, source_type, source_id, target_type, target_id, link_type) DO NOTHING";

/// A link between two things of a project.
pub(crate) struct Link<'a> {
    pub(crate) source: (&'static str, &'a str),
    pub(crate) target: (&'static str, &'a str),
    pub(crate) link_type: &'static str,
    pub(crate) confidence: f64,
}

impl Projects {
    /// Changes an entry.
    ///
    /// # Errors
    /// As [`Projects::open`] for editing; [`Error::NotFound`]; [`Error::WrongState`] for what is a claim or
    /// superseded already; [`Error::Field`] for what cannot be a claim or a confidence.
    pub async fn change_entry(
        &self,
        actor: &Actor,
        project: &str,
        id: i64,
        change: EntryChange,
    ) -> Result<Entry> {
        self.open(actor, project, Level::Edit).await?;
        let entry = self.find_entry(project, id).await?;
        let now = self.now().as_micros();
        let mut tx = self.db.begin().await?;
        match change {
            EntryChange::Dismiss(true, reason) => {
                checked_optional("reason", reason.as_deref(), 500)?;
                with_tx!(tx, |conn| sqlx::query(DISMISS)
                    .bind(id)
                    .bind(project)
                    .bind(now)
                    .bind(actor.user.as_str())
                    .bind(&reason)
                    .execute(conn)
                    .await
                    .map(affected))?;
            }
            EntryChange::Dismiss(false, _) => {
                with_tx!(tx, |conn| sqlx::query(TAKE_UP)
                    .bind(id)
                    .bind(project)
                    .execute(conn)
                    .await
                    .map(affected))?;
            }
            EntryChange::Refresh => {
                let refreshed = with_tx!(tx, |conn| sqlx::query(REFRESH)
                    .bind(id)
                    .bind(project)
                    .bind(now)
                    .execute(conn)
                    .await
                    .map(affected))?;
                if refreshed == 0 {
                    return Err(Error::WrongState(
                        "a superseded entry cannot be refreshed".to_owned(),
                    ));
                }
            }
            EntryChange::Promote => self.promote(&mut tx, actor, &entry).await?,
            EntryChange::Supersede(by, reason) => {
                checked_optional("reason", reason.as_deref(), 500)?;
                if by == id {
                    return Err(Error::field("superseding_id", "an entry cannot supersede itself"));
                }
                self.find_entry(project, by).await.map_err(|error| match error {
                    Error::NotFound { .. } => Error::NotFound {
                        kind: "Superseding entry",
                    },
                    other => other,
                })?;
                with_tx!(tx, |conn| sqlx::query(SUPERSEDE)
                    .bind(id)
                    .bind(project)
                    .bind(by)
                    .bind(&reason)
                    .execute(conn)
                    .await
                    .map(affected))?;
                let (newer, older) = (by.to_string(), id.to_string());
                let link = Link {
                    source: ("entry", &newer),
                    target: ("entry", &older),
                    link_type: "supersedes",
                    confidence: 1.0,
                };
                self.insert_link(&mut tx, project, &link).await?;
            }
            EntryChange::Confidence(confidence) => {
                if !(0.0..=1.0).contains(&confidence) {
                    return Err(Error::field("confidence", "0 to 1"));
                }
                with_tx!(tx, |conn| sqlx::query(CONFIDENCE)
                    .bind(id)
                    .bind(project)
                    .bind(confidence)
                    .execute(conn)
                    .await
                    .map(affected))?;
            }
        }
        tx.commit().await?;
        self.find_entry(project, id).await
    }

    async fn promote(&self, tx: &mut Tx, actor: &Actor, entry: &Entry) -> Result<()> {
        if entry.dismissed {
            return Err(Error::field("entry", "a dismissed entry cannot be promoted"));
        }
        if entry.claim_class == "claim" {
            return Err(Error::WrongState("the entry is a claim already".to_owned()));
        }
        // Whoever promotes vouches for what it says: it need not name anything specific any more.
        let mut failures = Vec::new();
        if entry.confidence < CLAIM_CONFIDENCE {
            let confidence = entry.confidence;
            failures.push(format!(
                "its confidence {confidence:.2} is below {CLAIM_CONFIDENCE}"
            ));
        }
        if entry.content.chars().count() < CLAIM_CHARACTERS {
            failures.push(format!("it has fewer than {CLAIM_CHARACTERS} characters"));
        }
        let claims: Vec<String> = with_tx!(*tx, |conn| sqlx::query_scalar(CLAIMS)
            .bind(&entry.project_id)
            .fetch_all(conn)
            .await)?;
        let said = Vocabulary::of(&entry.content);
        if claims.iter().any(|claim| Vocabulary::of(claim).repeats(&said)) {
            failures.push("a claim says the same".to_owned());
        }
        if !failures.is_empty() {
            return Err(Error::field("entry", failures.join("; ")));
        }
        let promoted = with_tx!(*tx, |conn| sqlx::query(PROMOTE)
            .bind(entry.id)
            .bind(&entry.project_id)
            .bind(self.now().as_micros())
            .bind(actor.user.as_str())
            .execute(conn)
            .await
            .map(affected))?;
        if promoted == 0 {
            return Err(Error::WrongState("the entry is a claim already".to_owned()));
        }
        Ok(())
    }

    /// Puts every superseded entry aside, and every stale one of a confidence below one half: what was sure once
    /// loses confidence by itself first. Gives how many.
    ///
    /// # Errors
    /// As [`Projects::open`] for editing.
    pub async fn dismiss_stale(&self, actor: &Actor, project: &str) -> Result<u64> {
        self.open(actor, project, Level::Edit).await?;
        let mut tx = self.db.begin().await?;
        let dismissed = with_tx!(tx, |conn| sqlx::query(DISMISS_STALE)
            .bind(project)
            .bind(self.now().as_micros())
            .bind(actor.user.as_str())
            .execute(conn)
            .await
            .map(affected))?;
        tx.commit().await?;
        Ok(dismissed)
    }

    pub(crate) async fn insert_link(&self, tx: &mut Tx, project: &str, link: &Link<'_>) -> Result<()> {
        with_tx!(*tx, |conn| sqlx::query(LINK)
            .bind(project)
            .bind(link.source.0)
            .bind(link.source.1)
            .bind(link.target.0)
            .bind(link.target.1)
            .bind(link.link_type)
            .bind(link.confidence)
            .bind(self.now().as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }
}
