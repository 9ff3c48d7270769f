//! Why two values of one predicate may both hold after all.

use crate::alternatives;
use crate::attribute;
use crate::judge::words;
use crate::places::{self, Places};
use crate::slot::{Kind, Slot};
use crate::slot_form::{describes, is_exception};
use crate::state;
use crate::when::When;

/// Why two values may both hold after all.
pub(crate) fn doubt(new: &Slot, old: &Slot, cue: bool) -> Option<&'static str> {
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
        Kind::Favorite => {
            let named = old.named && !new.named && !new.change;
            (named || describes(&new.value) != describes(&old.value))
                .then_some("one of them may describe the favorite")
        }
        Kind::Relationship => (!excludes(&new.value, &old.value)).then_some("one may be so after the other"),
        Kind::Status => (!state::exclude(&new.value, &old.value)).then_some("both states can hold"),
        Kind::Count => {
            let unit = |words: &[String]| words[1..].join(" ");
            (unit(&new_words) != unit(&old_words)).then_some("numbers of different units")
        }
        Kind::School => (!cue).then_some("one may be a course beside the other"),
        Kind::Attribute => attribute::doubt(new, old),
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
            // What runs on one version does not run on another; what is used may be used beside another.
            let runs = new.preposition.is_some() && old.preposition.is_some();
            if new.replaces.is_some() || !cue && !runs {
                return Some("tools can be used side by side");
            }
            let (new_known, old_known) = (
                alternatives::is_known(&new.value),
                alternatives::is_known(&old.value),
            );
            let versions = new_words.len() == old_words.len()
                && new_words.len() > 1
                && new_words[..new_words.len() - 1] == old_words[..old_words.len() - 1]
                && [&new_words, &old_words]
                    .iter()
                    .all(|words| is_version(words.last()));
            if cue && alternatives::are_alternatives(&new.value, &old.value)
                || versions
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
            if differ && !cue {
                Some("one may be a person and the other a company")
            } else if is_acronym(&new.value, &old_words) || is_acronym(&old.value, &new_words) {
                Some("one may be short for the other")
            } else {
                None
            }
        }
        Kind::Time | Kind::Due => {
            let (new_when, old_when) = (When::read(&new.value), When::read(&old.value));
            if !new_when.conflicts(&old_when) {
                Some("the times do not exclude each other")
            } else if is_exception(&new.value) != is_exception(&old.value) {
                Some("one of them is for that day alone")
            } else if !cue && new.kind == Kind::Time && new_when.names_a_day() != old_when.names_a_day() {
                Some("one of them may be the rule and the other an exception")
            } else if !cue
                && new.kind == Kind::Time
                && (new_when.only_weekdays_conflict(&old_when) || new_when.recur_on_other_days(&old_when))
            {
                Some("it may take place on several days")
            } else if !cue
                && new.kind == Kind::Time
                && new_when.on_other_days(&old_when)
                && new.subject.iter().any(|word| recurs(word))
            {
                Some("there may be several of them")
            } else if !cue && attribute::circumstance(&new.value) != attribute::circumstance(&old.value) {
                Some("each is the time for something else")
            } else {
                None
            }
        }
        Kind::Price => {
            let unit = |words: &[String]| words[1..].join(" ");
            if new_words.is_empty()
                || old_words.is_empty()
                || unit(&new_words) != unit(&old_words)
                || currency(&new_words[0]) != currency(&old_words[0])
            {
                Some("prices for different amounts")
            } else if amount(&new.value) == amount(&old.value) {
                Some("the same amount")
            } else {
                None
            }
        }
        _ => None,
    }
}

/// Whether one family status ends the other: who is divorced or widowed is single, and may be with somebody.
fn excludes(one: &str, other: &str) -> bool {
    const AFTER: &[&str] = &["divorced", "widowed"];
    const WITHOUT_MARRIAGE: &[&str] = &["single", "relationship", "engaged"];
    let compatible = |one: &str, other: &str| AFTER.contains(&one) && WITHOUT_MARRIAGE.contains(&other);
    !compatible(one, other) && !compatible(other, one)
}

/// The "$" of "$10".
fn currency(price: &str) -> String {
    price
        .chars()
        .filter(|c| !c.is_ascii_digit() && !matches!(c, '.' | ','))
        .collect()
}

/// The number of "$1,000.00 a month".
pub(crate) fn amount(value: &str) -> Option<f64> {
    let digits: String = value
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ','))
        .filter(|c| *c != ',')
        .collect();
    digits.trim_end_matches('.').parse().ok()
}

/// Whether `short` is made of the initials of the words: "nyu" of "new york university".
fn is_acronym(short: &str, words: &[String]) -> bool {
    words.len() > 1
        && short.chars().eq(words
            .iter()
            .filter(|word| !matches!(word.as_str(), "of" | "for" | "and" | "&"))
            .filter_map(|word| word.chars().next()))
}

/// What one has several of, on several days.
fn recurs(word: &str) -> bool {
    #[rustfmt::skip]
    const RECURRING: &[&str] = &[
        "appointment", "call", "class", "concert", "delivery", "demo", "exam", "flight", "game", "interview", "lesson",
        "match", "practice", "rehearsal", "session", "shift", "test", "training", "workshop",
    ];
    RECURRING.binary_search(&word).is_ok()
}

/// `3.12`, `v2`, `24.04`.
fn is_version(word: Option<&String>) -> bool {
    word.is_some_and(|word| {
        let word = word.strip_prefix('v').unwrap_or(word);
        word.starts_with(|c: char| c.is_ascii_digit()) && word.chars().all(|c| c.is_ascii_digit() || c == '.')
    })
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
