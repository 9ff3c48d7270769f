//! What subjects and values must look like for a slot: what the patterns cannot say.

use std::sync::LazyLock;

use regex::Regex;

use crate::alternatives;
use crate::introduction::is_description;
use crate::pattern::pattern;
use crate::places;
use crate::slot::Kind;
use crate::third_person::capitalised;
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
                (is_place_form(value) || places::is_known(&lower))
                    && more.is_none_or(|more| !is_past(more) && !is_passing(more))
            }
            Kind::Employer => {
                is_name(value, 6) && more.is_none_or(|more| !is_past(more) && !is_passing(more))
            }
            Kind::Favorite => !is_vague(subject) && words.len() <= 6 && !value.contains(',') && plain(),
            Kind::Preference => words.len() <= 5 && !value.contains(',') && plain(),
            Kind::Tool => When::read(value).is_empty() && words.len() <= 3 && !value.contains(',') && plain(),
            Kind::Title => {
                words.len() <= 4
                    && plain()
                    && !words.iter().any(|word| is_assessment(word))
                    && more.is_none_or(|more| !is_past(more))
            }
            Kind::Lead => plain() && !is_pronoun(words[0]),
            Kind::Time | Kind::Due => timed(),
            Kind::Contact => value.contains('@') || value.chars().filter(char::is_ascii_digit).count() >= 5,
            Kind::School => is_name(value, 6),
            Kind::Assignee => plain() && !is_pronoun(words[0]),
            Kind::Possession => words.len() <= 3 && plain(),
            Kind::Count | Kind::Attribute => true,
            // Rooms and targets are numbers too.
            Kind::Age => {
                value.parse::<u32>().is_ok_and(|age| (1..130).contains(&age)) && is_somebody(subject)
            }
            // "was closed twice before".
            Kind::Status => more.is_none_or(|more| !is_past(more)),
            Kind::Diet | Kind::Priority | Kind::Relationship | Kind::Price => true,
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
            r"(?i)\b(?:(?:19|20)\d\d|ago|when|as a (?:child|kid|teenager|student|boy|girl|baby)|years|in (?:his|her|their) (?:teens|youth|childhood|twenties|thirties)|originally|once|twice|before|at the age|aged|came back|moved back|returned|for (?:college|university|school))\b",
        )
    });
    PAST.is_match(more)
}

/// "for three months", "as a volunteer", "in a dream": neither a home nor a job is left for it.
fn is_passing(more: &str) -> bool {
    static PASSING: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)\b(?:for (?:\w+ )?(?:\w+ )?(?:days?|weeks?|months?|weekends?|summer|winter|spring|autumn|semester|term|season|holidays?|project|internship|exchange|time being|now)|volunteer|freelancer?|on the side|part-time|dreams?|until)\b",
        )
    });
    PASSING.is_match(more)
}

/// "10:00 today": an exception from what holds.
pub(crate) fn is_exception(value: &str) -> bool {
    static EXCEPTION: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)\b(?:today|tomorrow|tonight|yesterday|(?:this|next) (?:week|morning|afternoon|evening|time|month|\w+day)|only|just)\b",
        )
    });
    EXCEPTION.is_match(value)
}

/// "moved to Engineering", "moved to Postgres", "moved to Room 12" and "moved to 3pm" are no change of residence.
pub(crate) fn is_place_name(said: &str) -> bool {
    #[rustfmt::skip]
    const NO_PLACES: &[&str] = &[
        "accounting", "act", "admin", "amazon", "analytics", "apartment", "apple", "backend", "building", "chapter",
        "class", "communications", "compliance", "consulting", "customer", "data", "design", "desk", "development",
        "devops", "docker", "engineering", "facebook", "finance", "flat", "floor", "frontend", "gate", "google",
        "grade", "group", "growth", "hr", "infrastructure", "instagram", "kubernetes", "legal", "level", "logistics",
        "management", "marketing", "meta", "microsoft", "mobile", "netflix", "office", "operations", "option", "page",
        "partnerships", "payments", "phase", "plan", "platform", "procurement", "product", "production", "qa",
        "quality", "r&d", "real", "recruiting", "research", "room", "row", "sales", "salesforce", "search", "seat",
        "section", "security", "senior", "shopify", "stage", "staging", "step", "strategy", "stripe", "suite",
        "support", "table", "tableau", "team", "terraform", "tier", "track", "training", "uber", "unit", "version",
        "ward", "wordpress",
    ];
    let value = said.to_lowercase();
    let first = value.split([' ', ',']).next().unwrap_or(&value);
    let capitals = |word: &str| word.len() > 1 && word.chars().all(|c| c.is_uppercase() || c == '&');
    // "GraphQL", but "McAllen".
    let inner = |word: &str| {
        let mut letters = word
            .trim_start_matches("Mc")
            .trim_start_matches("Mac")
            .chars()
            .skip(1);
        letters.any(char::is_uppercase)
    };
    let word = said.split([' ', ',']).next().unwrap_or(said);
    places::is_known(&value)
        || !(NO_PLACES.binary_search(&first).is_ok()
            || capitals(word)
            || inner(word) && !word.contains(['-', '\''])
            || alternatives::is_known(&value)
            || alternatives::is_known(first)
            || !When::read(said).is_empty())
}

/// Whether a subject may have an age: a name, or a word for people and animals.
fn is_somebody(subject: &str) -> bool {
    #[rustfmt::skip]
    const LIVING: &[&str] = &[
        "aunt", "baby", "boss", "boy", "boyfriend", "brother", "cat", "child", "cousin", "dad", "daughter", "dog",
        "father", "fiance", "friend", "girl", "girlfriend", "goddaughter", "godson", "granddaughter",
        "grandfather", "grandma", "grandmother", "grandpa", "grandson", "horse", "husband", "kid", "man", "mom",
        "mother", "mum", "neighbor", "neighbour", "nephew", "niece", "parrot", "partner", "puppy", "roommate",
        "sister", "son", "stepdaughter", "stepson", "student", "teacher", "toddler", "twin", "uncle", "wife", "woman",
    ];
    let last = subject.rsplit(' ').next().unwrap_or(subject);
    last.starts_with(char::is_uppercase) || LIVING.binary_search(&last).is_ok()
}

/// Words for how well, or whether still, somebody is something.
fn is_assessment(word: &str) -> bool {
    matches!(
        word,
        "good"
            | "bad"
            | "better"
            | "best"
            | "worse"
            | "great"
            | "terrible"
            | "excellent"
            | "former"
            | "ex"
            | "retired"
            | "aspiring"
            | "future"
            | "born"
            | "natural"
            | "acting"
            | "interim"
            | "happy"
            | "proud"
    )
}

/// Whether a value says how something is rather than what it is: a favourite place may be closed, old or Italian.
pub(crate) fn describes(value: &str) -> bool {
    #[rustfmt::skip]
    const ADJECTIVES: &[&str] = &[
        "absolutely", "amazing", "awesome", "awful", "back", "bad", "beautiful", "better", "big", "boring", "broken",
        "changing", "cheap", "classic", "close", "closed", "closing", "coming", "complicated", "crowded", "difficult",
        "doing", "downtown", "easy", "empty", "everywhere", "excellent", "expensive", "famous", "fantastic", "far",
        "fine", "first", "free", "full", "fun", "funny", "getting", "going", "gone", "good", "great", "happy", "hard",
        "here", "hilarious", "huge", "important", "incredible", "interesting", "last", "late", "long", "losing", "lost",
        "lovely", "moving", "nearby", "new", "nice", "off", "old", "only", "open", "opening", "out", "over",
        "overpriced", "perfect", "playing", "popular", "pretty", "quite", "rare", "rather", "ready", "really",
        "rich", "sad", "scary", "second", "short", "simple", "slow", "small", "sold", "starting", "still", "super",
        "there", "third", "tiny", "touring", "underrated", "unique", "vegan", "very", "weird", "winning", "wonderful",
        "worse", "wrong", "young",
    ];
    let value = ["a ", "an ", "the "]
        .iter()
        .find_map(|article| value.strip_prefix(article))
        .unwrap_or(value);
    let first = value.split(' ').next().unwrap_or(value);
    ADJECTIVES.binary_search(&first).is_ok()
        || first.starts_with(|c: char| c.is_ascii_digit()) && value.contains(' ')
        || is_description(&capitalised(first))
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
