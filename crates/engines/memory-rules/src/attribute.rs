//! What a person or a thing has one of, said by a noun: "Alice's manager is Dana", "The rate limit was raised to 200".

use std::sync::LazyLock;

use regex::Regex;

use crate::doubt::amount;
use crate::introduction::is_description;
use crate::pattern::pattern;
use crate::slot::{Kind, Slot, subject_words};
use crate::when::When;

/// What the value of an attribute looks like. Whatever looks different is said about the attribute, but is not its
/// value: "Alice's manager is on holiday".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A name: people, companies, languages.
    Name,
    /// A place.
    Place,
    /// A number with its unit.
    Number,
    /// A date or a time.
    Date,
    /// One word that is not of the language: a password, a version, an address on the network.
    Code,
    /// A few plain words.
    Words,
    /// The same, of what is also described by such words: "Alice's job is stressful".
    Role,
}

/// Nouns that name an attribute when they end its phrase, sorted.
#[rustfmt::skip]
const NOUNS: &[(&str, Form)] = &[
    ("address", Form::Code), ("age", Form::Number), ("assignee", Form::Name), ("birthday", Form::Date),
    ("birthplace", Form::Place), ("boss", Form::Name), ("boyfriend", Form::Name), ("branch", Form::Words),
    ("budget", Form::Number), ("called", Form::Role), ("capacity", Form::Number), ("ceo", Form::Name), ("cfo", Form::Name),
    ("coach", Form::Name), ("code", Form::Code), ("commute", Form::Number), ("cto", Form::Name),
    ("currency", Form::Words), ("database", Form::Words), ("deadline", Form::Date), ("dentist", Form::Name),
    ("doctor", Form::Name), ("domain", Form::Code), ("email", Form::Code), ("employer", Form::Name),
    ("endpoint", Form::Code), ("fee", Form::Number), ("fiance", Form::Name), ("fiancé", Form::Name),
    ("fiancée", Form::Name), ("girlfriend", Form::Name), ("headquarters", Form::Place),
    ("height", Form::Number), ("hometown", Form::Place), ("host", Form::Code), ("hostname", Form::Code),
    ("husband", Form::Name), ("job", Form::Role), ("landlord", Form::Name), ("lead", Form::Name),
    ("limit", Form::Number), ("location", Form::Place), ("major", Form::Words), ("manager", Form::Name),
    ("mayor", Form::Name), ("mentor", Form::Name), ("name", Form::Name), ("owner", Form::Name), ("partner", Form::Name), ("passcode", Form::Code), ("passphrase", Form::Code),
    ("password", Form::Code), ("pin", Form::Code), ("port", Form::Code), ("position", Form::Role),
    ("price", Form::Number), ("principal", Form::Name), ("priority", Form::Words), ("quota", Form::Number),
    ("release", Form::Code), ("rent", Form::Number), ("role", Form::Role), ("room", Form::Code),
    ("salary", Form::Number), ("size", Form::Number), ("spouse", Form::Name), ("status", Form::Words),
    ("subscription", Form::Number), ("supervisor", Form::Name), ("target", Form::Number),
    ("therapist", Form::Name), ("threshold", Form::Number), ("timeout", Form::Number),
    ("timezone", Form::Words), ("title", Form::Words), ("url", Form::Code), ("username", Form::Code),
    ("version", Form::Code), ("weight", Form::Number), ("wife", Form::Name), ("zone", Form::Words),
];
/// Attributes of two words.
#[rustfmt::skip]
const PHRASES: &[(&str, Form)] = &[
    ("blood type", Form::Code), ("closing date", Form::Date), ("delivery date", Form::Date), ("due date", Form::Date),
    ("end date", Form::Date), ("expiration date", Form::Date), ("expiry date", Form::Date), ("go-live date", Form::Date),
    ("home city", Form::Place), ("job title", Form::Words), ("launch date", Form::Date), ("move-in date", Form::Date),
    ("native language", Form::Words), ("phone number", Form::Code), ("release date", Form::Date),
    ("ship date", Form::Date), ("start date", Form::Date), ("wedding date", Form::Date),
];
/// With one of these before it, any noun names an attribute.
const SINGLE: &[&str] = &["default", "legal", "native", "preferred", "primary"];
/// Of these there are several, however they are called.
#[rustfmt::skip]
const SEVERAL: &[&str] = &[
    "challenge", "concern", "focus", "goal", "interest", "issue", "motivation", "objective", "problem", "purpose",
    "reason", "topic",
];
/// What makes another attribute of it, of which nothing can be concluded.
#[rustfmt::skip]
const ANOTHER: &[&str] = &[
    "ex", "ex-husband", "ex-wife", "former", "next", "old", "one", "other", "previous", "previously", "second",
    "usual", "original",
];

static IS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?P<s>[^,;:!?]+?) (?:is|are) (?:(?P<e>now) |currently |actually )?(?:set (?:to|at) |called |named |(?P<in>on |in ))?(?P<v>(?:[^,;!?]|,\d)+?)(?P<e2> now| these days)?$",
    )
});
static CHANGED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?P<s>[^,;:!?]+?) (?:has |have |was |were |is |got |has been |have been |had been )?(?:(?:just|recently|now) )*(?:changed|updated|set|reset|renamed|(?P<happened>moved|increased|decreased|raised|lowered|reduced|cut|bumped(?: up)?|switched|upgraded|extended|postponed|rescheduled|pushed(?: back| out)?|brought forward|slipped|went up|went down|gone up|gone down|rose|risen|fell|fallen|dropped|grew|grown))(?: from (?P<f>[^,;:!?]+?))? to (?P<v>(?:[^,;!?]|,\d)+?)(?: (?:last|this) \w+| yesterday| today| recently)?$",
    )
});
/// "Alice changed her email address to …".
static CHANGES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?P<s>\p{Lu}[\w -]*?) (?:has |have )?(?:(?:just|recently) )?(?:changed|updated|switched|reset) (?:his|her|their|its|(?:\p{Lu}\w*)['’]s?) (?P<n>[\w -]+?)(?: from (?P<f>[^,;:!?]+?))? to (?P<v>[^,;!?]+?)$",
    )
});
static GOES_BY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?P<s>\p{Lu}[\w ]*?) (?:(?P<e>now) |usually )?goes by(?: the name)? (?P<v>\p{Lu}[\w-]+)(?P<e2> now)?$",
    )
});

/// "Lee is now Alice's manager".
static REVERSED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?P<v>\p{Lu}[\w.-]*(?: \p{Lu}[\w-]*)?) is (?P<e>now )?(?P<s>\p{Lu}[\w-]*(?:['’]s|['’]) (?:new )?(?P<n>[\w-]+))(?P<e2> now)?$",
    )
});
static CALLED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?P<s>[^,;:!?]+?) (?:is (?P<e>now )?(?:called|named)|(?:is |was |got |has been )?(?P<e2>renamed)(?: from (?P<f>[^,;:!?]+?))? to) (?P<v>\p{Lu}[\w .-]*?)(?: now)?$",
    )
});

/// The attribute that a clause states, if it states one.
pub(crate) fn attribute(clause: &str) -> Option<Slot> {
    let (found, changes, phrase) = if let Some(found) = CHANGES.captures(clause) {
        let phrase = format!("{} {}", &found["s"], &found["n"]);
        (found, true, phrase)
    } else if let Some(found) = CALLED.captures(clause) {
        let phrase = format!("{} called", &found["s"]);
        (found, false, phrase)
    } else if let Some(found) = REVERSED.captures(clause).filter(|found| {
        let at = NOUNS.binary_search_by(|(name, _)| (*name).cmp(&found["n"]));
        at.is_ok_and(|at| NOUNS[at].1 == Form::Name)
    }) {
        let phrase = found["s"].to_owned();
        (found, false, phrase)
    } else if let Some(found) = CHANGED.captures(clause) {
        let phrase = found["s"].to_owned();
        (found, true, phrase)
    } else if let Some(found) = GOES_BY.captures(clause) {
        let phrase = format!("{} goes-by name", &found["s"]);
        (found, false, phrase)
    } else {
        let found = IS.captures(clause)?;
        let phrase = found["s"].to_owned();
        (found, false, phrase)
    };
    let phrase = phrase
        .to_lowercase()
        .replace("colour", "color")
        .replace("time zone", "timezone");
    let words: Vec<&str> = phrase.split(' ').collect();
    if words.len() > 9 || words.iter().any(|word| is_clause_word(word)) {
        return None;
    }
    let form = form(&words)?;
    let said = found["v"].trim();
    let said = ["a ", "an ", "the "]
        .iter()
        .find_map(|article| said.strip_prefix(article))
        .unwrap_or(said);
    if !has_form(said, form, changes) || form == Form::Name && leaves_the_name(&found) {
        return None;
    }
    Some(Slot {
        kind: Kind::Attribute,
        subject: subject_words(&phrase, true),
        value: said.to_lowercase(),
        replaces: found.name("f").map(|before| before.as_str().to_lowercase()),
        named: said.starts_with(char::is_uppercase),
        change: changes || found.name("e").is_some() || found.name("e2").is_some(),
        more: false,
        preposition: None,
        form: Some(form),
        ends: false,
    })
}

/// What the phrase of an attribute ("Bob's job title", "The CEO of Acme") lets its value look like.
fn form(words: &[&str]) -> Option<Form> {
    let head = words
        .split(|word| matches!(*word, "of" | "for" | "on" | "at" | "in"))
        .next()?;
    let noun = *head.last()?;
    if words.iter().any(|word| ANOTHER.contains(word)) || noun.ends_with("'s") || SEVERAL.contains(&noun) {
        return None;
    }
    if noun == "is" || head.len() == 1 && words.len() == 1 && !matches!(noun, "rent" | "deadline") {
        return None;
    }
    let phrase = head.len().checked_sub(2).map(|from| head[from..].join(" "));
    let of_phrase = |(name, form): &(&str, Form)| (phrase.as_deref() == Some(*name)).then_some(*form);
    let single = || {
        head.iter()
            .any(|word| SINGLE.contains(word))
            .then_some(Form::Words)
    };
    PHRASES
        .iter()
        .find_map(of_phrase)
        .or_else(|| {
            let at = NOUNS.binary_search_by(|(name, _)| (*name).cmp(noun)).ok()?;
            Some(NOUNS[at].1)
        })
        .or_else(single)
}

/// A person who moved to Berlin, or is in Spain, is still the same.
fn leaves_the_name(found: &regex::Captures<'_>) -> bool {
    found.name("happened").is_some() || found.name("in").is_some()
}

fn has_form(value: &str, form: Form, changes: bool) -> bool {
    let words: Vec<&str> = value.split(' ').collect();
    let capital = |word: &str| word.starts_with(|c: char| c.is_uppercase());
    let digits = value.contains(|c: char| c.is_ascii_digit());
    match form {
        Form::Name => {
            words.len() <= 4
                && capital(words[0])
                && words
                    .iter()
                    .all(|word| capital(word) || matches!(*word, "of" | "de" | "van" | "von" | "da"))
                && !is_description(words[0])
                && When::read(value).is_empty()
        }
        Form::Place => {
            words.len() <= 4
                && words
                    .iter()
                    .all(|word| capital(word) || matches!(*word, "of" | "the"))
        }
        Form::Number => words.len() <= 6 && (digits || number(words[0]).is_some()),
        Form::Date => words.len() <= 7 && !When::read(value).is_empty() && !words.contains(&"and"),
        Form::Code => {
            let shaped = digits
                || value
                    .contains(|c: char| matches!(c, '.' | ':' | '/' | '_' | '@' | '-') || c.is_uppercase());
            words.len() == 1 && (shaped || changes)
                || words.len() <= 4
                    && digits
                    && words.iter().all(|word| word.len() <= 12)
                    && !words.iter().any(|word| is_clause_word(word))
        }
        Form::Words | Form::Role => {
            #[rustfmt::skip]
            const EVALUATIONS: &[&str] = &[
                "also", "always", "another", "bad", "being", "better", "broken", "clear", "confusing", "correct",
                "different", "easy", "excellent", "fine", "going", "good", "great", "hard", "important", "impressive",
                "interesting", "it", "just", "missing", "my", "never", "nice", "no", "not", "ok", "okay", "often",
                "outdated", "really", "related", "right", "still", "that", "their", "this", "too", "unclear",
                "unknown", "up", "usually", "very", "well", "what", "whatever", "where", "worse", "wrong",
            ];
            let first = words[0].to_lowercase();
            words.len() <= 4
                && EVALUATIONS.binary_search(&first.as_str()).is_err()
                && !words.iter().any(|word| is_clause_word(word))
        }
    }
}

/// Words of a phrase that is more than a name of something.
fn is_clause_word(word: &str) -> bool {
    matches!(
        word,
        "and"
            | "or"
            | "but"
            | "that"
            | "which"
            | "who"
            | "if"
            | "when"
            | "because"
            | "is"
            | "was"
            | "were"
            | "has"
            | "had"
            | "will"
            | "would"
            | "not"
            | "no"
            | "said"
            | "says"
            | "thinks"
            | "than"
            | "it"
            | "this"
            | "what"
            | "wants"
            | "about"
            | "one"
            | "some"
            | "any"
            | "every"
            | "each"
    )
}

/// A number in words.
pub(crate) fn number(word: &str) -> Option<usize> {
    const NUMBERS: [&str; 13] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve",
    ];
    NUMBERS.iter().position(|name| *name == word)
}

/// Where, when or for whom a value holds: the "on staging" of "12 on staging".
fn holds_for(value: &str) -> Option<&str> {
    tails(value).next()
}

/// What is said beside a time, which is not a time: the "for authors" of "May 1 for authors".
pub(crate) fn circumstance(value: &str) -> Option<&str> {
    tails(value).find(|tail| When::read(tail).is_empty())
}

/// The ends of a value that begin with a preposition.
fn tails(value: &str) -> impl Iterator<Item = &str> {
    value.match_indices(' ').filter_map(|(at, _)| {
        let tail = &value[at + 1..];
        let (word, _) = tail.split_once(' ')?;
        matches!(
            word,
            "at" | "during" | "for" | "from" | "in" | "inside" | "on" | "under" | "within"
        )
        .then_some(tail)
    })
}

/// Whether two values are said of different circumstances: one on staging and one on production, one on Tuesdays and
/// one on Thursdays. A single time is when the value was said, or changed.
fn hold_apart(new: &str, old: &str) -> bool {
    match (holds_for(new), holds_for(old)) {
        (Some(new), Some(old)) => new != old,
        (Some(one), None) | (None, Some(one)) => When::read(one).is_empty(),
        (None, None) => false,
    }
}

/// Why two different values of one attribute may both hold.
pub(crate) fn doubt(new: &Slot, old: &Slot) -> Option<&'static str> {
    let form = new.form?;
    let apart = match form {
        Form::Place => false,
        // "May 3 at noon" and "May 4 at one" are times as a whole.
        Form::Date => circumstance(&new.value) != circumstance(&old.value),
        _ => hold_apart(&new.value, &old.value),
    };
    if apart {
        return Some("each holds for something else");
    }
    match form {
        Form::Number => {
            let unit = |value: &str| {
                let unit = value.replace(|c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | 'k'), "");
                let words = unit
                    .split(' ')
                    .filter(|word| number(word).is_none() && !word.is_empty());
                words.collect::<Vec<_>>().join(" ")
            };
            if unit(&new.value) != unit(&old.value) {
                Some("numbers of different units")
            } else {
                let same = amount(&new.value).is_some() && amount(&new.value) == amount(&old.value);
                (same && !new.value.contains('k') && !old.value.contains('k')).then_some("the same number")
            }
        }
        Form::Date => {
            let (new, old) = (When::read(&new.value), When::read(&old.value));
            (!new.conflicts(&old)).then_some("the times do not exclude each other")
        }
        Form::Place => {
            use crate::places::{Places, compare};
            match compare(&new.value, &old.value) {
                Places::Differ => None,
                Places::Unknown if new.change => None,
                _ => Some("one place may contain the other"),
            }
        }
        Form::Role if !new.change => Some("it may be a description"),
        Form::Name if !new.change && are_forms_of_one(&new.value, &old.value) => {
            Some("one may be a form of the other")
        }
        Form::Name | Form::Code | Form::Words | Form::Role => None,
    }
}

/// "Sam" and "Samuel Reed", "Dr. Lee" and "Lee Chang".
fn are_forms_of_one(one: &str, other: &str) -> bool {
    const TITLES: &[&str] = &["dr", "mr", "mrs", "ms", "prof"];
    let titled = |word: &&str| TITLES.contains(&word.trim_end_matches('.'));
    let names = |value: &'_ str| {
        value
            .split(' ')
            .filter(|word| !titled(word))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (one_names, other_names) = (names(one), names(other));
    let is_titled = |value: &str| value.split(' ').any(|word| titled(&word));
    if is_titled(one) != is_titled(other) {
        return one_names.iter().any(|name| other_names.contains(name));
    }
    let short = |one: &str, other: &str| one.len() > 2 && one != other && other.starts_with(one);
    one_names
        .first()
        .zip(other_names.first())
        .is_some_and(|(one, other)| short(one, other) || short(other, one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted() {
        assert!(NOUNS.is_sorted_by_key(|(name, _)| name));
        assert!(PHRASES.is_sorted_by_key(|(name, _)| name));
    }

    #[track_caller]
    fn check(clause: &str, expected: Option<(&str, &str)>) {
        let found = attribute(clause).map(|slot| (slot.subject.join(" "), slot.value));
        let found = found
            .as_ref()
            .map(|(subject, value)| (subject.as_str(), value.as_str()));
        assert_eq!(found, expected, "{clause:?}");
    }

    #[test]
    fn attributes_are_read() {
        check("Alice's manager is Dana", Some(("alice manager", "dana")));
        check("The CEO of Acme is now Lee", Some(("acme ceo", "lee")));
        check(
            "The rate limit was raised from 100 to 200",
            Some(("limit rate", "200")),
        );
        check(
            "Alice changed her email address to b@x.example",
            Some(("alice email", "b@x.example")),
        );
        check("The default branch is main", Some(("branch default", "main")));
        check(
            "The launch date slipped to May 10",
            Some(("date launch", "may 10")),
        );
    }

    #[test]
    fn what_is_said_about_an_attribute_is_not_its_value() {
        for clause in [
            "Alice's manager is nice",
            "Alice's manager is on holiday",
            "Alice's husband is Canadian",
            "Alice's old password is rose77",
            "The rate limit is too low",
            "The password is wrong",
            "The status is not clear",
            "Alice's goal is Rome",
        ] {
            check(clause, None);
        }
    }
}
