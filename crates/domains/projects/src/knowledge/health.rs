//! How a project's knowledge is doing.

use pentad_kernel::Actor;
use pentad_store::with_reader;

use crate::{At, Level, Projects, Result, word_count};

/// How a project's knowledge is doing.
#[derive(Clone, Debug)]
pub struct Health {
    /// Entries of every kind.
    pub total_entries: i64,
    /// Claims that the next compilation takes.
    pub pending_entries: i64,
    /// Notes, which wait for somebody to promote them.
    pub uncompiled_notes: i64,
    /// Evidence that the next compilation promotes.
    pub auto_promotable_evidence: i64,
    /// Compiled into the document.
    pub compiled_entries: i64,
    /// Put aside.
    pub dismissed_entries: i64,
    /// Stale or superseded, and not put aside.
    pub stale_entry_count: i64,
    /// Of a confidence below one half, and not put aside.
    pub low_confidence_count: i64,
    /// That lost confidence for not being used.
    pub decayed_count: i64,
    /// Compilations so far.
    pub total_compilations: i64,
    /// The last of them.
    pub last_compilation_at: Option<At>,
    /// Words of the context document.
    pub word_count: i64,
    /// Its sections.
    pub section_count: i64,
    /// Whether claims wait that the document does not have.
    pub potentially_stale: bool,
    /// What would help.
    pub recommendations: Vec<String>,
}

#[derive(sqlx::FromRow)]
struct Counts {
    total: i64,
    notes: i64,
    promotable: i64,
    compiled: i64,
    dismissed: i64,
    stale: i64,
    doubtful: i64,
    decayed: i64,
    claims: i64,
}

const COUNTS: &str = "
    SELECT COUNT(*) AS total,
        CAST(COALESCE(SUM(CASE WHEN compiled_at IS NULL AND NOT dismissed AND claim_class = 'note' THEN 1 ELSE 0 END), 0) AS BIGINT) AS notes,
        CAST(COALESCE(SUM(CASE WHEN NOT dismissed AND claim_class = 'evidence' AND by_editor AND confidence >= 0.5 AND LENGTH(content) >= 30 THEN 1 ELSE 0 END), 0) AS BIGINT) AS promotable,
        CAST(COALESCE(SUM(CASE WHEN compiled_at IS NOT NULL THEN 1 ELSE 0 END), 0) AS BIGINT) AS compiled,
        CAST(COALESCE(SUM(CASE WHEN dismissed THEN 1 ELSE 0 END), 0) AS BIGINT) AS dismissed,
        CAST(COALESCE(SUM(CASE WHEN NOT dismissed AND freshness_class IN ('stale', 'superseded') THEN 1 ELSE 0 END), 0) AS BIGINT) AS stale,
        CAST(COALESCE(SUM(CASE WHEN NOT dismissed AND confidence < 0.5 THEN 1 ELSE 0 END), 0) AS BIGINT) AS doubtful,
        CAST(COALESCE(SUM(CASE WHEN decayed_at IS NOT NULL THEN 1 ELSE 0 END), 0) AS BIGINT) AS decayed,
        CAST(COALESCE(SUM(CASE WHEN compiled_at IS NULL AND NOT dismissed AND claim_class = 'claim' AND freshness_class IN ('current', 'aging') THEN 1 ELSE 0 END), 0) AS BIGINT) AS claims
    FROM knowledge_entries WHERE project_id = $1";
const COMPILATIONS: &str =
    "SELECT COUNT(*), MAX(compiled_at) FROM context_compilations WHERE project_id = $1";

impl Projects {
    /// How the project's knowledge is doing.
    ///
    /// # Errors
    /// As [`Projects::open`].
    pub async fn health(&self, actor: &Actor, project: &str) -> Result<Health> {
        self.open(actor, project, Level::Read).await?;
        let counts: Counts = with_reader!(self.db, |conn| sqlx::query_as(COUNTS)
            .bind(project)
            .fetch_one(conn)
            .await)?;
        let (total_compilations, last_compilation_at): (i64, Option<At>) =
            with_reader!(self.db, |conn| sqlx::query_as(COMPILATIONS)
                .bind(project)
                .fetch_one(conn)
                .await)?;
        let document = self.context(project).await?;
        let section_count = document.lines().filter(|line| line.starts_with("## ")).count();
        Ok(Health {
            total_entries: counts.total,
            pending_entries: counts.claims,
            uncompiled_notes: counts.notes,
            auto_promotable_evidence: counts.promotable,
            compiled_entries: counts.compiled,
            dismissed_entries: counts.dismissed,
            stale_entry_count: counts.stale,
            low_confidence_count: counts.doubtful,
            decayed_count: counts.decayed,
            total_compilations,
            last_compilation_at,
            word_count: word_count(&document),
            section_count: i64::try_from(section_count).unwrap_or(i64::MAX),
            potentially_stale: counts.claims > 0,
            recommendations: recommendations(&counts),
        })
    }
}

fn recommendations(counts: &Counts) -> Vec<String> {
    let mut advice = Vec::new();
    if counts.claims > 0 {
        advice.push(format!("compile: {} claims wait", counts.claims));
    }
    if counts.notes >= 10 {
        advice.push(format!("promote or dismiss some of the {} notes", counts.notes));
    }
    if counts.stale > 0 {
        advice.push(format!("refresh or dismiss {} stale entries", counts.stale));
    }
    if counts.doubtful > 0 {
        advice.push(format!(
            "look at {} entries of little confidence",
            counts.doubtful
        ));
    }
    advice
}
