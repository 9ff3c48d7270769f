//! What a new memory means for an old one.

use crate::alternatives;
use crate::doubt::doubt;
use crate::liking::change_of_liking;
use crate::slot::{Kind, Slot};
use crate::state::change_of_state;
use crate::statement::{Clause, Statement};
use crate::wording::{change_from, correction, negation, new_number, related};

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
    /// How sure the rule is, 0 to 1. Contradictions have at least 0.88; whatever a rule is less sure of it
    /// calls [`Supplements`](Verdict::Supplements).
    pub confidence: f64,
    /// The rule in words.
    pub reasoning: String,
}

impl Judgement {
    pub(crate) fn new(verdict: Verdict, confidence: f64, reasoning: impl Into<String>) -> Self {
        Judgement {
            verdict,
            confidence,
            reasoning: reasoning.into(),
        }
    }

    pub(crate) fn beside(confidence: f64, reasoning: impl Into<String>) -> Self {
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
                    .or_else(|| {
                        let (new, old) = (new_clause.state.as_ref()?, old_clause.state.as_ref()?);
                        change_of_state(new, old, self.cue)
                    })
                    .or_else(|| {
                        let (new, old) = (new_clause.liking.as_ref()?, old_clause.liking.as_ref()?);
                        change_of_liking(new, old, self.cue)
                    })
                    .or_else(|| negation(new_clause, old_clause, self.cue))
                    .or_else(|| correction(self, new_clause, old_clause))
                    .or_else(|| change_from(new_clause, old_clause))
                    .or_else(|| new_number(new_clause, old_clause));
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
        .or_else(|| {
            let preferred = |slot: &&Slot| slot.kind == Kind::Preference;
            let mut pairs = new.slots.iter().flat_map(|slot| {
                let old = old.slots.iter().filter(preferred);
                old.map(move |old| (slot, old))
            });
            pairs.find_map(|(new, old)| switched(new, old))
        })
}

/// Who switches to light mode no longer prefers dark mode.
fn switched(new: &Slot, old: &Slot) -> Option<Judgement> {
    let switched = new.kind == Kind::Tool && new.change && new.subject == old.subject;
    (switched && alternatives::are_alternatives(&new.value, &old.value))
        .then(|| contradiction(new, old, 0.97, "with a word of change"))
}

fn compare_slot(new: &Slot, old: &Slot, cue: bool) -> Option<Judgement> {
    let cue = cue || new.change;
    let name = new.kind.name();
    if !same_subject(new, old, cue) {
        return None;
    }
    let (new_words, old_words) = (words(&new.value), words(&old.value));
    if new.ends || old.ends {
        // An end says nothing about any other value, and a value nothing about an end before it.
        return (new.ends && !old.ends && new_words == old_words && partners(new, old) != Some(false))
            .then(|| contradiction(new, old, 0.95, "which is over"));
    }
    if new.kind == Kind::Possession {
        return None;
    }
    if cue && new.kind == Kind::Relationship && new.value == old.value && partners(new, old) == Some(false) {
        return Some(contradiction(new, old, 0.92, "with another"));
    }
    if new.value == old.value || new_words == old_words {
        return Some(if new.more || new.replaces.is_some() {
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
    // Whoever left one city for another left that one.
    if new.kind == Kind::Residence && (new.replaces.is_some() || old.replaces.is_some()) {
        return Some(Judgement::beside(
            0.75,
            format!("{name}: it replaces something else"),
        ));
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

/// Whether both slots name the same partner, where both name one.
fn partners(new: &Slot, old: &Slot) -> Option<bool> {
    let (new_partner, old_partner) = new.preposition.as_ref().zip(old.preposition.as_ref())?;
    Some(new.kind != Kind::Relationship || new_partner == old_partner)
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

/// The words of a value, without articles.
pub(crate) fn words(value: &str) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn judge(old: &str, new: &str) -> Judgement {
        Statement::read(new).judge(&Statement::read(old))
    }

    #[test]
    fn the_more_is_said_the_surer_the_rule() {
        for (old, new, confidence) in [
            ("Alice lives in Berlin.", "Alice moved to Oslo.", 0.97),
            ("Alice lives in Berlin.", "Alice lives in Oslo.", 0.92),
            ("Alice smokes.", "Alice no longer smokes.", 0.95),
            ("Alice smokes.", "Alice doesn't smoke.", 0.90),
            (
                "The capital of Ruritania is Zenda.",
                "Correction: the capital of Ruritania is Strelsau.",
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
            ("Alice quit smoking.", "Alice quit smoking last year."),
            ("Alice works at Acme.", "Alice left Globex for Acme."),
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
