//! Knowledge entries and how they come to be.

use pentad_identity::Feature;
use pentad_kernel::{Actor, Timestamp};
use pentad_store::{affected, with_tx};

use super::classify::{Vocabulary, claim_failures, section_of};
use crate::author::Author;
use crate::{At, Error, Level, Projects, Result, checked_optional, checked_text};

/// The columns of [`Entry`].
macro_rules! entry_columns {
    () => {
        "id, project_id, session_id, user_id, entry_type, content, confidence, source_context, persona_name,
         author_class, claim_class, entity_ref, entity_type, freshness_class, superseded_by,
         supersession_reason, promoted_at, promoted_by, retrieved_count, used_in_answer_count,
         compiled_count, last_relevant_at, decayed_at, dismissed, dismissed_at, dismissed_by,
         dismissed_reason, compiled_at, by_editor, created_at"
    };
}
pub(crate) use entry_columns;

/// Something worth knowing about a project.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Entry {
    /// Rises with every entry of the installation.
    pub id: i64,
    /// The project.
    pub project_id: String,
    /// The session it was learned in; `manual` for none.
    pub session_id: String,
    /// Who wrote it.
    pub user_id: String,
    /// `decision`, `pattern`, `discovery`, `convention`, `bug` or `dependency`.
    pub entry_type: String,
    /// What is known.
    pub content: String,
    /// How sure the writer is: 0 to 1.
    pub confidence: f64,
    /// Where it comes from, in the writer's words.
    pub source_context: Option<String>,
    /// The persona that wrote it.
    pub persona_name: Option<String>,
    /// `human` or `agent`.
    pub author_class: String,
    /// `evidence`, `claim` or `note`: claims compile.
    pub claim_class: String,
    /// What it is about.
    pub entity_ref: Option<String>,
    /// What kind of thing that is.
    pub entity_type: Option<String>,
    /// `current`, `aging`, `stale` or `superseded`.
    pub freshness_class: String,
    /// The entry that took its place.
    pub superseded_by: Option<i64>,
    /// Why.
    pub supersession_reason: Option<String>,
    /// When it became a claim after all.
    pub promoted_at: Option<At>,
    /// By whom; `compile` for by itself.
    pub promoted_by: Option<String>,
    /// How often a search found it.
    pub retrieved_count: i64,
    /// How often an answer used it.
    pub used_in_answer_count: i64,
    /// How often it was compiled.
    pub compiled_count: i64,
    /// When it last proved relevant: what freshness counts from.
    pub last_relevant_at: At,
    /// When it last lost confidence for not being used.
    pub decayed_at: Option<At>,
    /// Whether it was put aside.
    pub dismissed: bool,
    /// When.
    pub dismissed_at: Option<At>,
    /// By whom; `compile` for by itself.
    pub dismissed_by: Option<String>,
    /// Why.
    pub dismissed_reason: Option<String>,
    /// When it was compiled into the context document.
    pub compiled_at: Option<At>,
    /// Whether its writer may change the project.
    pub by_editor: bool,
    /// When it was written.
    pub created_at: At,
}

/// What an entry counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimClass {
    /// Extracted from a session; becomes a claim when it is good enough.
    Evidence,
    /// Compiles into the context document.
    Claim,
    /// Kept to be found, not compiled.
    Note,
}

impl ClaimClass {
    /// The name in requests and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Claim => "claim",
            Self::Note => "note",
        }
    }
}

/// What an entry shall be.
#[derive(Clone, Debug, Default)]
pub struct NewEntry {
    /// See [`Entry::content`]: at least 20 characters.
    pub content: String,
    /// See [`Entry::entry_type`]; `None` for `discovery`.
    pub entry_type: Option<String>,
    /// See [`Entry::session_id`]; `None` for `manual`.
    pub session_id: Option<String>,
    /// See [`Entry::confidence`]; `None` for 0.7 without a session and 1.0 with one.
    pub confidence: Option<f64>,
    /// See [`Entry::source_context`].
    pub source_context: Option<String>,
    /// See [`Entry::entity_ref`].
    pub entity_ref: Option<String>,
    /// See [`Entry::entity_type`].
    pub entity_type: Option<String>,
    /// See [`Entry::persona_name`].
    pub persona_name: Option<String>,
    /// See [`Entry::author_class`]; `None` for `human`. A service key always writes as an agent.
    pub author_class: Option<String>,
    /// Takes the place of the live entries about the same entity.
    pub upsert: bool,
    /// Wants to count as a claim: the tip of one that does not says then what it lacks.
    pub force_claim: bool,
}

/// A new entry with what was made of it.
#[derive(Clone, Debug)]
pub struct AddedEntry {
    /// The entry.
    pub entry: Entry,
    /// Why it is a claim or a note.
    pub classification_reason: String,
    /// What would make it a claim.
    pub tip: Option<String>,
    /// The entries whose place it took.
    pub upserted_from: Vec<i64>,
}

/// A change of an entry.
#[derive(Clone, Debug, PartialEq)]
pub enum EntryChange {
    /// Puts it aside, with the reason; or takes it up again.
    Dismiss(bool, Option<String>),
    /// Says that it still holds.
    Refresh,
    /// Makes it a claim.
    Promote,
    /// Puts another entry in its place.
    Supersede(i64, Option<String>),
    /// Gives it another confidence.
    Confidence(f64),
}

const CONTENT_LEAST: usize = 20;
const READER_CONFIDENCE: f64 = 0.7;

const ADDED_SINCE: &str =
    "SELECT COUNT(*) FROM knowledge_entries WHERE project_id = $1 AND user_id = $2 AND created_at > $3";
const NEWEST: &str = "
    SELECT content FROM knowledge_entries
    WHERE project_id = $1 AND NOT dismissed AND freshness_class <> 'superseded' ORDER BY id DESC LIMIT 50";
const SESSION_CLAIMS: &str = "
    SELECT COUNT(*) FROM knowledge_entries
    WHERE project_id = $1 AND session_id = $2 AND claim_class = 'claim'";
const OF_ENTITY: &str = "
    SELECT id FROM knowledge_entries
    WHERE project_id = $1 AND entity_ref = $2 AND NOT dismissed AND freshness_class <> 'superseded' AND id <> $3
    ORDER BY id";
const SUPERSEDE_UPSERTED: &str = "
    UPDATE knowledge_entries SET freshness_class = 'superseded', superseded_by = $2,
        supersession_reason = 'upsert', dismissed = TRUE, dismissed_at = $3, dismissed_by = $4,
        dismissed_reason = 'upsert'
    WHERE id = $1";
pub(crate) const INSERT: &str = concat!(
    "INSERT INTO knowledge_entries
        (project_id, session_id, user_id, entry_type, content, confidence, source_context, persona_name,
         author_class, claim_class, entity_ref, entity_type, freshness_class, retrieved_count,
         used_in_answer_count, compiled_count, last_relevant_at, dismissed, by_editor, actor_type,
         service_key_id, service_key_name, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'current', 0, 0, 0, $13, FALSE, $14, $15, $16,
             $17, $13)
     RETURNING ",
    entry_columns!()
);

/// A new entry whose fields were checked.
struct Checked {
    content: String,
    entry_type: &'static str,
    session_id: String,
    confidence: f64,
    author_class: &'static str,
}

impl Projects {
    /// Writes an entry down.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::Quota`] beyond the plan's adds an hour, [`Error::Taken`] when a recent
    /// entry says the same; as [`Projects::open`].
    pub async fn add_entry(&self, actor: &Actor, project: &str, new: NewEntry) -> Result<AddedEntry> {
        let granted = self
            .open_for(actor, project, Level::Read, Feature::ProjectContext)
            .await?;
        let by_editor = granted.level >= Level::Edit;
        let checked = self.check_entry(actor, &new, by_editor)?;
        if let Some(persona) = &new.persona_name {
            self.require_persona(project, "persona_name", persona).await?;
        }
        let now = self.now();
        let mut tx = self.db.begin().await?;
        self.take_turn(&mut tx, project).await?;
        let hour_ago = now.minus(std::time::Duration::from_secs(3600));
        let added: i64 = with_tx!(tx, |conn| sqlx::query_scalar(ADDED_SINCE)
            .bind(project)
            .bind(actor.user.as_str())
            .bind(hour_ago.as_micros())
            .fetch_one(conn)
            .await)?;
        let quota = self.identity.plans().plan(granted.plan).knowledge_adds_per_hour;
        if let Some(quota) = quota.filter(|quota| u64::try_from(added).unwrap_or(0) >= *quota) {
            return Err(Error::Quota(format!(
                "more than the {quota} entries an hour that the plan {} includes",
                granted.plan
            )));
        }
        if new.upsert && new.entity_ref.is_none() {
            return Err(Error::field("entity_ref", "upsert needs one"));
        }
        if !new.upsert {
            let newest: Vec<String> = with_tx!(tx, |conn| sqlx::query_scalar(NEWEST)
                .bind(project)
                .fetch_all(conn)
                .await)?;
            let said = Vocabulary::of(&checked.content);
            if newest.iter().any(|known| Vocabulary::of(known).repeats(&said)) {
                return Err(Error::Taken("Similar entry already exists".to_owned()));
            }
        }
        let session_claims: i64 = if matches!(checked.session_id.as_str(), "manual" | "cli-ask") {
            0
        } else {
            with_tx!(tx, |conn| sqlx::query_scalar(SESSION_CLAIMS)
                .bind(project)
                .bind(&checked.session_id)
                .fetch_one(conn)
                .await)?
        };
        let failures = claim_failures(&checked.content, checked.confidence, session_claims, by_editor);
        let is_claim = failures.is_empty();
        let author = Author::from(actor);
        let entry: Entry = with_tx!(tx, |conn| sqlx::query_as(INSERT)
            .bind(project)
            .bind(&checked.session_id)
            .bind(author.user)
            .bind(checked.entry_type)
            .bind(&checked.content)
            .bind(checked.confidence)
            .bind(&new.source_context)
            .bind(&new.persona_name)
            .bind(checked.author_class)
            .bind(if is_claim { "claim" } else { "note" })
            .bind(&new.entity_ref)
            .bind(&new.entity_type)
            .bind(now.as_micros())
            .bind(by_editor)
            .bind(author.actor_type)
            .bind(author.service_key_id)
            .bind(author.service_key_name)
            .fetch_one(conn)
            .await)?;
        let upserted_from = if new.upsert {
            self.take_place(&mut tx, actor, &entry, now).await?
        } else {
            Vec::new()
        };
        tx.commit().await?;
        Ok(AddedEntry {
            classification_reason: if is_claim {
                "claim: confident, specific and long enough".to_owned()
            } else {
                format!("note: {}", failures.join("; "))
            },
            tip: (!is_claim).then(|| tip(new.force_claim, &failures)),
            entry,
            upserted_from,
        })
    }

    async fn take_place(
        &self,
        tx: &mut pentad_store::Tx,
        actor: &Actor,
        entry: &Entry,
        now: Timestamp,
    ) -> Result<Vec<i64>> {
        let earlier: Vec<i64> = with_tx!(*tx, |conn| sqlx::query_scalar(OF_ENTITY)
            .bind(&entry.project_id)
            .bind(&entry.entity_ref)
            .bind(entry.id)
            .fetch_all(conn)
            .await)?;
        for id in &earlier {
            with_tx!(*tx, |conn| sqlx::query(SUPERSEDE_UPSERTED)
                .bind(id)
                .bind(entry.id)
                .bind(now.as_micros())
                .bind(actor.user.as_str())
                .execute(conn)
                .await
                .map(affected))?;
        }
        Ok(earlier)
    }

    fn check_entry(&self, actor: &Actor, new: &NewEntry, by_editor: bool) -> Result<Checked> {
        let entry_type = new.entry_type.as_deref().unwrap_or("discovery");
        let section = section_of(entry_type).ok_or_else(|| {
            Error::field(
                "entry_type",
                "one of decision, pattern, discovery, convention, bug, dependency",
            )
        })?;
        let content = new.content.trim();
        let characters = content.chars().count();
        let most = self.limits.entry_characters;
        if characters < CONTENT_LEAST || characters > most {
            return Err(Error::field(
                "content",
                format!("{CONTENT_LEAST} to {most} characters"),
            ));
        }
        checked_text("content", content)?;
        checked_optional("session_id", new.session_id.as_deref(), 64)?;
        checked_optional("source_context", new.source_context.as_deref(), 2000)?;
        checked_optional("entity_ref", new.entity_ref.as_deref(), 255)?;
        checked_optional("entity_type", new.entity_type.as_deref(), 50)?;
        if let Some(confidence) = new.confidence
            && !(0.0..=1.0).contains(&confidence)
        {
            return Err(Error::field("confidence", "0 to 1"));
        }
        let session_id = new.session_id.clone().unwrap_or_else(|| "manual".to_owned());
        let by_hand = matches!(session_id.as_str(), "manual" | "cli-ask");
        let given = new.confidence.unwrap_or(if by_hand { 0.7 } else { 1.0 });
        let confidence = if by_editor {
            given
        } else {
            given.min(READER_CONFIDENCE)
        };
        let author_class = match new.author_class.as_deref() {
            _ if actor.is_service_key() => "agent",
            Some("human") => "human",
            Some("agent") => "agent",
            Some(_) => return Err(Error::field("author_class", "human or agent")),
            None => "human",
        };
        Ok(Checked {
            content: content.to_owned(),
            entry_type: section.entry_type,
            session_id,
            confidence,
            author_class,
        })
    }
}

/// What would make a claim of a note.
fn tip(forced: bool, failures: &[String]) -> String {
    if forced {
        format!("force_claim does not help while {}", failures.join("; "))
    } else {
        "claims compile into the context document: be specific, give a confidence of 0.8 or more, or promote the \
         entry"
            .to_owned()
    }
}
