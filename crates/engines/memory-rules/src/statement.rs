//! A memory as the comparison sees it.

use std::sync::LazyLock;

use regex::Regex;

use crate::pattern::pattern;
use crate::sentences::sentences;
use crate::slot::{Kind, Slot, slots};
use crate::third_person::{capitalised, third_person};
use crate::wording::{core, topics};

/// "Correction: …": the whole statement replaces one that was made before.
static LEAD_CUE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:correction|update|updated|edit|actually|scratch that|i was wrong|heads up|fix|change of plans?)\s*[:,;.–—-]\s*",
    )
});
static CUE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:now|no longer|not anymore|any ?more|switched|migrated|moved|relocated|changed|instead|pushed|rescheduled|postponed|escalated|promoted|replaced|as of (?:today|now|this)|has shipped|these days|from now on|again|new address)\b",
    )
});
static NEGATION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b(?:not|no longer|never|no|stopped|quit|gave up|has given up|cannot|\w+n['’]t)\b")
});
static LEADERSHIP: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:the )?(?:leadership|lead|management) (?:on|of|for) (?:the )?(?P<s>[\w'’& -]{2,50}?) (?:has )?changed[.:;,]\s+(?P<v>[A-Z][\w'’-]*)(?: [A-Z][\w'’-]*)? is (?:now )?the (?:new )?(?:team )?lead\b",
    )
});

/// A sentence, normalised.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Clause {
    /// All words but articles, in lower case.
    pub(crate) words: Vec<String>,
    /// The words without negation and fillers, stemmed.
    pub(crate) core: Vec<String>,
    pub(crate) negated: bool,
    pub(crate) slots: Vec<Slot>,
}

/// A memory, read once, to be compared with many.
///
/// ```
/// use pentad_memory_rules::{Statement, Verdict};
///
/// let old = Statement::read("alice uses Vim");
/// let new = Statement::read("alice switched to Emacs");
/// let judgement = new.judge(&old);
/// assert_eq!(judgement.verdict, Verdict::Contradicts);
/// assert!(judgement.confidence >= 0.85);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    pub(crate) clauses: Vec<Clause>,
    /// What it is about: content words, sorted.
    pub(crate) topics: Vec<String>,
    /// It says that something changed.
    pub(crate) cue: bool,
    /// It begins as a correction of what was said before.
    pub(crate) correction: bool,
}

impl Statement {
    /// Reads a memory. The first person stands for the user.
    pub fn read(text: &str) -> Statement {
        let text = text.trim();
        let lead = LEAD_CUE.find(text).map_or(0, |cue| cue.end());
        let body = &text[lead..];
        let mut clauses: Vec<Clause> = sentences(body).into_iter().map(Clause::read).collect();
        clauses.retain(|clause| !clause.words.is_empty());
        if let Some(found) = LEADERSHIP.captures(body) {
            let statement = format!("{} is now the lead of {}", &found["v"], &found["s"]);
            let mut said = Clause::read(&statement);
            said.slots.iter_mut().for_each(|slot| slot.change = true);
            clauses.push(said);
        }
        Statement {
            cue: lead > 0 || CUE.is_match(text),
            correction: lead > 0,
            topics: topics(&clauses),
            clauses,
        }
    }

    /// What the statement is the one answer to, such as `residence of alice`: two statements with the same answer
    /// the same question, so that an answer needs only one of them.
    pub fn slot_key(&self) -> Option<String> {
        let slot = self.clauses.iter().find_map(|clause| clause.slots.first())?;
        Some(format!("{} of {}", slot.kind.name(), slot.subject.join(" ")))
    }

    /// The clause, if the memory is a single one.
    pub(crate) fn only_clause(&self) -> Option<&Clause> {
        match self.clauses.as_slice() {
            [clause] => Some(clause),
            _ => None,
        }
    }
}

impl Clause {
    fn read(sentence: &str) -> Clause {
        let sentence = sentence.trim_end_matches(['.', '!', '…', ' ', '。']);
        let sentence = third_person(sentence, "User");
        let sentence = match sentence.get(..8) {
            Some(start) if start.eq_ignore_ascii_case("the user") => format!("User{}", &sentence[8..]),
            _ => sentence,
        };
        let clause = capitalised(&sentence);
        let words = clause
            .split(|c: char| {
                !(c.is_alphanumeric()
                    || matches!(
                        c,
                        '\'' | '’' | '-' | '.' | '@' | '$' | '€' | '£' | '+' | '#' | ':' | '%' | '&'
                    ))
            })
            .map(|word| {
                word.trim_matches(|c| matches!(c, '.' | ':' | '\'' | '’' | '-'))
                    .to_lowercase()
                    .replace('’', "'")
            })
            .filter(|word| !word.is_empty() && !matches!(word.as_str(), "a" | "an" | "the"))
            .collect::<Vec<String>>();
        let slots = if clause.len() <= 400 {
            slots(&clause)
        } else {
            Vec::new()
        };
        Clause {
            core: core(&words),
            words,
            negated: NEGATION.is_match(&clause),
            slots,
        }
    }

    /// The clause's slot of a kind.
    pub(crate) fn slot(&self, kind: Kind) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(move |slot| slot.kind == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_person_is_the_user() {
        assert_eq!(
            Statement::read("I live in Oslo.").clauses,
            Statement::read("The user lives in Oslo").clauses
        );
        assert_eq!(
            Statement::read("my favorite color is red").slot_key().as_deref(),
            Some("favorite of color favorite user")
        );
    }

    #[test]
    fn cues_are_heard() {
        assert!(Statement::read("Correction: it is at noon").correction);
        assert!(Statement::read("Bob is now a vegan").cue);
        assert!(!Statement::read("Bob knows a vegan").cue);
        assert!(!Statement::read("Actually Bob is a vegan").correction);
    }

    #[test]
    fn leadership_is_told_in_two_sentences() {
        let told = Statement::read("Leadership on the payments team changed. Sam is now the lead.");
        let slot = told
            .clauses
            .iter()
            .flat_map(|c| c.slot(Kind::Lead))
            .next()
            .expect("a lead");
        assert_eq!(
            (slot.value.as_str(), slot.subject.join(" ").as_str(), slot.change),
            ("sam", "lead payments team", true)
        );
    }
}
