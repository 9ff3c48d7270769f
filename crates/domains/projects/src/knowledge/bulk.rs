//! Making claims of many notes at once.

use std::collections::{BTreeMap, VecDeque};

use pentad_kernel::Actor;
use pentad_store::{affected, with_tx};

use super::change::CLAIMS;
use super::classify::{CLAIM_CHARACTERS, CLAIM_CONFIDENCE, COMPARED, Vocabulary};
use super::entry::entry_columns;
use crate::{Entry, Error, Level, Projects, Result};

/// Which notes shall become claims.
#[derive(Clone, Debug, PartialEq)]
pub struct BulkPromotion {
    /// Characters that a note has at least.
    pub min_length: i64,
    /// Confidence that it has at least, unless one is set.
    pub min_confidence: f64,
    /// The confidence that it has at least afterwards; `None` keeps its own.
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
            min_length: i64::try_from(CLAIM_CHARACTERS).unwrap_or(i64::MAX),
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
    /// The notes that became claims, in the order of their ids.
    pub promoted: Vec<i64>,
    /// How many did not.
    pub skipped: u64,
    /// Why not, with how many notes: every reason there is, each note under the first that holds.
    pub reasons: BTreeMap<&'static str, u64>,
    /// Notes that were left out for who wrote them.
    pub reader_notes_excluded: u64,
}

/// Why a note does not become a claim, in the order in which they are asked.
const SKIP_REASONS: [&str; 7] = [
    "already_claim",
    "dismissed",
    "superseded",
    "wrong_type",
    "too_short",
    "low_confidence",
    "duplicate",
];

const NOTES: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM knowledge_entries
      WHERE project_id = $1 AND claim_class = 'note' ORDER BY id"
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
        let claims: Vec<String> = with_tx!(tx, |conn| sqlx::query_scalar(CLAIMS)
            .bind(project)
            .fetch_all(conn)
            .await)?;
        let chosen = choose(&notes, &claims, promotion);
        if promotion.dry_run {
            return Ok(chosen);
        }
        let promoted = |note: &&Entry| chosen.promoted.binary_search(&note.id).is_ok();
        for note in notes.iter().filter(promoted) {
            with_tx!(tx, |conn| sqlx::query(PROMOTE)
                .bind(note.id)
                .bind(
                    promotion
                        .set_confidence
                        .map_or(note.confidence, |set| set.max(note.confidence))
                )
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

/// Which notes become claims: a pure function of the notes and of the newest claims, newest first. A note that
/// does counts at once as one that others repeat.
fn choose(notes: &[Entry], claims: &[String], promotion: &BulkPromotion) -> BulkPromoted {
    let mut newest: VecDeque<Vocabulary> = claims.iter().rev().map(|claim| Vocabulary::of(claim)).collect();
    let mut chosen = BulkPromoted {
        reasons: SKIP_REASONS.into_iter().map(|reason| (reason, 0)).collect(),
        ..BulkPromoted::default()
    };
    for note in notes {
        if !note.by_editor && !promotion.include_reader_notes {
            chosen.reader_notes_excluded += 1;
            continue;
        }
        let said = Vocabulary::of(&note.content);
        let reason = reason_to_skip(note, promotion).or_else(|| {
            newest
                .iter()
                .any(|claim| claim.repeats(&said))
                .then_some("duplicate")
        });
        if let Some(reason) = reason {
            chosen.skipped += 1;
            *chosen.reasons.entry(reason).or_default() += 1;
        } else {
            chosen.promoted.push(note.id);
            newest.push_back(said);
            if newest.len() > COMPARED {
                newest.pop_front();
            }
        }
    }
    chosen
}

fn reason_to_skip(note: &Entry, promotion: &BulkPromotion) -> Option<&'static str> {
    let wanted = promotion.entry_type.as_ref();
    let characters = i64::try_from(note.content.chars().count()).unwrap_or(i64::MAX);
    if note.dismissed {
        Some("dismissed")
    } else if note.superseded_by.is_some() || note.freshness_class == "superseded" {
        Some("superseded")
    } else if wanted.is_some_and(|wanted| *wanted != note.entry_type) {
        Some("wrong_type")
    } else if characters < promotion.min_length {
        Some("too_short")
    } else if promotion.set_confidence.is_none() && note.confidence < promotion.min_confidence {
        Some("low_confidence")
    } else {
        None
    }
}
