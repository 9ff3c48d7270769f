//! Making claims of many notes at once.

use std::collections::BTreeMap;

use pentad_kernel::Actor;
use pentad_store::{affected, with_tx};

use super::classify::{CLAIM_CONFIDENCE, claim_failures};
use super::entry::entry_columns;
use crate::{Entry, Error, Level, Projects, Result};

/// Which notes shall become claims.
#[derive(Clone, Debug, PartialEq)]
pub struct BulkPromotion {
    /// Characters that a note has at least.
    pub min_length: i64,
    /// Confidence that it has at least.
    pub min_confidence: f64,
    /// The confidence that it has afterwards; `None` keeps its own.
    pub set_confidence: Option<f64>,
    /// Only notes of this type.
    pub entry_type: Option<String>,
    /// Also notes of people who may read the project and not change it.
    pub include_reader_notes: bool,
    /// Whether to say only what would be done.
    pub dry_run: bool,
}

impl Default for BulkPromotion {
    fn default() -> Self {
        Self {
            min_length: 50,
            min_confidence: CLAIM_CONFIDENCE,
            set_confidence: None,
            entry_type: None,
            include_reader_notes: false,
            dry_run: true,
        }
    }
}

/// What promoting many notes did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BulkPromoted {
    /// The notes that became claims.
    pub promoted: Vec<i64>,
    /// How many did not.
    pub skipped: u64,
    /// Why not, with how many notes each reason holds for.
    pub reasons: BTreeMap<String, u64>,
    /// Notes that were left out for who wrote them.
    pub reader_notes_excluded: u64,
}

const NOTES: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM knowledge_entries
      WHERE project_id = $1 AND claim_class = 'note' AND NOT dismissed AND freshness_class <> 'superseded'
      ORDER BY id"
);
const PROMOTE: &str = "
    UPDATE knowledge_entries SET claim_class = 'claim', confidence = $2, promoted_at = $3, promoted_by = $4
    WHERE id = $1";

impl Projects {
    /// Makes claims of the notes that the promotion wants and that can be claims.
    ///
    /// # Errors
    /// As [`Projects::open`] for editing; [`Error::Field`].
    pub async fn bulk_promote(
        &self,
        actor: &Actor,
        project: &str,
        promotion: &BulkPromotion,
    ) -> Result<BulkPromoted> {
        self.open(actor, project, Level::Edit).await?;
        check(promotion)?;
        let mut tx = self.db.begin().await?;
        self.take_turn(&mut tx, project).await?;
        let notes: Vec<Entry> = with_tx!(tx, |conn| sqlx::query_as(NOTES)
            .bind(project)
            .fetch_all(conn)
            .await)?;
        let chosen = choose(&notes, promotion);
        if promotion.dry_run {
            return Ok(chosen);
        }
        for note in notes.iter().filter(|note| chosen.promoted.contains(&note.id)) {
            with_tx!(tx, |conn| sqlx::query(PROMOTE)
                .bind(note.id)
                .bind(promotion.set_confidence.unwrap_or(note.confidence))
                .bind(self.now().as_micros())
                .bind(actor.user.as_str())
                .execute(conn)
                .await
                .map(affected))?;
        }
        tx.commit().await?;
        Ok(chosen)
    }
}

fn check(promotion: &BulkPromotion) -> Result<()> {
    if !(1..=10_000).contains(&promotion.min_length) {
        return Err(Error::field("min_length", "1 to 10000"));
    }
    let confidences = [
        ("min_confidence", Some(promotion.min_confidence)),
        ("set_confidence", promotion.set_confidence),
    ];
    for (field, confidence) in confidences {
        if confidence.is_some_and(|confidence| !(0.0..=1.0).contains(&confidence)) {
            return Err(Error::field(field, "0 to 1"));
        }
    }
    Ok(())
}

fn choose(notes: &[Entry], promotion: &BulkPromotion) -> BulkPromoted {
    let mut chosen = BulkPromoted::default();
    let wanted = |note: &&Entry| {
        let entry_type = promotion.entry_type.as_ref();
        entry_type.is_none_or(|entry_type| *entry_type == note.entry_type)
    };
    for note in notes.iter().filter(wanted) {
        if !note.by_editor && !promotion.include_reader_notes {
            chosen.reader_notes_excluded += 1;
            continue;
        }
        let characters = i64::try_from(note.content.chars().count()).unwrap_or(i64::MAX);
        let mut reasons = Vec::new();
        if characters < promotion.min_length {
            reasons.push(format!("it has fewer than {} characters", promotion.min_length));
        }
        if note.confidence < promotion.min_confidence {
            reasons.push(format!("its confidence is below {}", promotion.min_confidence));
        }
        // Length and confidence are judged by the promotion; that it says something specific, by the rule.
        let specific = claim_failures(&note.content, 1.0, 0, true);
        reasons.extend(
            specific
                .into_iter()
                .filter(|reason| !reason.contains("characters")),
        );
        if reasons.is_empty() {
            chosen.promoted.push(note.id);
        } else {
            chosen.skipped += 1;
            for reason in reasons {
                *chosen.reasons.entry(reason).or_default() += 1;
            }
        }
    }
    chosen
}
