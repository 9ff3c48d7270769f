//! Single-valued predicates: what somebody has one of at a time (a home, an employer, a favourite colour).

use regex::Captures;

use crate::alternatives;
use crate::attribute::{Form, attribute, number};
use crate::places;
pub(crate) use crate::slot_form::is_pronoun;
use crate::slot_form::{accepts, is_place_name, names_a_group, names_work};
use crate::slot_rules::{RULES, Rule};

/// A predicate that has one value at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Residence,
    Employer,
    Title,
    Favorite,
    Preference,
    Tool,
    Diet,
    Lead,
    Time,
    Due,
    Status,
    Priority,
    Contact,
    Relationship,
    Price,
    Age,
    School,
    Assignee,
    Count,
    Possession,
    Attribute,
}

impl Kind {
    /// The predicate in words, for reasonings.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Residence => "residence",
            Kind::Employer => "employer",
            Kind::Title => "title",
            Kind::Favorite => "favorite",
            Kind::Preference => "preference",
            Kind::Tool => "tool",
            Kind::Diet => "diet",
            Kind::Lead => "lead",
            Kind::Time => "time",
            Kind::Due => "due date",
            Kind::Status => "status",
            Kind::Priority => "priority",
            Kind::Contact => "contact",
            Kind::Relationship => "relationship",
            Kind::Price => "price",
            Kind::Age => "age",
            Kind::School => "school",
            Kind::Assignee => "assignee",
            Kind::Count => "count",
            Kind::Possession => "possession",
            Kind::Attribute => "attribute",
        }
    }
}

/// One predicate with its subject and value, as a clause states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) kind: Kind,
    /// Content words of the subject, sorted, in lower case.
    pub(crate) subject: Vec<String>,
    /// The value, in lower case.
    pub(crate) value: String,
    /// The value that it replaces, if the clause says so ("from Vim to Emacs"), in lower case.
    pub(crate) replaces: Option<String>,
    /// The verb itself says that something changed: moved, switched, promoted.
    pub(crate) change: bool,
    /// The value is written as a name: "Lumen", not "closed".
    pub(crate) named: bool,
    /// The clause says more than subject, predicate and value.
    pub(crate) more: bool,
    /// The preposition between verb and value, where it matters: works *at* Acme, works *for* Gerald.
    pub(crate) preposition: Option<String>,
    /// Of an attribute: what its value looks like.
    pub(crate) form: Option<Form>,
    /// The clause says that the value is one no longer: left Acme, broke up with Bob.
    pub(crate) ends: bool,
}

/// Whether a statement fills any slot.
pub(crate) fn has_slot(statement: &str) -> bool {
    !slots(statement.trim_end_matches(['.', '!', ' '])).is_empty()
}

/// The slots that a clause fills. The clause begins with a capital and has no full stop at its end.
pub(crate) fn slots(clause: &str) -> Vec<Slot> {
    RULES
        .iter()
        .filter(|rule| rule.words.iter().any(|word| clause.contains(word)))
        .filter_map(|rule| slot(rule, &rule.pattern.captures(clause)?))
        .chain(attribute(clause))
        .collect()
}

fn slot(rule: &Rule, captures: &Captures<'_>) -> Option<Slot> {
    let group = |name: &str| captures.name(name).map(|found| found.as_str().trim());
    let said = group("v").or(group("w")).or(group("z"))?;
    let mut value = said.to_lowercase();
    let mut subject_text = group("s")?.to_owned();
    // Part of what the predicate is about: the purpose of a tool, the role of a leader.
    for part in ["c", "r", "n"] {
        if let Some(text) = group(part) {
            subject_text.push(' ');
            subject_text.push_str(match text {
                "leads" | "leader" | "team lead" => "lead",
                "heads" => "head",
                "manages" => "manager",
                "owns" | "responsible for" | "in charge of" => "owner",
                "leaves" | "departs" => "leave",
                "opens" => "open",
                "closes" => "close",
                "ends" => "end",
                "arrives" => "arrive",
                other => other,
            });
        }
    }
    let mut subject = subject_words(&subject_text, false);
    let more = group("x").is_some();
    let first_word = subject_text.split(' ').next().unwrap_or_default().to_lowercase();
    if subject.is_empty() || is_pronoun(&first_word) || !accepts(rule.kind, &subject_text, said, group("x")) {
        return None;
    }
    if rule.kind == Kind::Residence && rule.change {
        // Who says "we moved" moved.
        subject.retain(|word| !matches!(word.as_str(), "and" | "others"));
    }
    match rule.kind {
        Kind::Residence if rule.change && !is_place_name(said) => return None,
        // "left Spain for Portugal" is about no job.
        Kind::Employer if group("f").is_some() && places::is_known(&value) => return None,
        // A group of people has one leader; a discussion or a dance is led by many.
        Kind::Lead
            if group("r").is_some_and(|role| {
                (role == "leads" || role == "heads" || role == "manages") && !names_a_group(&subject)
                    || matches!(role, "owns" | "responsible for" | "in charge of") && !names_work(&subject)
            }) =>
        {
            return None;
        }
        Kind::Diet => {
            value = match value.as_str() {
                "fish" => "pescatarian".to_owned(),
                "meat" => "omnivore".to_owned(),
                _ => value,
            }
        }
        Kind::Relationship if value == "dating" || group("z").is_some() => value = "relationship".to_owned(),
        // "Alice's role is designer" is about the role.
        Kind::Title
            if subject
                .iter()
                .any(|word| matches!(word.as_str(), "title" | "role" | "job" | "position")) =>
        {
            return None;
        }
        Kind::Count => {
            if let Some(number) = number(&value) {
                value = number.to_string();
            }
        }
        Kind::Contact => value.retain(|c| !matches!(c, ' ' | '-' | '(' | ')')),
        // "moved to Emacs" is about a tool, "moved to Engineering" is not.
        Kind::Tool if group("k").is_some() && !alternatives::is_known(&value) => return None,
        // Nor is what has no name: oat milk, a standing desk.
        Kind::Tool
            if rule.change
                && !alternatives::is_known(&value)
                && !said.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit()) =>
        {
            return None;
        }
        _ => {}
    }
    Some(Slot {
        kind: rule.kind,
        subject,
        value,
        replaces: group("f").map(str::to_lowercase),
        change: rule.change || group("e").is_some() || group("new").is_some(),
        named: said.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit()),
        more,
        preposition: group("p").map(str::to_owned),
        form: None,
        ends: group("z").is_some(),
    })
}

/// Content words of a subject, sorted: no articles, no possessive endings, no "new" or "current". The name of the
/// predicate itself (`price`, `due date`) is kept only when asked for.
pub(crate) fn subject_words(subject: &str, keep_noun: bool) -> Vec<String> {
    let mut words: Vec<String> = subject
        .to_lowercase()
        .split(' ')
        .map(|word| {
            let word = word
                .trim_end_matches("'s")
                .trim_end_matches("’s")
                .trim_end_matches('\'');
            match word {
                "favourite" => "favorite".to_owned(),
                "colour" => "color".to_owned(),
                _ => word.to_owned(),
            }
        })
        .filter(|word| {
            keep_noun && matches!(word.as_str(), "deadline" | "due" | "date" | "price")
                || !matches!(
                    word.as_str(),
                    "" | "the"
                        | "a"
                        | "an"
                        | "new"
                        | "current"
                        | "currently"
                        | "now"
                        | "deadline"
                        | "due"
                        | "date"
                        | "of"
                        | "for"
                        | "with"
                        | "on"
                        | "all-time"
                        | "absolute"
                        | "price"
                        | "address"
                        | "as"
                        | "at"
                )
        })
        .collect();
    words.sort_unstable();
    if !keep_noun {
        words.dedup();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(clause: &str, expected: Option<(Kind, &str, &str)>) {
        let found = slots(clause);
        let found = found
            .first()
            .map(|slot| (slot.kind, slot.subject.join(" "), slot.value.clone()));
        let expected = expected.map(|(kind, subject, value)| (kind, subject.to_owned(), value.to_owned()));
        assert_eq!(found, expected, "{clause:?}");
    }

    #[test]
    fn clauses_fill_slots() {
        check(
            "Alice lives in Berlin",
            Some((Kind::Residence, "alice", "berlin")),
        );
        check(
            "User lives at 42 Birch Street in Portland",
            Some((Kind::Residence, "user", "42 birch street in portland")),
        );
        check(
            "User's new address is 118 Cedar Avenue in Portland",
            Some((Kind::Residence, "user", "118 cedar avenue in portland")),
        );
        check(
            "Alice moved to Oslo last week",
            Some((Kind::Residence, "alice", "oslo")),
        );
        check(
            "User's brother Anselm lives in Montreal",
            Some((Kind::Residence, "anselm brother user", "montreal")),
        );
        check(
            "Alice works at Acme Corp as an engineer",
            Some((Kind::Employer, "alice", "acme corp")),
        );
        check(
            "Bob left Acme for Globex",
            Some((Kind::Employer, "bob", "globex")),
        );
        check(
            "Alice was promoted to staff engineer",
            Some((Kind::Title, "alice", "staff engineer")),
        );
        check(
            "Alice's favourite color is teal",
            Some((Kind::Favorite, "alice color favorite", "teal")),
        );
        check(
            "Alice prefers aisle seats",
            Some((Kind::Preference, "alice", "aisle seats")),
        );
        check(
            "Alice prefers tea over coffee",
            Some((Kind::Preference, "alice", "tea")),
        );
        check("Alice uses Vim", Some((Kind::Tool, "alice", "vim")));
        check(
            "Alice switched from Vim to Emacs",
            Some((Kind::Tool, "alice", "emacs")),
        );
        check(
            "User is vegetarian, please don't suggest meat",
            Some((Kind::Diet, "user", "vegetarian")),
        );
        check(
            "Priya is the lead on the payments team",
            Some((Kind::Lead, "lead payments team", "priya")),
        );
        check(
            "Sam leads the payments team",
            Some((Kind::Lead, "lead payments team", "sam")),
        );
        check(
            "The design team meeting moved to 3pm on Friday",
            Some((Kind::Time, "design meeting team", "3pm on friday")),
        );
        check(
            "The Q3 report is due on August 15th",
            Some((Kind::Due, "q3 report", "august 15th")),
        );
        check(
            "The Q3 report deadline was pushed back to September 1st",
            Some((Kind::Due, "q3 report", "september 1st")),
        );
        check(
            "Order ORTAND-88 has shipped",
            Some((Kind::Status, "order ortand-88", "shipped")),
        );
        check(
            "The migration ticket was escalated to priority P0",
            Some((Kind::Priority, "migration ticket", "p0")),
        );
        check(
            "Alice's work email is a@b.example",
            Some((Kind::Contact, "alice email work", "a@b.example")),
        );
        check(
            "Bob is engaged to Carol",
            Some((Kind::Relationship, "bob", "engaged")),
        );
        check(
            "The basic plan costs $30 per month",
            Some((Kind::Price, "basic plan", "$30 per month")),
        );
        check("Alice is 34 years old", Some((Kind::Age, "alice", "34")));
    }

    #[test]
    fn what_may_be_true_beside_another_fills_none() {
        for clause in [
            "He lives in Berlin",
            "Alice lives in Berlin and Paris",
            "Alice lives in fear",
            "Alice moved to Oslo in 2015",
            "Bob moved to Engineering",
            "Bob moved to Friday",
            "Alice's favorite thing is hiking",
            "Alice prefers to walk",
            "Alice leads the discussion on Tuesdays",
            "Alice speaks French",
            "Alice likes tea",
            "The meeting is important",
            "Alice is engaged in politics",
            "Alice works at a bakery",
            "Alice is one of the leads of the team",
        ] {
            check(clause, None);
        }
    }
}
