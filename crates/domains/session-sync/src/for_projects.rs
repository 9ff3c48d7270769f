//! What projects ask about sessions: who captured what where. Only live sessions count.

use pentad_kernel::{Timestamp, UserId};
use pentad_store::{affected, with_reader, with_writer};
use sqlx::QueryBuilder;

use crate::{Facts, Narrative, Result, SessionSync};

/// A session with the facts that knowledge is taken from.
#[derive(Clone, Debug)]
pub struct LearnedFrom {
    /// The session.
    pub session: String,
    /// Its owner.
    pub user: String,
    /// The project it is linked to.
    pub project: Option<String>,
    /// What happened in it.
    pub facts: Facts,
    /// What a language model told of it.
    pub narrative: Option<Narrative>,
}

#[derive(sqlx::FromRow)]
struct FactsRow {
    id: String,
    user_id: String,
    project_id: Option<String>,
    summary: String,
    narrative: Option<String>,
}

impl From<FactsRow> for LearnedFrom {
    fn from(row: FactsRow) -> Self {
        Self {
            session: row.id,
            user: row.user_id,
            project: row.project_id,
            facts: serde_json::from_str(&row.summary).unwrap_or_default(),
            narrative: row.narrative.and_then(|text| serde_json::from_str(&text).ok()),
        }
    }
}

const REMOTES: &str = "
    SELECT DISTINCT git_remote FROM sync_sessions
    WHERE user_id = $1 AND deleted_at IS NULL AND git_remote IS NOT NULL ORDER BY git_remote";
const RECENT: &str = "
    SELECT sync_sessions.id, user_id, project_id, summary, narrative
    FROM sync_sessions JOIN sync_contents ON sync_contents.session_id = sync_sessions.id
    WHERE user_id = $1 AND git_remote = $2 AND deleted_at IS NULL ORDER BY updated_at DESC, id LIMIT $3";
const LINKED_SINCE: &str = "
    SELECT sync_sessions.id, user_id, project_id, summary, narrative
    FROM sync_sessions JOIN sync_contents ON sync_contents.session_id = sync_sessions.id
    WHERE uploaded_at >= $1 AND project_id IS NOT NULL AND deleted_at IS NULL ORDER BY uploaded_at, id LIMIT 1000";
const OWNED: &str = "
    SELECT created_at, retrieval_audit_id FROM sync_sessions WHERE id = $2 AND user_id = $1 AND deleted_at IS NULL";
const LIVE: &str = "SELECT COUNT(*) FROM sync_sessions WHERE user_id = $1 AND deleted_at IS NULL";
/// Projects whose sessions one statement counts: databases bound what a statement may hold.
const COUNTED_AT_ONCE: usize = 200;
const UNLINK: &str = "UPDATE sync_sessions SET project_id = NULL WHERE project_id = $1";
const PENDING: &str = "
    SELECT COUNT(*) FROM handoffs
    WHERE source_project_id = $1 AND LOWER(persona_name) = $2 AND status = 'pending'";

impl SessionSync {
    /// Whether the user has a live session that is linked to the project or was captured in one of these
    /// remotes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_captured(&self, user: &UserId, project: &str, remotes: &[String]) -> Result<bool> {
        let found: Option<i32> = with_reader!(self.db, |conn| {
            let mut builder =
                QueryBuilder::new("SELECT 1 FROM sync_sessions WHERE deleted_at IS NULL AND (project_id = ");
            builder.push_bind(project.to_owned());
            if !remotes.is_empty() {
                builder.push(" OR git_remote IN (");
                let mut list = builder.separated(", ");
                for remote in remotes {
                    list.push_bind(remote.clone());
                }
                builder.push(")");
            }
            builder
                .push(") AND user_id = ")
                .push_bind(user.to_string())
                .push(" LIMIT 1");
            builder.build_query_scalar().fetch_optional(conn).await
        })?;
        Ok(found.is_some())
    }

    /// How many live sessions are linked to each of these projects or were captured in one of its remotes, in
    /// the order of the projects.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn captured_counts(&self, projects: &[(&str, &[String])]) -> Result<Vec<i64>> {
        let mut counts = Vec::with_capacity(projects.len());
        for some in projects.chunks(COUNTED_AT_ONCE) {
            let found: Vec<(Option<String>, Option<String>, i64)> = with_reader!(self.db, |conn| {
                let mut builder = QueryBuilder::new(
                    "SELECT project_id, git_remote, COUNT(*) FROM sync_sessions
                     WHERE deleted_at IS NULL AND (project_id IN (",
                );
                let mut list = builder.separated(", ");
                for (project, _) in some {
                    list.push_bind((*project).to_owned());
                }
                builder.push(") OR git_remote IN (NULL");
                for remote in some.iter().flat_map(|(_, remotes)| *remotes) {
                    builder.push(", ").push_bind(remote.clone());
                }
                builder.push(")) GROUP BY project_id, git_remote");
                builder.build_query_as().fetch_all(conn).await
            })?;
            counts.extend(some.iter().map(|(project, remotes)| -> i64 {
                let counted = found.iter().filter(|(linked, remote, _)| {
                    linked.as_deref() == Some(*project)
                        || remote.as_ref().is_some_and(|remote| remotes.contains(remote))
                });
                counted.map(|(_, _, sessions)| sessions).sum()
            }));
        }
        Ok(counts)
    }

    /// The remotes in which the user captured sessions.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn captured_remotes(&self, user: &UserId) -> Result<Vec<String>> {
        Ok(with_reader!(self.db, |conn| sqlx::query_scalar(REMOTES)
            .bind(user.as_str())
            .fetch_all(conn)
            .await)?)
    }

    /// The user's latest sessions in a remote, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recent_facts(&self, user: &UserId, remote: &str, limit: u32) -> Result<Vec<LearnedFrom>> {
        let rows: Vec<FactsRow> = with_reader!(self.db, |conn| sqlx::query_as(RECENT)
            .bind(user.as_str())
            .bind(remote)
            .bind(i64::from(limit))
            .fetch_all(conn)
            .await)?;
        Ok(rows.into_iter().map(LearnedFrom::from).collect())
    }

    /// The sessions of projects that were pushed since an instant, oldest first; at most 1,000.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pushed_to_projects(&self, since: Timestamp) -> Result<Vec<LearnedFrom>> {
        let rows: Vec<FactsRow> = with_reader!(self.db, |conn| sqlx::query_as(LINKED_SINCE)
            .bind(since.as_micros())
            .fetch_all(conn)
            .await)?;
        Ok(rows.into_iter().map(LearnedFrom::from).collect())
    }

    /// When the session was made, if it is a live one of this user, and under which identifier its
    /// retrievals are recorded.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn owned_since(
        &self,
        user: &UserId,
        session: &str,
    ) -> Result<Option<(Timestamp, Option<String>)>> {
        let owned: Option<(i64, Option<String>)> = with_reader!(self.db, |conn| sqlx::query_as(OWNED)
            .bind(user.as_str())
            .bind(session)
            .fetch_optional(conn)
            .await)?;
        Ok(owned.map(|(made, retrievals)| (Timestamp::from_micros(made), retrievals)))
    }

    /// How many live sessions the user has.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sessions_of_user(&self, user: &UserId) -> Result<i64> {
        Ok(with_reader!(self.db, |conn| sqlx::query_scalar(LIVE)
            .bind(user.as_str())
            .fetch_one(conn)
            .await)?)
    }

    /// Takes a project off every session linked to it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unlink_project(&self, project: &str) -> Result<()> {
        with_writer!(self.db, |conn| sqlx::query(UNLINK)
            .bind(project)
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    /// How many pending handoffs of the project name the persona, in any case.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pending_handoffs(&self, project: &str, persona: &str) -> Result<i64> {
        Ok(with_reader!(self.db, |conn| sqlx::query_scalar(PENDING)
            .bind(project)
            .bind(persona.to_lowercase())
            .fetch_one(conn)
            .await)?)
    }

    /// Bytes of archives that these users keep, the trash included.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn stored_bytes(&self, users: &[UserId]) -> Result<i64> {
        if users.is_empty() {
            return Ok(0);
        }
        let stored: Option<i64> = with_reader!(self.db, |conn| {
            let mut builder = QueryBuilder::new(
                "SELECT CAST(SUM(blob_size_bytes) AS BIGINT) FROM sync_sessions WHERE user_id IN (",
            );
            let mut list = builder.separated(", ");
            for user in users {
                list.push_bind(user.to_string());
            }
            builder.push(")");
            builder.build_query_scalar().fetch_one(conn).await
        })?;
        Ok(stored.unwrap_or(0))
    }
}
