//! What two sentences have to do with each other by their wording alone.

use crate::judge::{Judgement, Verdict};
use crate::statement::{Clause, Statement};

/// Words that change nothing about what a sentence denies or affirms.
#[rustfmt::skip]
const FILLERS: &[&str] = &[
    "actually", "again", "all", "also", "any", "anymore", "at", "currently", "even", "just", "longer", "more",
    "much", "now", "really", "still", "very",
];

/// Words that the negation itself is made of, and the auxiliaries that it brings along.
const NEGATION_WORDS: &[&str] = &[
    "are", "aren't", "be", "been", "being", "can", "can't", "cannot", "could", "couldn't", "did", "didn't",
    "do", "does", "doesn't", "don't", "gave", "given", "had", "hadn't", "has", "hasn't", "have", "haven't",
    "is", "isn't", "never", "no", "not", "quit", "started", "starting", "stop", "stopped", "stopping",
    "stops", "to", "up", "used", "was", "wasn't", "were", "weren't", "will", "won't", "wouldn't",
];

/// One clause denies exactly what the other affirms.
pub(crate) fn negation(new: &Clause, old: &Clause, cue: bool) -> Option<Judgement> {
    // What is over now was true before; that it was over once says nothing about now.
    if old.past || (new.negated || new.past) == old.negated || new.words.len() > 16 || old.words.len() > 16 {
        return None;
    }
    let (new_core, old_core) = (&new.core, &old.core);
    if new_core.len() < 2 || new_core != old_core || !at_one_time(new, old) {
        return None;
    }
    // What "it" was is not known.
    if new_core
        .iter()
        .any(|word| matches!(word.as_str(), "it" | "thi" | "that" | "there" | "here" | "them"))
    {
        return None;
    }
    let confidence = if cue { 0.95 } else { 0.90 };
    Some(Judgement::new(
        Verdict::Contradicts,
        confidence,
        format!("negation of the same statement: {}", new_core.join(" ")),
    ))
}

/// Whether two clauses of the same words are about the same time: who worked somewhere, and does not work there, does
/// not contradict themselves; nor does who can do it and does not, or did not do it once.
fn at_one_time(new: &Clause, old: &Clause) -> bool {
    let said = |clause: &Clause| -> Vec<String> {
        let is_said = |word: &&String| {
            NEGATION_WORDS.binary_search(&word.as_str()).is_err()
                && FILLERS.binary_search(&word.as_str()).is_err()
        };
        clause.words.iter().filter(is_said).cloned().collect()
    };
    let past = |word: &str| word.len() > 4 && word.ends_with("ed");
    let forms = said(new);
    let mut forms = forms.iter().zip(said(old));
    let (new_time, old_time) = (auxiliary(new), auxiliary(old));
    (new.past || new_time == old_time)
        && old_time != Auxiliary::Past
        && (new.past || forms.all(|(new, old)| past(new) == past(&old)))
}

/// What kind of time the auxiliary verbs of a clause put it into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Auxiliary {
    Present,
    Past,
    Future,
    Ability,
}

fn auxiliary(clause: &Clause) -> Auxiliary {
    let time = |word: &String| match word.as_str() {
        "did" | "didn't" | "was" | "wasn't" | "were" | "weren't" | "had" | "hadn't" | "could"
        | "couldn't" | "wouldn't" => Some(Auxiliary::Past),
        "will" | "won't" => Some(Auxiliary::Future),
        "can" | "can't" | "cannot" => Some(Auxiliary::Ability),
        _ => None,
    };
    clause.words.iter().find_map(time).unwrap_or(Auxiliary::Present)
}

/// The words of a clause without negation and fillers, stemmed.
pub(crate) fn core(words: &[String]) -> Vec<String> {
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
pub(crate) fn correction(new: &Statement, new_clause: &Clause, old_clause: &Clause) -> Option<Judgement> {
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
pub(crate) fn change_from(new: &Clause, old: &Clause) -> Option<Judgement> {
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

/// "My commute is now 45 minutes" over "My commute is 20 minutes": the same measure with another number.
pub(crate) fn new_number(new: &Clause, old: &Clause) -> Option<Judgement> {
    let copula = |word: &String| matches!(word.as_str(), "is" | "are");
    let (new_at, old_at) = (
        new.words.iter().position(copula)?,
        old.words.iter().position(copula)?,
    );
    let (subject, value) = (
        &new.words[..new_at],
        new.words[new_at + 1..].strip_prefix(&["now".to_owned()])?,
    );
    let old_value = &old.words[old_at + 1..];
    let form = |value: &[String]| -> Vec<String> {
        value
            .iter()
            .map(|word| word.replace(|c: char| c.is_ascii_digit() || matches!(c, '.' | ','), ""))
            .collect()
    };
    let numbers = value
        .iter()
        .filter(|word| word.contains(|c: char| c.is_ascii_digit()))
        .count();
    // "User is now 8 weeks pregnant" has a subject of one word, and is about something else than "User is 30".
    let same = subject == &old.words[..old_at] && subject.len() >= 2 && form(value) == form(old_value);
    if !same || numbers != 1 || value.len() > 4 || value == old_value || new.negated || old.negated {
        return None;
    }
    let reasoning = format!(
        "{} is now another number: {:?} → {:?}",
        subject.join(" "),
        old_value.join(" "),
        value.join(" ")
    );
    Some(Judgement::new(Verdict::Contradicts, 0.88, reasoning))
}

/// What is left when no rule applies: whether the two share enough words to be about the same.
pub(crate) fn related(new: &Statement, old: &Statement) -> Judgement {
    let shared = new
        .topics
        .iter()
        .filter(|word| old.topics.binary_search(word).is_ok())
        .count();
    let together = new.topics.len() + old.topics.len() - shared;
    if shared * 20 >= together * 7 && shared > 0 {
        Judgement::beside(0.6, "related")
    } else {
        Judgement::new(Verdict::New, 0.5, "unrelated")
    }
}

/// The words that say what clauses are about, sorted, each once.
pub(crate) fn topics(clauses: &[Clause]) -> Vec<String> {
    let mut words: Vec<String> = clauses
        .iter()
        .flat_map(|clause| &clause.core)
        .filter(|word| {
            word.len() > 2 && !matches!(word.as_str(), "user" | "and" | "with" | "for" | "from" | "that")
        })
        .cloned()
        .collect();
    words.sort_unstable();
    words.dedup();
    words
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
    if matches!(word, "use" | "uses" | "used" | "using") {
        return "use".to_owned();
    }
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

    #[test]
    fn tables_are_sorted() {
        assert!(FILLERS.is_sorted());
        assert!(NEGATION_WORDS.is_sorted());
    }
}
