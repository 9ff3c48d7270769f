//! A memory as the comparison sees it.

use std::sync::LazyLock;

use regex::Regex;

use crate::liking::Liking;
use crate::opening::without_opening;
use crate::pattern::pattern;
use crate::sentences::sentences;
use crate::slot::{Kind, Slot, slots};
use crate::state::State;
use crate::third_person::{capitalised, third_person};
use crate::wording::{core, topics};

/// "Correction: …": the whole statement replaces one that was made before.
static LEAD_CUE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:(?:small |quick |minor )?(?:correction|update)|updated|edit|actually|scratch that|i was wrong|heads up|fix|change of plans?)\s*[:,;.–—-]\s*",
    )
});
static CUE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:now|no longer|not anymore|any ?more|switched|migrated|moved|relocated|changed|instead|pushed|rescheduled|postponed|escalated|promoted|replaced|as of (?:today|now|this|last)|since (?:last|this|yesterday)|has shipped|these days|nowadays|from now on|starting today|effective immediately|again|new address|upgraded|transferred|reassigned)\b",
    )
});
static NEGATION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b(?:not|no longer|never|no|stopped|quit|gave up|has given up|cannot|\w+n['’]t)\b")
});
/// "…, not blue": what it was taken for before.
static CONTRAST: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(?P<c>[^,;]+), (?:and )?not [^,;]{1,40}?(?: any ?more)?$"));
/// "quit smoking last year".
static ENDED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?P<c>.*? (?:quit|stopped|gave up) .*?) (?:last \w+|this \w+|yesterday|recently|(?:in )?(?:19|20)\d\d|(?:a|an|one|two|three|\d+) \w+ ago)$",
    )
});
/// A note about the user that leaves them out: "lives in Berlin".
static SUBJECTLESS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:[Ll]ives|[Rr]esides|[Ww]orks|[Mm]oved|[Rr]elocated|[Pp]refers|[Ll]ikes|[Ll]oves|[Hh]ates|[Dd]islikes|[Ee]njoys|[Uu]ses|[Dd]rives|[Ss]peaks|[Ss]witched|[Nn]o longer|[Dd]oesn['’]t) \w",
    )
});
/// But not "is used to".
static USED_TO: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(?:\p{Lu}[\w'’-]*|[Tt]he \w+)(?: \w+)? used to (?:\w+)"));
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
    /// What it says is over: "used to".
    pub(crate) past: bool,
    pub(crate) slots: Vec<Slot>,
    pub(crate) state: Option<State>,
    pub(crate) liking: Option<Liking>,
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
        let mut clauses: Vec<Clause> = sentences(body)
            .into_iter()
            .flat_map(parts)
            .map(Clause::read)
            .collect();
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
        let states = |clause: &'_ Clause| clause.slots.iter().find(|slot| !slot.ends).cloned();
        let slot = self.clauses.iter().find_map(states)?;
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

/// What a sentence says about its speaker one after the other: "I live in Oslo now, I moved last week".
fn parts(sentence: &str) -> Vec<&str> {
    const BREAKS: &[&str] = &[
        ", I ",
        ", User ",
        ", and I ",
        ", and User ",
        ", but I ",
        ", but User ",
        " but now ",
        ", but now ",
        " and now I ",
        " and now User ",
        ", so ",
        ", he ",
        ", she ",
        ", they ",
    ];
    // "In the game, I live in a castle": where it is so, not a statement of its own.
    static SETTING: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)^(?:in|on|at|by|for|under|during|after|according|from|with|without|as|contrary|officially|technically|allegedly|supposedly)\b",
        )
    });
    static DEPENDENT: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)\b(?:if|when|whenever|unless|although|though|before|while|because|whether|until|would|suppose|imagine|say|says|said|thinks?)\b",
        )
    });
    let places = BREAKS
        .iter()
        .filter_map(|words| Some((sentence.find(words)?, *words)));
    let Some((at, words)) = places.min_by_key(|(at, words)| (*at, std::cmp::Reverse(words.len()))) else {
        return vec![sentence];
    };
    let (before, after) = (&sentence[..at], &sentence[at + words.len()..]);
    if DEPENDENT.is_match(sentence) || SETTING.is_match(before) {
        return vec![sentence];
    }
    // The speaker belongs to what follows.
    let speaker = words
        .trim_end()
        .rsplit(' ')
        .next()
        .filter(|word| matches!(*word, "I" | "User"));
    let after = speaker.map_or(after, |speaker| &sentence[at + words.len() - speaker.len() - 1..]);
    vec![before, after.trim()]
}

impl Clause {
    fn read(sentence: &str) -> Clause {
        let sentence = sentence.trim_end_matches(['.', '!', '…', ' ', '。']);
        let sentence = if SUBJECTLESS.is_match(sentence) {
            format!("User {}", sentence[..1].to_lowercase() + &sentence[1..])
        } else {
            third_person(sentence, "User")
        };
        let sentence = match sentence.get(..8) {
            Some(start) if start.eq_ignore_ascii_case("the user") => format!("User{}", &sentence[8..]),
            _ => sentence,
        };
        let clause = capitalised(&without_opening(&sentence));
        let positive = CONTRAST.captures(&clause).map(|found| found["c"].to_owned());
        // What is contrasted with is left out only where it is understood what is said instead.
        let corrected = positive.filter(|positive| !slots(positive).is_empty());
        let contrast = corrected.is_some();
        let clause = corrected.unwrap_or(clause);
        let words = words(&clause);
        let (mut slots, state, liking) = if clause.len() <= 400 {
            (slots(&clause), State::read(&clause), Liking::read(&clause))
        } else {
            (Vec::new(), None, None)
        };
        if contrast {
            slots.iter_mut().for_each(|slot| slot.change = true);
        }
        Clause {
            // For a denial it does not matter since when it is over.
            core: ENDED
                .captures(&clause)
                .map_or_else(|| core(&words), |found| core(&self::words(&found["c"]))),
            words,
            negated: NEGATION.is_match(&clause),
            past: USED_TO.is_match(&clause),
            slots,
            state,
            liking,
        }
    }

    /// The clause's slot of a kind.
    pub(crate) fn slot(&self, kind: Kind) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(move |slot| slot.kind == kind)
    }
}

/// All words of a clause but articles, in lower case.
fn words(clause: &str) -> Vec<String> {
    clause
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
        .collect()
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
    fn a_note_without_a_subject_is_about_the_user() {
        assert_eq!(
            Statement::read("lives in Oslo").clauses,
            Statement::read("User lives in Oslo.").clauses
        );
        assert_eq!(
            Statement::read("Moved to Lisbon").slot_key().as_deref(),
            Some("residence of user")
        );
    }

    #[test]
    fn cues_are_heard() {
        assert!(Statement::read("Correction: it is at noon").correction);
        let contrast = Statement::read("The standup is at 10:00, not 9:30.");
        assert!(contrast.clauses[0].slots[0].change);
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
