//! What subjects and values must look like for a slot: what the patterns cannot say.

use std::sync::LazyLock;

use regex::Regex;

use crate::alternatives;
use crate::pattern::pattern;
use crate::places;
use crate::slot::Kind;
use crate::when::When;

/// What a rule's pattern cannot say about its groups.
pub(crate) fn accepts(kind: Kind, subject: &str, value: &str, more: Option<&str>) -> bool {
    let lower = value.to_lowercase();
    let words: Vec<&str> = lower.split(' ').collect();
    let plain = || !words.iter().any(|word| is_function_word(word));
    let timed = || {
        !When::read(value).is_empty()
            && words.len() <= 8
            && !words.contains(&"and")
            && !words.contains(&"not")
    };
    // A longer subject is a clause of its own: "the man who taught Alice how to swim".
    subject.split(' ').count() <= 8
        && match kind {
            // A move or a promotion with a date stays true for ever; so does one that is long past.
            Kind::Residence => {
                (is_place_form(value) || places::is_known(&lower)) && more.is_none_or(|more| !is_past(more))
            }
            Kind::Employer => is_name(value, 6) && more.is_none_or(|more| !is_past(more)),
            Kind::Favorite => !is_vague(subject) && words.len() <= 6 && !value.contains(',') && plain(),
            Kind::Preference => words.len() <= 5 && !value.contains(',') && plain(),
            Kind::Tool => When::read(value).is_empty() && words.len() <= 3 && !value.contains(',') && plain(),
            Kind::Title => words.len() <= 4 && plain() && more.is_none_or(|more| !is_past(more)),
            Kind::Lead => plain() && !is_pronoun(words[0]),
            Kind::Time | Kind::Due => timed(),
            Kind::Contact => value.contains('@') || value.chars().filter(char::is_ascii_digit).count() >= 5,
            Kind::School => is_name(value, 6),
            Kind::Assignee => plain() && !is_pronoun(words[0]),
            Kind::Possession => words.len() <= 3 && plain(),
            Kind::Count | Kind::Attribute => true,
            Kind::Age => value.parse::<u32>().is_ok_and(|age| (1..130).contains(&age)),
            Kind::Diet | Kind::Status | Kind::Priority | Kind::Relationship | Kind::Price => true,
        }
}

/// Capitalised words, at most `longest`, joined by what joins names: "Bank of America".
fn is_name(text: &str, longest: usize) -> bool {
    let starts_as_name = |word: &str| word.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit());
    let words: Vec<&str> = text.split(' ').collect();
    words.len() <= longest
        && words.first().is_some_and(|word| starts_as_name(word))
        && words.last().is_some_and(|word| starts_as_name(word))
        && words
            .iter()
            .all(|word| starts_as_name(word) || matches!(*word, "of" | "&" | "for" | "the" | "de" | "upon"))
}

/// A place ("Oslo", "Portland, Oregon", "the Hague") or an address ("42 Birch Street in Portland").
fn is_place_form(text: &str) -> bool {
    let text = text.strip_prefix("the ").unwrap_or(text);
    match text.split_once(" in ") {
        Some((address, place)) => {
            address.starts_with(|c: char| c.is_ascii_digit()) && is_name(address, 6) && is_name(place, 5)
        }
        None => is_name(text, 7),
    }
}

/// Favourites of which there are many: things, places, memories.
fn is_vague(subject: &str) -> bool {
    const VAGUE: &[&str] = &[
        "activity", "aspect", "day", "memory", "moment", "one", "part", "person", "place", "quote", "spot",
        "story", "thing", "things", "time", "way",
    ];
    let subject = subject.to_lowercase().replace("favourite", "favorite");
    let about = subject.split("favorite ").nth(1).unwrap_or_default();
    about
        .split(' ')
        .next()
        .is_none_or(|first| VAGUE.binary_search(&first).is_ok())
        || about.split(' ').count() > 4
}

/// "in 2015", "ten years ago", "when she was a child".
fn is_past(more: &str) -> bool {
    static PAST: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)\b(?:(?:19|20)\d\d|ago|when|as a (?:child|kid|teenager|student|boy|girl|baby)|years|in (?:his|her|their) (?:teens|youth|childhood|twenties|thirties)|originally|once|before|at the age|aged)\b",
        )
    });
    PAST.is_match(more)
}

/// "moved to Engineering", "moved to Postgres" and "moved to 3pm" are no change of residence.
pub(crate) fn is_place_name(value: &str) -> bool {
    #[rustfmt::skip]
    const DEPARTMENTS: &[&str] = &[
        "accounting", "admin", "backend", "compliance", "customer", "data", "design", "engineering",
        "finance", "frontend", "hr", "infrastructure", "legal", "management", "marketing", "operations",
        "platform", "product", "procurement", "research", "sales", "security", "support", "team",
    ];
    let first = value.split([' ', ',']).next().unwrap_or(value);
    places::is_known(value)
        || !(DEPARTMENTS.binary_search(&first).is_ok()
            || alternatives::is_known(value)
            || alternatives::is_known(first)
            || !When::read(value).is_empty())
}

pub(crate) fn names_a_group(subject: &[String]) -> bool {
    #[rustfmt::skip]
    const GROUPS: &[&str] = &[
        "band", "branch", "chapter", "club", "committee", "company", "council", "crew", "department",
        "division", "group", "guild", "initiative", "lab", "migration", "office", "organization", "program",
        "project", "squad", "team", "unit",
    ];
    subject.iter().any(|word| GROUPS.contains(&word.as_str()))
}

pub(crate) fn names_work(subject: &[String]) -> bool {
    #[rustfmt::skip]
    const WORK: &[&str] = &[
        "account", "api", "backend", "backlog", "budget", "codebase", "component", "document", "frontend",
        "infrastructure", "issue", "launch", "migration", "module", "onboarding", "pipeline", "process", "project",
        "release", "relationship", "repo", "repository", "roadmap", "rollout", "service", "subsystem", "task", "ticket",
        "website",
    ];
    subject.iter().any(|word| WORK.contains(&word.as_str()))
}

/// Words that make a value more than a name: it is a clause, a list or a condition.
fn is_function_word(word: &str) -> bool {
    matches!(
        word,
        "and"
            | "or"
            | "but"
            | "because"
            | "when"
            | "while"
            | "which"
            | "that"
            | "who"
            | "if"
            | "since"
            | "so"
            | "as"
            | "is"
            | "are"
            | "was"
            | "were"
            | "be"
            | "to"
            | "not"
            | "with"
            | "for"
            | "by"
            | "from"
            | "after"
            | "before"
            | "in"
            | "at"
            | "on"
            | "about"
            | "her"
            | "his"
            | "their"
            | "my"
            | "too"
            | "also"
            | "either"
            | "any"
            | "some"
    )
}

pub(crate) fn is_pronoun(word: &str) -> bool {
    matches!(
        word,
        "he" | "she"
            | "they"
            | "it"
            | "this"
            | "that"
            | "there"
            | "who"
            | "someone"
            | "somebody"
            | "everyone"
            | "everybody"
            | "nobody"
            | "one"
            | "these"
            | "those"
            | "you"
            | "here"
            | "what"
            | "another"
            | "some"
            | "if"
            | "when"
            | "because"
            | "his"
            | "her"
            | "their"
            | "its"
    )
}
