//! Evidence from pushed sessions.

use pentad_kernel::{Actor, UserId};
use pentad_store::with_tx;

use super::classify::Vocabulary;
use super::entry::INSERT;
use crate::{Project, Projects, Result, SessionFacts};

/// Sessions with fewer messages teach nothing.
const MESSAGES_LEAST: i64 = 5;
const EARLIER_SESSIONS: u32 = 20;
/// Pieces of evidence taken from one session.
const PER_SESSION: usize = 40;
const SAME: f64 = 0.9;

const KNOWN: &str = "SELECT content FROM knowledge_entries WHERE project_id = $1 AND NOT dismissed ORDER BY id DESC LIMIT 500";
const OF_SESSION: &str = "SELECT COUNT(*) FROM knowledge_entries WHERE project_id = $1 AND session_id = $2 AND claim_class = 'evidence'";

/// One piece of evidence: type, content and confidence.
pub(crate) type Evidence = (&'static str, String, f64);

/// What a session's facts say, in entries: a pure function.
///
/// ```
/// use pentad_projects::{SessionFacts, evidence};
/// let facts = SessionFacts { packages_installed: vec!["serde".into()], ..SessionFacts::default() };
/// assert_eq!(evidence(&facts), [("dependency", "Package installed: serde".to_owned(), 0.9)]);
/// ```
pub fn evidence(facts: &SessionFacts) -> Vec<Evidence> {
    let mut found: Vec<Evidence> = Vec::new();
    for decision in &facts.key_decisions {
        found.push(("decision", decision.trim().to_owned(), 0.8));
    }
    for package in &facts.packages_installed {
        found.push(("dependency", format!("Package installed: {package}"), 0.9));
    }
    if facts.tests_failed > 0 {
        let (failed, run) = (facts.tests_failed, facts.tests_run.max(facts.tests_failed));
        found.push((
            "bug",
            format!("{failed} of {run} tests failed in session {}", facts.session),
            0.7,
        ));
    }
    for issue in &facts.open_issues {
        found.push(("bug", issue.trim().to_owned(), 0.7));
    }
    for file in &facts.files_modified {
        found.push(("discovery", format!("File modified: {file}"), 0.3));
    }
    found.retain(|(_, content, _)| content.chars().count() >= 10 && !content.contains('\0'));
    found.truncate(PER_SESSION);
    found
}

impl Projects {
    /// Takes evidence from a pushed session, unless some was taken from it before. Gives how much.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn extract(&self, project: &Project, facts: &SessionFacts) -> Result<u64> {
        if facts.message_count < MESSAGES_LEAST {
            return Ok(0);
        }
        let by_editor = self.may_edit(project, &facts.user).await?;
        let project = project.id.as_str();
        let now = self.now().as_micros();
        let mut tx = self.db.begin().await?;
        self.take_turn(&mut tx, project).await?;
        let earlier: i64 = with_tx!(tx, |conn| sqlx::query_scalar(OF_SESSION)
            .bind(project)
            .bind(&facts.session)
            .fetch_one(conn)
            .await)?;
        if earlier > 0 {
            return Ok(0);
        }
        let known: Vec<String> = with_tx!(tx, |conn| sqlx::query_scalar(KNOWN)
            .bind(project)
            .fetch_all(conn)
            .await)?;
        let mut known: Vec<Vocabulary> = known.iter().map(|content| Vocabulary::of(content)).collect();
        let mut added = 0;
        for (entry_type, content, confidence) in evidence(facts) {
            let said = Vocabulary::of(&content);
            if known.iter().any(|other| other.overlap(&said) > SAME) {
                continue;
            }
            let _: (i64,) = with_tx!(tx, |conn| sqlx::query_as(INSERT)
                .bind(project)
                .bind(&facts.session)
                .bind(&facts.user)
                .bind(entry_type)
                .bind(&content)
                .bind(confidence)
                .bind(Some("extracted from the session"))
                .bind(None::<String>)
                .bind("agent")
                .bind("evidence")
                .bind(None::<String>)
                .bind(None::<String>)
                .bind(now)
                .bind(by_editor)
                .bind("user")
                .bind(None::<String>)
                .bind(None::<String>)
                .fetch_one(conn)
                .await)?;
            known.push(said);
            added += 1;
        }
        tx.commit().await?;
        Ok(added)
    }

    async fn may_edit(&self, project: &Project, user: &str) -> Result<bool> {
        if project.owner_id == user {
            return Ok(true);
        }
        match &project.organisation_id {
            Some(organisation) => {
                let organisation = pentad_kernel::OrganisationId::new(organisation.as_str());
                let role = self.identity.role_in(&organisation, &UserId::new(user)).await?;
                Ok(role.is_some())
            }
            None => Ok(false),
        }
    }

    /// Takes evidence from the sessions that the project's maker captured before there was a project. What
    /// cannot be read is left alone: the project is there, and later pushes bring more.
    pub(crate) async fn extract_earlier_sessions(&self, actor: &Actor, project: &Project) {
        let earlier = self
            .sessions
            .recent(&actor.user, &project.git_remote, EARLIER_SESSIONS)
            .await;
        let sessions = match earlier {
            Ok(sessions) => sessions,
            Err(error) => {
                tracing::warn!(project = %project.id, %error, "earlier sessions cannot be read");
                return;
            }
        };
        for facts in sessions.iter().rev() {
            if let Err(error) = self.extract(project, facts).await {
                tracing::warn!(project = %project.id, session = %facts.session, %error, "nothing extracted");
            }
        }
    }
}
