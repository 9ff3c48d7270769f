//! Concepts that many claims share: a pure function.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};

use super::merge::Claim;

/// Fewer claims have no concepts in common worth a page.
const CLAIMS_LEAST: usize = 15;
/// Claims that must share a phrase.
const SHARED_LEAST: usize = 5;
const PAGES_MOST: usize = 20;
/// Words of a claim in which phrases are looked for: a claim is a sentence or a few.
const WORDS_READ: usize = 200;

/// A phrase that claims share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Concept {
    /// The page: `concept/` and the words.
    pub(crate) slug: String,
    /// The words, in upper case where one begins.
    pub(crate) title: String,
    /// The claims, in order.
    pub(crate) claims: Vec<i64>,
}

const COMMON: &[&str] = &[
    "about", "after", "all", "also", "and", "any", "are", "because", "been", "before", "but", "can", "does",
    "for", "from", "has", "have", "into", "its", "must", "not", "now", "one", "only", "our", "out", "over",
    "should", "that", "the", "their", "them", "then", "there", "they", "this", "those", "use", "used",
    "uses", "using", "was", "were", "when", "where", "which", "will", "with", "you",
];

/// The concepts of a project, the most shared first.
pub(crate) fn concepts(claims: &[Claim]) -> Vec<Concept> {
    if claims.len() < CLAIMS_LEAST {
        return Vec::new();
    }
    // Nearly all phrases stand in one claim alone: a first pass that keeps none of them tells the few that do not.
    let hasher = RandomState::new();
    let mut counts: HashMap<u64, usize> = HashMap::new();
    for claim in claims {
        for phrase in phrases_of(&claim.content) {
            *counts.entry(hasher.hash_one(phrase)).or_default() += 1;
        }
    }
    let mut phrases: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for claim in claims {
        for phrase in phrases_of(&claim.content) {
            if counts[&hasher.hash_one(&phrase)] >= SHARED_LEAST {
                phrases.entry(phrase).or_default().insert(claim.id);
            }
        }
    }
    let mut shared: Vec<(String, BTreeSet<i64>)> = phrases
        .into_iter()
        .filter(|(_, claims)| claims.len() >= SHARED_LEAST)
        .collect();
    // Of equally shared phrases the longer one says more.
    shared.sort_by(|(a, a_claims), (b, b_claims)| {
        (b_claims.len(), b.split('-').count(), a.as_str()).cmp(&(
            a_claims.len(),
            a.split('-').count(),
            b.as_str(),
        ))
    });
    let mut chosen: Vec<Concept> = Vec::new();
    for (phrase, claims) in shared {
        let claims: Vec<i64> = claims.into_iter().collect();
        let repeats = chosen
            .iter()
            .any(|concept| concept.claims == claims || concept.slug.ends_with(&format!("/{phrase}")));
        if repeats {
            continue;
        }
        chosen.push(Concept {
            slug: format!("concept/{phrase}"),
            title: title(&phrase),
            claims,
        });
        if chosen.len() == PAGES_MOST {
            break;
        }
    }
    chosen
}

fn phrases_of(text: &str) -> BTreeSet<String> {
    let words: Vec<Option<String>> = text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .take(WORDS_READ)
        .map(|word| {
            let word = word.to_lowercase();
            let telling = word.chars().count() >= 3
                && !COMMON.contains(&word.as_str())
                && !word.bytes().all(|byte| byte.is_ascii_digit());
            telling.then_some(word)
        })
        .collect();
    let mut phrases = BTreeSet::new();
    for length in [2, 3] {
        for window in words.windows(length) {
            if let Some(window) = window.iter().cloned().collect::<Option<Vec<String>>>() {
                phrases.insert(window.join("-"));
            }
        }
    }
    phrases
}

fn title(phrase: &str) -> String {
    let words = phrase.split('-').map(|word| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(letters).collect::<String>()
        })
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use pentad_kernel::Timestamp;

    use super::*;

    fn claims(count: i64, content: impl Fn(i64) -> String) -> Vec<Claim> {
        (1..=count)
            .map(|id| Claim {
                id,
                entry_type: "pattern".to_owned(),
                content: content(id),
                confidence: 0.9,
                created_at: Timestamp::from_micros(id),
            })
            .collect()
    }

    #[test]
    fn a_phrase_of_many_claims_is_a_concept() {
        let claims = claims(15, |id| {
            if id <= 6 {
                format!("the retry queue drops item{id}")
            } else {
                format!("something{id} else{id}")
            }
        });
        let found = concepts(&claims);
        assert_eq!(found[0].slug, "concept/retry-queue-drops");
        assert_eq!(found[0].title, "Retry Queue Drops");
        assert_eq!(found[0].claims, [1, 2, 3, 4, 5, 6]);
        assert_eq!(
            found.len(),
            1,
            "shorter phrases of the same claims add nothing: {found:?}"
        );
    }

    #[test]
    fn few_claims_have_no_concepts() {
        assert!(concepts(&claims(14, |_| "the retry queue drops".to_owned())).is_empty());
    }
}
