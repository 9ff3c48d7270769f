//! What compiling changes in the entries before it takes claims: a pure plan.

use std::collections::BTreeMap;
use std::time::Duration;

use pentad_kernel::Timestamp;

use super::classify::{COMPARED, Vocabulary};
use crate::Entry;

const DAY: Duration = Duration::from_secs(24 * 3600);
const UNUSED_DAYS: u32 = 90;
const DECAY_EVERY_DAYS: u32 = 30;
const DECAY: f64 = 0.8;
const DOUBTFUL: f64 = 0.3;
const EVIDENCE_CONFIDENCE: f64 = 0.5;
const EVIDENCE_CHARACTERS: usize = 30;
const SUPERSEDES_FROM: f64 = 0.9;
const CONTRADICTS_FROM: f64 = 0.5;
const SUPERSEDING_CONFIDENCE: f64 = 0.8;

/// What is to change.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Plan {
    /// Entries with another freshness.
    pub(crate) freshness: Vec<(i64, &'static str)>,
    /// Entries, older first, that a newer one takes the place of.
    pub(crate) superseded: Vec<(i64, i64)>,
    /// Newer and older entries that say different things of the same entity, and how alike they are.
    pub(crate) contradicts: Vec<(i64, i64, f64)>,
    /// Entries that lose confidence, with what is left.
    pub(crate) decayed: Vec<(i64, f64)>,
    /// Entries to put aside.
    pub(crate) dismissed: Vec<i64>,
    /// Evidence that is a claim from now on.
    pub(crate) promoted: Vec<i64>,
}

/// Days until an entry of this type is stale, unless it proves relevant again.
const fn window_days(entry_type: &str) -> u32 {
    match entry_type.as_bytes() {
        b"bug" => 30,
        b"dependency" => 60,
        b"convention" => 180,
        b"decision" => 365,
        _ => 90,
    }
}

/// How fresh an entry is: `current` for half of its window, `aging` for the other half, then `stale`.
pub(crate) fn freshness(entry_type: &str, last_relevant_at: Timestamp, now: Timestamp) -> &'static str {
    let window = DAY * window_days(entry_type);
    let age = now.since(last_relevant_at);
    if age * 2 < window {
        "current"
    } else if age < window {
        "aging"
    } else {
        "stale"
    }
}

/// Plans the changes of live entries, given in the order of their ids, and makes them in the list.
pub(crate) fn plan(entries: &mut [Entry], retention_days: i64, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    for entry in entries.iter_mut() {
        let fresh = freshness(&entry.entry_type, entry.last_relevant_at.timestamp(), now);
        if entry.freshness_class != fresh {
            fresh.clone_into(&mut entry.freshness_class);
            plan.freshness.push((entry.id, fresh));
        }
    }
    supersede(entries, &mut plan);
    let retention = DAY * u32::try_from(retention_days).unwrap_or(u32::MAX);
    for entry in entries
        .iter_mut()
        .filter(|entry| entry.freshness_class != "superseded")
    {
        let unused = now.since(entry.last_relevant_at.timestamp()) >= DAY * UNUSED_DAYS;
        let rested = entry
            .decayed_at
            .is_none_or(|last| now.since(last.timestamp()) >= DAY * DECAY_EVERY_DAYS);
        if unused && rested {
            entry.confidence *= DECAY;
            plan.decayed.push((entry.id, entry.confidence));
        }
        if entry.confidence < DOUBTFUL && now.since(entry.created_at.timestamp()) > retention {
            entry.dismissed = true;
            plan.dismissed.push(entry.id);
        } else if entry.claim_class == "evidence"
            && entry.by_editor
            && entry.confidence >= EVIDENCE_CONFIDENCE
            && entry.content.chars().count() >= EVIDENCE_CHARACTERS
        {
            "claim".clone_into(&mut entry.claim_class);
            plan.promoted.push(entry.id);
        }
    }
    plan
}

/// Each entry is compared with the newest before it about the same entity.
fn supersede(entries: &mut [Entry], plan: &mut Plan) {
    let mut groups: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        if let Some(entity) = &entry.entity_ref {
            let group = (entity.clone(), entry.entry_type.clone());
            groups.entry(group).or_default().push(index);
        }
    }
    for members in groups.into_values().filter(|members| members.len() > 1) {
        let said: Vec<Vocabulary> = members
            .iter()
            .map(|&member| Vocabulary::of(&entries[member].content))
            .collect();
        for (position, &newer) in members.iter().enumerate().skip(1) {
            if entries[newer].confidence < SUPERSEDING_CONFIDENCE {
                continue;
            }
            for before in position.saturating_sub(COMPARED)..position {
                let older = members[before];
                if entries[older].freshness_class == "superseded" {
                    continue;
                }
                let alike = said[position].overlap(&said[before]);
                if alike > SUPERSEDES_FROM {
                    "superseded".clone_into(&mut entries[older].freshness_class);
                    plan.freshness.retain(|(id, _)| *id != entries[older].id);
                    plan.superseded.push((entries[older].id, entries[newer].id));
                } else if alike > CONTRADICTS_FROM {
                    plan.contradicts
                        .push((entries[newer].id, entries[older].id, alike));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::At;

    fn at(day: u32) -> Timestamp {
        Timestamp::parse("2026-01-01T00:00:00Z").unwrap().plus(DAY * day)
    }

    fn entry(id: i64, entry_type: &str, content: &str) -> Entry {
        Entry {
            id,
            project_id: "proj_0".to_owned(),
            session_id: "manual".to_owned(),
            user_id: "u".to_owned(),
            entry_type: entry_type.to_owned(),
            content: content.to_owned(),
            confidence: 0.9,
            source_context: None,
            persona_name: None,
            author_class: "human".to_owned(),
            claim_class: "claim".to_owned(),
            entity_ref: None,
            entity_type: None,
            freshness_class: "current".to_owned(),
            superseded_by: None,
            supersession_reason: None,
            promoted_at: None,
            promoted_by: None,
            retrieved_count: 0,
            used_in_answer_count: 0,
            compiled_count: 0,
            last_relevant_at: At(at(0)),
            decayed_at: None,
            dismissed: false,
            dismissed_at: None,
            dismissed_by: None,
            dismissed_reason: None,
            compiled_at: None,
            by_editor: true,
            created_at: At(at(0)),
        }
    }

    #[test]
    fn each_type_ages_in_its_own_window() {
        for (entry_type, window) in [
            ("bug", 30),
            ("dependency", 60),
            ("pattern", 90),
            ("convention", 180),
            ("decision", 365),
        ] {
            assert_eq!(
                freshness(entry_type, at(0), at(window / 2 - 1)),
                "current",
                "{entry_type}"
            );
            assert_eq!(
                freshness(entry_type, at(0), at(window / 2 + 1)),
                "aging",
                "{entry_type}"
            );
            assert_eq!(freshness(entry_type, at(0), at(window)), "stale", "{entry_type}");
        }
    }

    #[test]
    fn a_newer_entry_about_the_same_entity_takes_the_place_of_one_that_says_the_same() {
        let about = |id, content: &str| Entry {
            entity_ref: Some("src/db.rs".to_owned()),
            ..entry(id, "decision", content)
        };
        let mut entries = [
            about(1, "the pool has eight readers and one writer"),
            about(2, "the pool has eight readers and one single writer"),
            about(3, "the pool has sixteen readers and one queue"),
        ];
        let plan = plan(&mut entries, 180, at(1));
        assert_eq!(plan.superseded, [(1, 2)]);
        assert_eq!(
            plan.contradicts
                .iter()
                .map(|(newer, older, _)| (*newer, *older))
                .collect::<Vec<_>>(),
            [(3, 2)]
        );
    }

    #[test]
    fn an_entry_is_compared_with_the_newest_before_it() {
        let mut entries: Vec<Entry> = (0..=COMPARED as i64 + 1)
            .map(|id| Entry {
                entity_ref: Some("src/db.rs".to_owned()),
                ..entry(id, "decision", &format!("fact{id} of{id} word{id}"))
            })
            .collect();
        let last = entries.len() - 1;
        "fact0 fact1 of0 of1".clone_into(&mut entries[last].content);
        let contradicted = plan(&mut entries, 180, at(1)).contradicts;
        let older: Vec<i64> = contradicted.iter().map(|(_, older, _)| *older).collect();
        assert_eq!(older, [1], "the first is one too far away");
    }

    #[test]
    fn what_nobody_uses_loses_confidence_and_is_dismissed_in_the_end() {
        let mut entries = [
            entry(1, "decision", "unused"),
            Entry {
                confidence: 0.31,
                ..entry(2, "decision", "doubtful")
            },
        ];
        let plan = plan(&mut entries, 180, at(200));
        assert_eq!(plan.decayed.len(), 2);
        assert!((plan.decayed[0].1 - 0.72).abs() < 1e-9);
        assert_eq!(plan.dismissed, [2]);
    }

    #[test]
    fn only_evidence_of_editors_promotes_itself() {
        let evidence = |id, by_editor| Entry {
            claim_class: "evidence".to_owned(),
            by_editor,
            ..entry(id, "discovery", "the tests of src/retry.rs failed twice")
        };
        let mut entries = [evidence(1, true), evidence(2, false)];
        assert_eq!(plan(&mut entries, 180, at(1)).promoted, [1]);
    }
}
