//! Compiling: from entries to the context document, in one transaction.

use pentad_kernel::{Actor, Timestamp, UserId};
use pentad_language_model::LanguageModel;
use pentad_store::{Tx, affected, with_reader, with_tx, with_writer};
use serde_json::json;

use super::change::Link;
use super::entry::entry_columns;
use super::housekeeping::{Plan, plan};
use super::merge::{Claim, Merged, merge, without_claims};
use super::phrase::{self, Phrase};
use crate::{At, Entry, Error, Json, Level, Project, Projects, Result, word_count};

/// What made a project compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompileCause {
    /// Somebody asked.
    Manual,
    /// The schedule, or enough claims.
    Scheduled,
    /// A page was written anew.
    Regenerated,
    /// Everything was compiled from scratch.
    Rebuilt,
}

impl CompileCause {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Scheduled => "scheduled",
            Self::Regenerated => "regenerate",
            Self::Rebuilt => "rebuild",
        }
    }
}

/// One compilation of the past.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Compilation {
    /// Rises with every compilation of the installation; 0 when nothing was compiled.
    pub id: i64,
    /// The project.
    pub project_id: String,
    /// Who asked.
    pub user_id: String,
    /// What made it compile: `manual`, `scheduled`, `regenerate` or `rebuild`.
    pub cause: String,
    /// Claims it took.
    pub entries_compiled: i64,
    /// The document before.
    pub context_before: String,
    /// The document after.
    pub context_after: String,
    /// Section pages it wrote.
    pub section_pages_updated: i64,
    /// Concept pages it wrote.
    pub concept_pages_updated: i64,
    /// `{"entries": [ids], "present": [ids], "dropped": [{"entry", "text"}]}`; when a language model phrased
    /// bullets, also `"model"` and `"phrased": [{"entries": [ids], "text"}]`.
    pub source_manifest: Json<serde_json::Value>,
    /// When.
    pub compiled_at: At,
}

/// What a compilation did.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The compilation.
    pub compilation: Compilation,
    /// Why there was nothing to do.
    pub noop_reason: Option<String>,
    /// Entries whose freshness changed.
    pub freshness_updated: i64,
}

/// What restoring a compilation does, or would do.
#[derive(Clone, Debug)]
pub struct Restored {
    /// When it was compiled.
    pub compiled_at: Timestamp,
    /// Words of the document that it brings back.
    pub context_words: i64,
    /// Entries that count as compiled then.
    pub entries: i64,
}

const LIVE: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM knowledge_entries
      WHERE project_id = $1 AND NOT dismissed AND freshness_class <> 'superseded' ORDER BY id"
);
const CONTEXT: &str = "SELECT context_document FROM projects WHERE id = $1";
const SET_CONTEXT: &str = "UPDATE projects SET context_document = $2, updated_at = $3 WHERE id = $1";
const SET_FRESHNESS: &str = "UPDATE knowledge_entries SET freshness_class = $2 WHERE id = $1";
const SUPERSEDE: &str = "
    UPDATE knowledge_entries SET freshness_class = 'superseded', superseded_by = $2,
        supersession_reason = 'a newer entry says the same' WHERE id = $1";
const DECAY: &str = "UPDATE knowledge_entries SET confidence = $2, decayed_at = $3 WHERE id = $1";
const DISMISS: &str = "
    UPDATE knowledge_entries SET dismissed = TRUE, dismissed_at = $2, dismissed_by = 'compile',
        dismissed_reason = 'doubtful beyond the retention' WHERE id = $1";
const PROMOTE: &str = "
    UPDATE knowledge_entries SET claim_class = 'claim', promoted_at = $2, promoted_by = 'compile' WHERE id = $1";
const STAMP: &str = "
    UPDATE knowledge_entries SET compiled_at = $2, compiled_count = compiled_count + 1, last_relevant_at = $2
    WHERE id = $1";
const INSERT: &str = "
    INSERT INTO context_compilations
        (project_id, user_id, cause, entries_compiled, context_before, context_after, section_pages_updated,
         concept_pages_updated, source_manifest, compiled_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id";
const LIST: &str = "
    SELECT id, project_id, user_id, cause, entries_compiled, context_before, context_after,
           section_pages_updated, concept_pages_updated, source_manifest, compiled_at
    FROM context_compilations WHERE project_id = $1 ORDER BY id DESC LIMIT $2";
const BY_ID: &str = "
    SELECT id, project_id, user_id, cause, entries_compiled, context_before, context_after,
           section_pages_updated, concept_pages_updated, source_manifest, compiled_at
    FROM context_compilations WHERE project_id = $1 AND id = $2";
const ALL_CONTENTS: &str = "SELECT content FROM knowledge_entries WHERE project_id = $1";
const PHRASED: &str = "
    SELECT source_manifest FROM context_compilations
    WHERE project_id = $1 AND source_manifest LIKE '%\"phrased\"%'";
const UNCOMPILE: &str =
    "UPDATE knowledge_entries SET compiled_at = NULL WHERE project_id = $1 AND compiled_at IS NOT NULL";
const UNCOMPILE_LATER: &str =
    "UPDATE knowledge_entries SET compiled_at = NULL WHERE project_id = $1 AND compiled_at > $2";
const RESTAMP: &str = "UPDATE knowledge_entries SET compiled_at = $3 WHERE project_id = $1 AND id = $2";
const EXISTS: &str = "SELECT 1 FROM knowledge_entries WHERE project_id = $1 AND id = $2";
const DUE: &str = "
    SELECT projects.id FROM projects
    WHERE (compile_schedule = 'nightly' AND COALESCE(last_scheduled_compile_at, created_at) <= $1)
       OR (compile_schedule = 'weekly' AND COALESCE(last_scheduled_compile_at, created_at) <= $2)
       OR (compile_after_claims IS NOT NULL AND compile_after_claims <= (
            SELECT COUNT(*) FROM knowledge_entries
            WHERE knowledge_entries.project_id = projects.id AND claim_class = 'claim'
              AND compiled_at IS NULL AND NOT dismissed AND freshness_class IN ('current', 'aging')))
    ORDER BY projects.id LIMIT 100";
const SCHEDULED: &str = "UPDATE projects SET last_scheduled_compile_at = $2 WHERE id = $1";

impl Projects {
    /// Compiles the waiting claims into the context document.
    ///
    /// # Errors
    /// As [`Projects::open`] for editing.
    pub async fn compile(&self, actor: &Actor, project: &str) -> Result<Compiled> {
        let granted = self.open(actor, project, Level::Edit).await?;
        self.compile_as(actor, &granted.project, CompileCause::Manual, None)
            .await
    }

    /// The same, with a language model that puts claims that say much the same into one bullet. It is asked
    /// before anything is locked; claims that come in between are compiled as they are.
    ///
    /// # Errors
    /// As [`Projects::compile`]; [`Error::Model`] when it gives nothing that can be used, and nothing is
    /// compiled then.
    pub async fn compile_with(
        &self,
        actor: &Actor,
        project: &str,
        model: &LanguageModel,
    ) -> Result<Compiled> {
        let granted = self.open(actor, project, Level::Edit).await?;
        let waiting: Vec<Entry> = with_reader!(self.db, |conn| sqlx::query_as(LIVE)
            .bind(project)
            .fetch_all(conn)
            .await)?;
        let waiting = claims_of(waiting);
        let phrases = if waiting.len() > 1 {
            phrase::ask(model, &waiting).await?
        } else {
            Vec::new()
        };
        let phrasing = Phrasing {
            model: model.name().to_owned(),
            phrases,
        };
        self.compile_as(actor, &granted.project, CompileCause::Manual, Some(phrasing))
            .await
    }

    /// Compiles every claim anew into what people wrote of the document.
    ///
    /// # Errors
    /// As [`Projects::open`] for editing.
    pub async fn rebuild(&self, actor: &Actor, project: &str) -> Result<Compiled> {
        let granted = self.open(actor, project, Level::Edit).await?;
        self.compile_as(actor, &granted.project, CompileCause::Rebuilt, None)
            .await
    }

    async fn compile_as(
        &self,
        actor: &Actor,
        project: &Project,
        cause: CompileCause,
        phrasing: Option<Phrasing>,
    ) -> Result<Compiled> {
        let now = self.now();
        let mut tx = self.db.begin().await?;
        self.take_turn(&mut tx, &project.id).await?;
        let before: String = with_tx!(tx, |conn| sqlx::query_scalar(CONTEXT)
            .bind(&project.id)
            .fetch_one(conn)
            .await)?;
        let mut base = before.clone();
        if cause == CompileCause::Rebuilt {
            let mut contents: Vec<String> = with_tx!(tx, |conn| sqlx::query_scalar(ALL_CONTENTS)
                .bind(&project.id)
                .fetch_all(conn)
                .await)?;
            contents.extend(self.phrased_before(&mut tx, &project.id).await?);
            base = without_claims(&before, &contents);
            with_tx!(tx, |conn| sqlx::query(UNCOMPILE)
                .bind(&project.id)
                .execute(conn)
                .await
                .map(affected))?;
        }
        let mut entries: Vec<Entry> = with_tx!(tx, |conn| sqlx::query_as(LIVE)
            .bind(&project.id)
            .fetch_all(conn)
            .await)?;
        let plan = plan(&mut entries, project.kb_retention_days, now);
        self.carry_out(&mut tx, &project.id, &plan, now).await?;
        let notes = entries
            .iter()
            .filter(|entry| entry.claim_class == "note" && entry.compiled_at.is_none())
            .count();
        let claims = claims_of(entries);
        let freshness_updated = i64::try_from(plan.freshness.len()).unwrap_or(i64::MAX);
        if claims.is_empty() && cause != CompileCause::Rebuilt {
            tx.commit().await?;
            return Ok(nothing_to_do(
                actor,
                project,
                before,
                cause,
                freshness_updated,
                noop_reason(notes),
                now,
            ));
        }
        let (to_merge, phrased) = match phrasing {
            Some(phrasing) => {
                let (to_merge, taken) = phrase::apply(claims.clone(), phrasing.phrases);
                (to_merge, Some((phrasing.model, taken)))
            }
            None => (claims.clone(), None),
        };
        let merged = merge(&base, &to_merge, project.kb_max_context_words);
        for claim in &claims {
            with_tx!(tx, |conn| sqlx::query(STAMP)
                .bind(claim.id)
                .bind(now.as_micros())
                .execute(conn)
                .await
                .map(affected))?;
        }
        with_tx!(tx, |conn| sqlx::query(SET_CONTEXT)
            .bind(&project.id)
            .bind(&merged.document)
            .bind(now.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        let pages = self.rebuild_pages(&mut tx, actor, project).await?;
        let mut compilation = Compilation {
            id: 0,
            project_id: project.id.clone(),
            user_id: actor.user.to_string(),
            cause: cause.name().to_owned(),
            entries_compiled: i64::try_from(claims.len()).unwrap_or(i64::MAX),
            context_before: before,
            source_manifest: Json(manifest(&claims, &merged, phrased)),
            context_after: merged.document,
            section_pages_updated: pages.sections,
            concept_pages_updated: pages.concepts,
            compiled_at: At(now),
        };
        self.insert_compilation(&mut tx, &mut compilation).await?;
        tx.commit().await?;
        Ok(Compiled {
            compilation,
            noop_reason: None,
            freshness_updated,
        })
    }

    /// The bullets that language models phrased: what rebuilding takes out besides the entries' own words.
    async fn phrased_before(&self, tx: &mut Tx, project: &str) -> Result<Vec<String>> {
        let manifests: Vec<Json<serde_json::Value>> = with_tx!(*tx, |conn| sqlx::query_scalar(PHRASED)
            .bind(project)
            .fetch_all(conn)
            .await)?;
        let texts = manifests.iter().flat_map(|manifest| {
            let phrases = manifest.0["phrased"].as_array().into_iter().flatten();
            phrases.filter_map(|phrase| phrase["text"].as_str().map(str::to_owned))
        });
        Ok(texts.collect())
    }

    pub(crate) async fn insert_compilation(&self, tx: &mut Tx, compilation: &mut Compilation) -> Result<()> {
        compilation.id = with_tx!(*tx, |conn| sqlx::query_scalar(INSERT)
            .bind(&compilation.project_id)
            .bind(&compilation.user_id)
            .bind(&compilation.cause)
            .bind(compilation.entries_compiled)
            .bind(&compilation.context_before)
            .bind(&compilation.context_after)
            .bind(compilation.section_pages_updated)
            .bind(compilation.concept_pages_updated)
            .bind(compilation.source_manifest.clone())
            .bind(compilation.compiled_at.timestamp().as_micros())
            .fetch_one(conn)
            .await)?;
        Ok(())
    }

    async fn carry_out(&self, tx: &mut Tx, project: &str, plan: &Plan, now: Timestamp) -> Result<()> {
        let now = now.as_micros();
        for (id, freshness) in &plan.freshness {
            with_tx!(*tx, |conn| sqlx::query(SET_FRESHNESS)
                .bind(id)
                .bind(freshness)
                .execute(conn)
                .await
                .map(affected))?;
        }
        for (older, newer) in &plan.superseded {
            with_tx!(*tx, |conn| sqlx::query(SUPERSEDE)
                .bind(older)
                .bind(newer)
                .execute(conn)
                .await
                .map(affected))?;
            self.link_entries(tx, project, *newer, *older, "supersedes", 1.0)
                .await?;
        }
        for (newer, older, alike) in &plan.contradicts {
            self.link_entries(tx, project, *newer, *older, "contradicts", *alike)
                .await?;
        }
        for (id, confidence) in &plan.decayed {
            with_tx!(*tx, |conn| sqlx::query(DECAY)
                .bind(id)
                .bind(confidence)
                .bind(now)
                .execute(conn)
                .await
                .map(affected))?;
        }
        for (sql, ids) in [(DISMISS, &plan.dismissed), (PROMOTE, &plan.promoted)] {
            for id in ids {
                with_tx!(*tx, |conn| sqlx::query(sql)
                    .bind(id)
                    .bind(now)
                    .execute(conn)
                    .await
                    .map(affected))?;
            }
        }
        Ok(())
    }

    async fn link_entries(
        &self,
        tx: &mut Tx,
        project: &str,
        newer: i64,
        older: i64,
        link_type: &'static str,
        confidence: f64,
    ) -> Result<()> {
        let (newer, older) = (newer.to_string(), older.to_string());
        let link = Link {
            source: ("entry", &newer),
            target: ("entry", &older),
            link_type,
            confidence,
        };
        self.insert_link(tx, project, &link).await
    }

    /// The latest compilations, newest first.
    ///
    /// # Errors
    /// As [`Projects::open`].
    pub async fn compilations(&self, actor: &Actor, project: &str, limit: i64) -> Result<Vec<Compilation>> {
        self.open(actor, project, Level::Read).await?;
        Ok(with_reader!(self.db, |conn| sqlx::query_as(LIST)
            .bind(project)
            .bind(limit)
            .fetch_all(conn)
            .await)?)
    }

    /// Brings the document of a past compilation back. Entries that were compiled later wait again, so that
    /// nothing they say is lost.
    ///
    /// # Errors
    /// [`Error::ProjectNotFound`], [`Error::NotFound`]; [`Error::Field`] when there is no document to restore.
    pub async fn restore(
        &self,
        actor: &Actor,
        project: &str,
        compilation: i64,
        dry_run: bool,
    ) -> Result<Restored> {
        self.project(project).await?;
        let past: Option<Compilation> = with_reader!(self.db, |conn| sqlx::query_as(BY_ID)
            .bind(project)
            .bind(compilation)
            .fetch_optional(conn)
            .await)?;
        let past = past.ok_or(Error::NotFound { kind: "Compilation" })?;
        if past.context_after.trim().is_empty() {
            return Err(Error::field(
                "compilation_id",
                "the compilation left an empty document",
            ));
        }
        let ids: Vec<i64> = past.source_manifest.0["entries"]
            .as_array()
            .map(|ids| ids.iter().filter_map(serde_json::Value::as_i64).collect())
            .unwrap_or_default();
        let compiled_at = past.compiled_at.timestamp();
        let mut tx = self.db.begin().await?;
        self.take_turn(&mut tx, project).await?;
        let mut entries = 0;
        for id in &ids {
            let known: Option<i32> = with_tx!(tx, |conn| sqlx::query_scalar(EXISTS)
                .bind(project)
                .bind(id)
                .fetch_optional(conn)
                .await)?;
            entries += i64::from(known.is_some());
        }
        let restored = Restored {
            compiled_at,
            context_words: word_count(&past.context_after),
            entries,
        };
        if dry_run {
            return Ok(restored);
        }
        with_tx!(tx, |conn| sqlx::query(UNCOMPILE_LATER)
            .bind(project)
            .bind(compiled_at.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        for id in ids {
            with_tx!(tx, |conn| sqlx::query(RESTAMP)
                .bind(project)
                .bind(id)
                .bind(compiled_at.as_micros())
                .execute(conn)
                .await
                .map(affected))?;
        }
        with_tx!(tx, |conn| sqlx::query(SET_CONTEXT)
            .bind(project)
            .bind(&past.context_after)
            .bind(self.now().as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        let details = json!({ "compilation_id": compilation, "entries": entries });
        self.identity
            .audit(&mut tx, actor, "restore_from_compilation", project, &details)
            .await?;
        tx.commit().await?;
        Ok(restored)
    }

    /// Compiles the projects whose schedule says so or that have enough claims waiting. Gives how many; to be
    /// called by one gateway at a time.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn compile_due(&self) -> Result<u64> {
        const DAY: u64 = 24 * 3600;
        let now = self.now();
        let ago = |seconds| now.minus(std::time::Duration::from_secs(seconds)).as_micros();
        let due: Vec<String> = with_reader!(self.db, |conn| sqlx::query_scalar(DUE)
            .bind(ago(DAY))
            .bind(ago(7 * DAY))
            .fetch_all(conn)
            .await)?;
        let mut compiled = 0;
        for id in due {
            match self.compile_scheduled(&id, now).await {
                Ok(()) => compiled += 1,
                // The others are not kept waiting by it.
                Err(error) => tracing::warn!(project = id, %error, "a project was not compiled"),
            }
        }
        Ok(compiled)
    }

    async fn compile_scheduled(&self, id: &str, now: Timestamp) -> Result<()> {
        with_writer!(self.db, |conn| sqlx::query(SCHEDULED)
            .bind(id)
            .bind(now.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        let project = self.project(id).await?;
        let owner = self
            .identity
            .user(&UserId::new(project.owner_id.as_str()))
            .await?;
        let home = owner.home_organisation.clone();
        let actor = self.identity.web_caller(&owner, &home).await?.actor;
        self.compile_as(&actor, &project, CompileCause::Scheduled, None)
            .await?;
        Ok(())
    }
}

/// What a language model said to some of the claims.
struct Phrasing {
    model: String,
    phrases: Vec<Phrase>,
}

/// The claims among live entries that wait to be compiled.
fn claims_of(entries: Vec<Entry>) -> Vec<Claim> {
    entries
        .into_iter()
        .filter(|entry| {
            entry.claim_class == "claim"
                && entry.compiled_at.is_none()
                && !entry.dismissed
                && matches!(entry.freshness_class.as_str(), "current" | "aging")
        })
        .map(|entry| Claim {
            id: entry.id,
            entry_type: entry.entry_type,
            content: entry.content,
            confidence: entry.confidence,
            created_at: entry.created_at.timestamp(),
        })
        .collect()
}

fn manifest(claims: &[Claim], merged: &Merged, phrased: Option<(String, Vec<Phrase>)>) -> serde_json::Value {
    let ids: Vec<i64> = claims.iter().map(|claim| claim.id).collect();
    let dropped: Vec<_> = merged
        .dropped
        .iter()
        .map(|dropped| json!({ "entry": dropped.entry, "text": dropped.text }))
        .collect();
    let mut manifest = json!({ "entries": ids, "present": merged.present, "dropped": dropped });
    if let Some((model, phrases)) = phrased {
        let phrases: Vec<_> = phrases
            .iter()
            .map(|phrase| json!({ "entries": phrase.entries, "text": phrase.text }))
            .collect();
        manifest["model"] = json!(model);
        manifest["phrased"] = json!(phrases);
    }
    manifest
}

/// Why nothing was compiled, and what would help.
fn noop_reason(notes: usize) -> String {
    if notes == 0 {
        return "no claims are waiting to be compiled".to_owned();
    }
    let plural = if notes == 1 { "" } else { "s" };
    format!(
        "no claims are waiting to be compiled; {notes} note{plural} would have to be promoted first: give them a \
         confidence of 0.8 with PUT entries/{{id}}/confidence, then PUT entries/{{id}}/promote or POST \
         entries/bulk-promote"
    )
}

fn nothing_to_do(
    actor: &Actor,
    project: &Project,
    document: String,
    cause: CompileCause,
    freshness_updated: i64,
    noop_reason: String,
    now: Timestamp,
) -> Compiled {
    Compiled {
        compilation: Compilation {
            id: 0,
            project_id: project.id.clone(),
            user_id: actor.user.to_string(),
            cause: cause.name().to_owned(),
            entries_compiled: 0,
            context_after: document.clone(),
            context_before: document,
            section_pages_updated: 0,
            concept_pages_updated: 0,
            source_manifest: Json(json!({ "entries": [], "present": [], "dropped": [] })),
            compiled_at: At(now),
        },
        noop_reason: Some(noop_reason),
        freshness_updated,
    }
}
