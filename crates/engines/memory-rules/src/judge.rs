//! What a new memory means for an old one.

use crate::alternatives;
use crate::places::{self, Places};
use crate::slot::{Kind, Slot};
use crate::statement::{Clause, Statement};
use crate::when::When;

/// What a new memory is to an old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Nothing: they are about different things.
    New,
    /// Both hold: the new one says more, or something beside it.
    Supplements,
    /// The new one says nothing that the old one did not.
    Duplicate,
    /// Both cannot hold: the old one should be superseded.
    Contradicts,
}

impl Verdict {
    /// The name that the API uses.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::New => "new",
            Verdict::Supplements => "supplements",
            Verdict::Duplicate => "duplicate",
            Verdict::Contradicts => "contradicts",
        }
    }
}

/// A verdict with its grounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// What the new memory is to the old one.
    pub verdict: Verdict,
    /// How sure the rule is, 0 to 1. Contradictions have at least 0.86; whatever a rule is less sure of it
    /// calls [`Supplements`](Verdict::Supplements).
    pub confidence: f64,
    /// The rule in words.
    pub reasoning: String,
}

impl Judgement {
    fn new(verdict: Verdict, confidence: f64, reasoning: impl Into<String>) -> Self {
        Judgement {
            verdict,
            confidence,
            reasoning: reasoning.into(),
        }
    }

    fn beside(confidence: f64, reasoning: impl Into<String>) -> Self {
        Judgement::new(Verdict::Supplements, confidence, reasoning)
    }

    /// Contradictions first, the surest first; then duplicates, then supplements.
    fn strength(&self) -> (u8, f64) {
        let rank = match self.verdict {
            Verdict::Contradicts => 3,
            Verdict::Duplicate => 2,
            Verdict::Supplements => 1,
            Verdict::New => 0,
        };
        (rank, self.confidence)
    }
}

/// Words that change nothing about what a sentence denies or affirms.
#[rustfmt::skip]
const FILLERS: &[&str] = &[
    "actually", "again", "all", "also", "any", "anymore", "at", "currently", "even", "just", "longer", "more",
    "much", "now", "really", "still", "very",
];

/// Words that the negation itself is made of, and the auxiliaries that it brings along.
const NEGATION_WORDS: &[&str] = &[
    "are", "aren't", "be", "been", "can't", "cannot", "did", "didn't", "do", "does", "doesn't", "don't",
    "gave", "given", "had", "hadn't", "has", "hasn't", "have", "haven't", "is", "isn't", "never", "no",
    "not", "quit", "started", "starting", "stop", "stopped", "stopping", "stops", "to", "up", "used", "was",
    "wasn't", "were", "weren't", "will", "won't", "wouldn't",
];

impl Statement {
    /// Compares this memory, which is new, with an old one.
    ///
    /// The rules are few and tight. Two statements contradict each other when they give one subject two values of a
    /// predicate that has one at a time, when one denies just what the other affirms, or when the new one says that
    /// it corrects the old one. An old memory of several sentences is never contradicted: what else it says would
    /// be lost with it.
    pub fn judge(&self, old: &Statement) -> Judgement {
        let same_words = |(new, old): (&Clause, &Clause)| new.words == old.words;
        if self.clauses.len() == old.clauses.len() && self.clauses.iter().zip(&old.clauses).all(same_words) {
            return Judgement::new(Verdict::Duplicate, 0.99, "same content");
        }
        let mut best = related(self, old);
        for new_clause in &self.clauses {
            for old_clause in &old.clauses {
                let found = compare_slots(new_clause, old_clause, self.cue)
                    .or_else(|| negation(new_clause, old_clause, self.cue))
                    .or_else(|| correction(self, new_clause, old_clause))
                    .or_else(|| change_from(new_clause, old_clause));
                if let Some(mut found) = found {
                    if found.verdict != Verdict::Supplements && old.only_clause().is_none() {
                        found =
                            Judgement::beside(0.7, format!("one of several sentences ({})", found.reasoning));
                    } else if found.verdict == Verdict::Duplicate && self.only_clause().is_none() {
                        found = Judgement::beside(0.7, format!("says more ({})", found.reasoning));
                    }
                    if found.strength() > best.strength() {
                        best = found;
                    }
                }
            }
        }
        best
    }
}

fn compare_slots(new: &Clause, old: &Clause, cue: bool) -> Option<Judgement> {
    new.slots
        .iter()
        .flat_map(|slot| old.slot(slot.kind).map(move |other| (slot, other)))
        .find_map(|(new, old)| compare_slot(new, old, cue))
}

fn compare_slot(new: &Slot, old: &Slot, cue: bool) -> Option<Judgement> {
    let cue = cue || new.change;
    let name = new.kind.name();
    if !same_subject(new, old, cue) {
        return None;
    }
    let (new_words, old_words) = (words(&new.value), words(&old.value));
    if new.value == old.value || new_words == old_words {
        return Some(if new.more {
            Judgement::beside(0.8, format!("{name}: the same value, with detail"))
        } else {
            Judgement::new(Verdict::Duplicate, 0.95, format!("{name}: the same value"))
        });
    }
    // "moved from X": if the old value is not X, something else is meant or unknown.
    if new
        .replaces
        .as_ref()
        .is_some_and(|replaced| words(replaced) == old_words)
    {
        return Some(contradiction(new, old, 0.97, "says what it replaces"));
    }
    let detail = contains(&new_words, &old_words) || contains(&old_words, &new_words);
    // Who is promoted from associate professor to professor has not said less than before.
    if detail && !(new.kind == Kind::Title && cue) {
        return Some(Judgement::beside(
            0.8,
            format!("{name}: one value is a detail of the other"),
        ));
    }
    match doubt(new, old, cue) {
        Some(doubt) => Some(Judgement::beside(0.75, format!("{name}: {doubt}"))),
        None if cue => Some(contradiction(new, old, 0.97, "with a word of change")),
        None => Some(contradiction(new, old, 0.92, "one value at a time")),
    }
}

fn contradiction(new: &Slot, old: &Slot, confidence: f64, how: &str) -> Judgement {
    let reasoning = format!(
        "{} of {}: {:?} → {:?}, {how}",
        new.kind.name(),
        new.subject.join(" "),
        old.value,
        new.value
    );
    Judgement::new(Verdict::Contradicts, confidence, reasoning)
}

/// Why two values may both hold after all.
fn doubt(new: &Slot, old: &Slot, cue: bool) -> Option<&'static str> {
    let (new_words, old_words) = (words(&new.value), words(&old.value));
    match new.kind {
        Kind::Residence => {
            let address = |value: &str| value.starts_with(|c: char| c.is_ascii_digit());
            match places::compare(&new.value, &old.value) {
                _ if address(&new.value) && address(&old.value) => None,
                _ if address(&new.value) != address(&old.value) && !new.change => {
                    Some("an address may be in the place")
                }
                Places::Agree if !new.change => Some("one place may contain the other"),
                Places::Agree if !(places::is_known(&new.value) && new.value != old.value) => {
                    Some("the same place")
                }
                Places::Agree => Some("one place may contain the other"),
                Places::Unknown if !cue => Some("one place may be in the other"),
                _ => None,
            }
        }
        Kind::Title => {
            let ladder = |words: &[String]| {
                let rest: Vec<String> = words.iter().filter(|word| !is_rank(word)).cloned().collect();
                (rest.len() < words.len(), rest)
            };
            let ((new_rank, new_rest), (old_rank, old_rest)) = (ladder(&new_words), ladder(&old_words));
            let head = |words: &[String]| words.last().cloned();
            if new.change
                || (new_rank || old_rank) && new_rest == old_rest
                || cue && head(&new_words) == head(&old_words)
            {
                None
            } else {
                Some("a person may have two roles")
            }
        }
        Kind::Preference => {
            let same_head =
                new_words.len() > 1 && old_words.len() > 1 && new_words.last() == old_words.last();
            let modifiers = |words: &[String]| words[..words.len() - 1].join(" ");
            if alternatives::are_alternatives(&new.value, &old.value)
                || same_head && (cue || opposed(&modifiers(&new_words), &modifiers(&old_words)))
            {
                None
            } else {
                Some("preferences about different things")
            }
        }
        Kind::Tool => {
            if new.replaces.is_some() || !cue {
                return Some("tools can be used side by side");
            }
            let (new_known, old_known) = (
                alternatives::is_known(&new.value),
                alternatives::is_known(&old.value),
            );
            if alternatives::are_alternatives(&new.value, &old.value)
                || new.change && !new_known && !old_known
            {
                None
            } else {
                Some("tools of different kinds")
            }
        }
        Kind::Employer => {
            let differ = new
                .preposition
                .as_ref()
                .zip(old.preposition.as_ref())
                .is_some_and(|(new, old)| new != old);
            (differ && !cue).then_some("one may be a person and the other a company")
        }
        Kind::Time | Kind::Due => {
            let (new_when, old_when) = (When::read(&new.value), When::read(&old.value));
            if !new_when.conflicts(&old_when) {
                Some("the times do not exclude each other")
            } else if !cue && new.kind == Kind::Time && new_when.only_weekdays_conflict(&old_when) {
                Some("it may take place on several days")
            } else {
                None
            }
        }
        Kind::Price => {
            let unit = |words: &[String]| words[1..].join(" ");
            if new_words.is_empty() || old_words.is_empty() || unit(&new_words) != unit(&old_words) {
                Some("prices for different amounts")
            } else {
                None
            }
        }
        _ => None,
    }
}

/// Ranks within one profession.
fn is_rank(word: &str) -> bool {
    matches!(
        word,
        "junior"
            | "senior"
            | "staff"
            | "principal"
            | "associate"
            | "chief"
            | "intern"
            | "trainee"
            | "mid-level"
            | "distinguished"
            | "assistant"
            | "deputy"
            | "vice"
            | "executive"
            | "entry-level"
            | "head"
            | "lead"
    )
}

/// Modifiers that exclude each other: aisle and window, morning and evening.
fn opposed(one: &str, other: &str) -> bool {
    const OPPOSED: [&[&str]; 14] = [
        &["aisle", "window", "middle"],
        &["morning", "afternoon", "evening", "night"],
        &["dark", "light"],
        &["dark", "milk", "white"],
        &["dark roast", "light roast", "medium roast"],
        &["red", "white", "rose"],
        &["hot", "cold", "iced"],
        &["short", "long"],
        &["early", "late"],
        &["async", "live", "asynchronous", "synchronous"],
        &["small", "large", "big"],
        &["soft", "hard", "firm"],
        &["still", "sparkling"],
        &["weekly", "daily", "monthly"],
    ];
    one != other
        && OPPOSED
            .iter()
            .any(|kind| kind.contains(&one) && kind.contains(&other))
}

/// Whether both slots are about the same. What meets and what is due is often named in full once and in short
/// later: with a word of change, a name of at least two words may be part of the other.
fn same_subject(new: &Slot, old: &Slot, cue: bool) -> bool {
    if new.subject == old.subject {
        return true;
    }
    if !matches!(new.kind, Kind::Time | Kind::Due | Kind::Priority) || !cue {
        return false;
    }
    let named = |slot: &Slot| {
        slot.subject
            .iter()
            .filter(|word| *word != "user")
            .cloned()
            .collect::<Vec<_>>()
    };
    let (new, old) = (named(new), named(old));
    new.len().min(old.len()) >= 2 && (contains(&new, &old) || contains(&old, &new))
}

/// One clause denies exactly what the other affirms.
fn negation(new: &Clause, old: &Clause, cue: bool) -> Option<Judgement> {
    if new.negated == old.negated || new.words.len() > 16 || old.words.len() > 16 {
        return None;
    }
    let (new_core, old_core) = (core(&new.words), core(&old.words));
    if new_core.len() < 2 || new_core != old_core {
        return None;
    }
    let confidence = if cue { 0.95 } else { 0.90 };
    Some(Judgement::new(
        Verdict::Contradicts,
        confidence,
        format!("negation of the same statement: {}", new_core.join(" ")),
    ))
}

/// The words of a clause without negation and fillers, stemmed.
fn core(words: &[String]) -> Vec<String> {
    words
        .iter()
        .filter(|word| {
            NEGATION_WORDS.binary_search(&word.as_str()).is_err()
                && FILLERS.binary_search(&word.as_str()).is_err()
        })
        .map(|word| stem(word))
        .collect()
}

/// "Correction: the door code is 99" over "The door code is 41": the same sentence but for one run of words.
fn correction(new: &Statement, new_clause: &Clause, old_clause: &Clause) -> Option<Judgement> {
    if !new.correction || new_clause.negated != old_clause.negated {
        return None;
    }
    let (new_words, old_words) = (plain(&new_clause.words), plain(&old_clause.words));
    let prefix = new_words
        .iter()
        .zip(&old_words)
        .take_while(|(new, old)| new == old)
        .count();
    let (new_rest, old_rest) = (&new_words[prefix..], &old_words[prefix..]);
    let suffix = new_rest
        .iter()
        .rev()
        .zip(old_rest.iter().rev())
        .take_while(|(new, old)| new == old)
        .count();
    let (new_run, old_run) = (
        &new_rest[..new_rest.len() - suffix],
        &old_rest[..old_rest.len() - suffix],
    );
    let one_run = (1..=4).contains(&new_run.len()) && (1..=4).contains(&old_run.len());
    if !one_run
        || prefix < 1
        || prefix + suffix < 2
        || (prefix + suffix) * 2 < new_words.len().min(old_words.len())
    {
        return None;
    }
    let reasoning = format!(
        "correction of the same statement: {:?} → {:?}",
        old_run.join(" "),
        new_run.join(" ")
    );
    Some(Judgement::new(Verdict::Contradicts, 0.88, reasoning))
}

/// "The deploy day changed from Friday to Monday" over "The deploy day is Friday".
fn change_from(new: &Clause, old: &Clause) -> Option<Judgement> {
    #[rustfmt::skip]
    const VERBS: &[&str] = &[
        "changed", "moved", "switched", "renamed", "went", "migrated", "updated", "increased", "reduced",
    ];
    let verb = new.words.iter().position(|word| VERBS.contains(&word.as_str()))?;
    let from = verb
        + 1
        + new.words[verb + 1..]
            .iter()
            .position(|word| word == "from")
            .filter(|at| *at == 0)?;
    let to = from + new.words[from..].iter().position(|word| word == "to")?;
    let copula = |word: &String| {
        matches!(
            word.as_str(),
            "is" | "are" | "was" | "were" | "has" | "have" | "been" | "will" | "be" | "now"
        )
    };
    let subject: Vec<&String> = new.words[..verb].iter().filter(|word| !copula(word)).collect();
    let replaced = &new.words[from + 1..to];
    let split = old.words.iter().position(copula)?;
    let old_subject: Vec<&String> = old.words[..split].iter().collect();
    let old_value: Vec<&String> = old.words[split..]
        .iter()
        .filter(|word| !copula(word) && *word != "on" && *word != "at")
        .collect();
    if subject.len() < 2
        || replaced.is_empty()
        || subject != old_subject
        || !old_value.iter().copied().eq(replaced)
    {
        return None;
    }
    let reasoning = format!(
        "says what changed: from {:?} to {:?}",
        replaced.join(" "),
        new.words[to + 1..].join(" ")
    );
    Some(Judgement::new(Verdict::Contradicts, 0.88, reasoning))
}

/// What is left when no rule applies: whether the two share enough words to be about the same.
fn related(new: &Statement, old: &Statement) -> Judgement {
    let all = |statement: &Statement| {
        let mut words: Vec<String> = statement
            .clauses
            .iter()
            .flat_map(|clause| core(&clause.words))
            .filter(|word| {
                word.len() > 2 && !matches!(word.as_str(), "user" | "and" | "with" | "for" | "from" | "that")
            })
            .collect();
        words.sort_unstable();
        words.dedup();
        words
    };
    let (new, old) = (all(new), all(old));
    let shared = new.iter().filter(|word| old.binary_search(word).is_ok()).count();
    let together = new.len() + old.len() - shared;
    if shared * 20 >= together * 7 && shared > 0 {
        Judgement::beside(0.6, "related")
    } else {
        Judgement::new(Verdict::New, 0.5, "unrelated")
    }
}

fn words(value: &str) -> Vec<String> {
    value
        .split([' ', ','])
        .map(|word| word.trim_matches(|c: char| matches!(c, '.' | ',' | '\'' | '"')))
        .filter(|word| !word.is_empty() && !matches!(*word, "the" | "a" | "an"))
        .map(str::to_owned)
        .collect()
}

/// Whether all words of `part` are in `whole`.
fn contains(whole: &[String], part: &[String]) -> bool {
    part.iter().all(|word| whole.contains(word))
}

fn plain(words: &[String]) -> Vec<&str> {
    words
        .iter()
        .map(String::as_str)
        .filter(|word| !matches!(*word, "now" | "actually" | "currently"))
        .collect()
}

/// Enough of a stem to match "smokes" with "smoking".
fn stem(word: &str) -> String {
    let word = word.strip_suffix("'s").unwrap_or(word);
    for ending in ["ing", "ied", "ies", "ed", "es", "s", "e", "y"] {
        if let Some(stem) = word.strip_suffix(ending).filter(|stem| stem.chars().count() >= 3) {
            // "stopping", "planned".
            let doubled = matches!(ending, "ing" | "ed") && stem.len() >= 4 && stem.is_ascii() && {
                let bytes = stem.as_bytes();
                bytes[bytes.len() - 1] == bytes[bytes.len() - 2]
                    && !matches!(bytes[bytes.len() - 1], b's' | b'l')
            };
            return if doubled {
                stem[..stem.len() - 1].to_owned()
            } else {
                stem.to_owned()
            };
        }
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn judge(old: &str, new: &str) -> Judgement {
        Statement::read(new).judge(&Statement::read(old))
    }

    #[test]
    fn tables_are_sorted() {
        assert!(FILLERS.is_sorted());
        assert!(NEGATION_WORDS.is_sorted());
    }

    #[test]
    fn the_more_is_said_the_surer_the_rule() {
        for (old, new, confidence) in [
            ("Alice lives in Berlin.", "Alice moved to Oslo.", 0.97),
            ("Alice lives in Berlin.", "Alice lives in Oslo.", 0.92),
            ("Alice smokes.", "Alice no longer smokes.", 0.95),
            ("Alice smokes.", "Alice doesn't smoke.", 0.90),
            (
                "The door code is 4411.",
                "Correction: the door code is 9921.",
                0.88,
            ),
            (
                "The deploy day is Friday.",
                "The deploy day changed from Friday to Monday.",
                0.88,
            ),
        ] {
            let judgement = judge(old, new);
            assert_eq!(
                (judgement.verdict, judgement.confidence),
                (Verdict::Contradicts, confidence),
                "{judgement:?}"
            );
        }
    }

    #[test]
    fn saying_it_again_is_a_duplicate() {
        for (old, new) in [
            ("Alice lives in Berlin.", "alice lives in Berlin"),
            ("I live in Berlin", "User lives in Berlin."),
            ("Alice lives in Berlin.", "Alice is based in Berlin."),
            ("The cat is black.", "A cat is black!"),
        ] {
            assert_eq!(judge(old, new).verdict, Verdict::Duplicate, "{old} / {new}");
        }
        for (old, new) in [
            ("Alice beat Bob.", "Bob beat Alice."),
            ("Alice flew to Paris.", "Alice flew from Paris."),
            ("Alice works at Acme.", "Alice worked at Acme."),
            ("Alice lives in Berlin.", "Alice lives in Berlin. She has a cat."),
        ] {
            assert_ne!(judge(old, new).verdict, Verdict::Duplicate, "{old} / {new}");
        }
    }

    #[test]
    fn an_old_memory_of_several_sentences_is_kept() {
        assert_eq!(
            judge("I live in Berlin. I have two dogs.", "I live in Oslo.").verdict,
            Verdict::Supplements
        );
    }

    proptest! {
        #[test]
        fn any_two_texts_can_be_compared(old in any::<String>(), new in any::<String>()) {
            judge(&old, &new);
        }

        #[test]
        fn a_statement_never_contradicts_itself(text in "(Alice|The order 7|I)( now| no longer)? (lives in|works at|uses|prefers|is|costs) [A-Za-z0-9$ ]{1,20}") {
            let verdict = judge(&text, &text).verdict;
            prop_assert!(verdict == Verdict::Duplicate || Statement::read(&text).clauses.is_empty(), "{:?}", verdict);
        }
    }
}
