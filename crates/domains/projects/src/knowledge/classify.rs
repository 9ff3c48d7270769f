//! What an entry counts as, and when two entries say the same. Pure functions.

use std::collections::HashSet;

/// The types of entries, with the section of the context document and the wiki page they compile into.
pub(crate) const SECTIONS: &[Section] = &[
    Section {
        entry_type: "decision",
        heading: "Key Decisions",
        slug: "key-decisions",
    },
    Section {
        entry_type: "pattern",
        heading: "Patterns & Conventions",
        slug: "patterns",
    },
    Section {
        entry_type: "discovery",
        heading: "Discoveries",
        slug: "discoveries",
    },
    Section {
        entry_type: "convention",
        heading: "Coding Conventions",
        slug: "coding-conventions",
    },
    Section {
        entry_type: "bug",
        heading: "Known Issues & Workarounds",
        slug: "known-issues",
    },
    Section {
        entry_type: "dependency",
        heading: "Dependencies & Integrations",
        slug: "dependencies",
    },
];

/// Where entries of one type go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    pub(crate) entry_type: &'static str,
    pub(crate) heading: &'static str,
    pub(crate) slug: &'static str,
}

/// The section of an entry type; `None` for a text that is no type.
pub(crate) fn section_of(entry_type: &str) -> Option<Section> {
    SECTIONS
        .iter()
        .find(|section| section.entry_type == entry_type)
        .copied()
}

/// Claims that one session may contribute; what it says beyond them stays a note.
pub(crate) const CLAIMS_PER_SESSION: i64 = 5;
pub(crate) const CLAIM_CONFIDENCE: f64 = 0.8;
pub(crate) const CLAIM_CHARACTERS: usize = 50;
const CLAIM_WORDS: usize = 15;
/// How much of the smaller vocabulary two entries share at most that do not say the same.
const DUPLICATE_OVERLAP: f64 = 0.85;

/// Why an entry does not count as a claim; empty when it does.
pub(crate) fn claim_failures(
    content: &str,
    confidence: f64,
    session_claims: i64,
    by_editor: bool,
) -> Vec<String> {
    let mut failures = Vec::new();
    if confidence < CLAIM_CONFIDENCE {
        failures.push(format!(
            "its confidence {confidence:.2} is below {CLAIM_CONFIDENCE}"
        ));
    }
    if content.chars().count() < CLAIM_CHARACTERS {
        failures.push(format!("it has fewer than {CLAIM_CHARACTERS} characters"));
    }
    let specific = content.contains(['/', '.', '_']) || content.chars().any(|c| c.is_ascii_digit());
    if !specific && content.split_whitespace().count() < CLAIM_WORDS {
        failures.push(format!(
            "it names nothing specific (a path, an identifier, a number) in fewer than {CLAIM_WORDS} words"
        ));
    }
    if session_claims >= CLAIMS_PER_SESSION {
        failures.push(format!("its session has {CLAIMS_PER_SESSION} claims already"));
    }
    if !by_editor {
        failures.push("its writer may read the project, not change it".to_owned());
    }
    failures
}

/// The words of a text, read once to compare it with many others.
#[derive(Clone, Debug)]
pub(crate) struct Vocabulary(HashSet<String>);

impl Vocabulary {
    pub(crate) fn of(text: &str) -> Self {
        Self(
            text.split(|c: char| !c.is_alphanumeric() && c != '_')
                .filter(|word| !word.is_empty())
                .map(str::to_lowercase)
                .collect(),
        )
    }

    /// How much of the smaller of two vocabularies the other one shares: 0 to 1.
    pub(crate) fn overlap(&self, other: &Self) -> f64 {
        let (smaller, larger) = if self.0.len() <= other.0.len() {
            (&self.0, &other.0)
        } else {
            (&other.0, &self.0)
        };
        if smaller.is_empty() {
            return 0.0;
        }
        let shared = smaller.iter().filter(|word| larger.contains(*word)).count();
        #[expect(clippy::cast_precision_loss, reason = "a text has few words")]
        let ratio = shared as f64 / smaller.len() as f64;
        ratio
    }

    /// Whether two texts say the same.
    pub(crate) fn repeats(&self, other: &Self) -> bool {
        self.overlap(other) > DUPLICATE_OVERLAP
    }
}

/// How many of the newest texts a further one is compared with.
pub(crate) const COMPARED: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specific_confident_sentence_of_an_editor_is_a_claim() {
        let text = "We decided to use rusqlite_pool v3 for storage because of WAL support";
        assert!(claim_failures(text, 0.95, 0, true).is_empty());
        assert_eq!(claim_failures(text, 0.7, 5, false).len(), 3);
        assert_eq!(claim_failures("too vague", 1.0, 0, true).len(), 2);
    }

    #[test]
    fn many_words_are_specific_enough() {
        let text = "we all agreed that the team will always prefer plain words over clever ones in every message shown";
        assert!(claim_failures(text, 0.8, 0, true).is_empty());
    }

    #[test]
    fn punctuation_and_case_do_not_make_a_difference() {
        let overlap = |one, other| Vocabulary::of(one).overlap(&Vocabulary::of(other));
        assert!((overlap("Use WAL mode!", "use wal MODE") - 1.0).abs() < f64::EPSILON);
        assert!(overlap("", "anything") < f64::EPSILON);
        assert!(overlap("alpha beta gamma delta", "alpha epsilon zeta eta") < 0.3);
    }
}
