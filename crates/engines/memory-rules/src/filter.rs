//! Which sentences are facts.

use std::sync::LazyLock;

use regex::Regex;

use crate::pattern::pattern;
use crate::slot::has_slot;
use crate::third_person::capitalised;

/// Why a sentence is not a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// The message was written by a machine; the kind of it (`json`, `log`, …).
    Junk(&'static str),
    /// Nothing but a greeting, thanks or assent.
    Greeting,
    /// It asks.
    Question,
    /// It wants something done.
    Request,
    /// The speaker does not stand by it: maybe, what if, just kidding.
    Hedged,
    /// Fewer than three words.
    Short,
    /// It is about nobody and nothing in particular.
    NoSubject,
}

impl SkipReason {
    /// The reason in a word, for logs and answers.
    pub fn name(self) -> &'static str {
        match self {
            SkipReason::Junk("json") => "junk:json",
            SkipReason::Junk("traceback") => "junk:traceback",
            SkipReason::Junk("log") => "junk:log",
            SkipReason::Junk("boot") => "junk:boot",
            SkipReason::Junk("heartbeat") => "junk:heartbeat",
            SkipReason::Junk("code") => "junk:code",
            SkipReason::Junk(_) => "junk",
            SkipReason::Greeting => "greeting",
            SkipReason::Question => "question",
            SkipReason::Request => "request",
            SkipReason::Hedged => "hedged",
            SkipReason::Short => "short",
            SkipReason::NoSubject => "no_subject",
        }
    }
}

pub(crate) static REMEMBER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:please,? )?(?:(?:remember|note|keep in mind|don['’]t forget|make a note)(?: (?:this|that|for later))?|fyi|for the record)\s*(?:[:,–—-]\s*|\s+(?:that )?)",
    )
});
pub(crate) static GREETING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:hi|hey|hello|thanks(?: a lot| so much)?|thank you(?: so much| very much)?|ok|okay|sure|yes|no|yeah|yep|nope|great|nice|cool|awesome|perfect|wow|lol|haha+|bye|goodbye|see you|good (?:morning|afternoon|evening|night)|acknowledged|ping|pong|got it|message received(?: and processed)?|well|oh|so|there|again)(?:[\s,.!]+|$)",
    )
});
static REQUEST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:please|(?:can|could|would|will|do|did|are|have|should|shall|may) (?:you|we|i)|tell me|show me|help(?: me)?|write|explain|give me|let['’]?s|let me know|what|who|whom|whose|which|when|where|why|how|is there|are there|is it|does|i (?:want|need|would like|['’]d like) you to|make (?:me|it|a list)|summari[sz]e|translate|rewrite|draft|generate|list|find me|suggest|recommend|remind me)\b",
    )
});
static HEDGE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:maybe|perhaps|might|i guess|i suppose|not sure|unsure|i (?:don['’]t|do not) (?:know|remember) (?:if|whether)|(?:thinking|think) about|considering|wondering|wonder if|what if|hypothetically|imagine|suppose|let['’]s say|just kidding|kidding|jok(?:e|ing)|if i (?:were|had|could|was)|wish i)\b",
    )
});
static SUBJECT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(?:I|I['’](?:m|ve|d|ll)|[Mm]y|[Ww]e|[Oo]ur|[Mm]ine|[Mm]e)\b"));
/// A name or a number past the first word, or the user in the third person.
static SPECIFIC: LazyLock<Regex> = LazyLock::new(|| pattern(r"\s(?:\W*\p{Lu}|\S*\d)|^(?:The u|U)ser\b"));
/// A first word that may be a name, with a verb after it.
static NAME_FIRST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(\p{Lu}[\w-]+)(?:['’]s \w+)? (?:(?:no longer|never|always|also|now|still|really) )?(?:is|has|does|will|can|quit|went|got|(?:is|has|does|did|would|ca|wo)n['’]t|\w{2,}s|\w{2,}ed)\b",
    )
});
/// Words that begin a sentence and name nobody.
#[rustfmt::skip]
const STARTERS: &[&str] = &[
    "all", "another", "anyone", "anything", "both", "each", "everybody", "everyone", "everything", "he",
    "here", "it", "life", "most", "nobody", "none", "nothing", "one", "she", "some", "somebody", "someone",
    "something", "that", "the", "there", "these", "they", "this", "those", "today", "tomorrow", "traffic",
    "weather", "work", "you",
];

pub(crate) fn reason_to_skip(statement: &str, asked: bool, introduces: bool) -> Option<SkipReason> {
    if asked {
        return None;
    }
    if statement.is_empty() {
        return if introduces {
            None
        } else {
            Some(SkipReason::Greeting)
        };
    }
    if statement.ends_with('?') {
        return Some(SkipReason::Question);
    }
    if REQUEST.is_match(statement) {
        return Some(SkipReason::Request);
    }
    if HEDGE.is_match(statement) {
        return Some(SkipReason::Hedged);
    }
    if statement
        .split_whitespace()
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .count()
        < 3
    {
        return if introduces { None } else { Some(SkipReason::Short) };
    }
    let about_something = introduces
        || SUBJECT.is_match(statement)
        || SPECIFIC.is_match(statement)
        || NAME_FIRST
            .captures(statement)
            .is_some_and(|found| !STARTERS.contains(&found[1].to_lowercase().as_str()))
        || has_slot(&capitalised(statement));
    if about_something {
        None
    } else {
        Some(SkipReason::NoSubject)
    }
}

/// A letter outside the scripts that English sentences are written in.
pub(crate) fn is_foreign(c: char) -> bool {
    c.is_alphabetic() && u32::from(c) > 0x24f
}

pub(crate) fn foreign_reason(statement: &str) -> Option<SkipReason> {
    if statement.ends_with(['?', '？']) || statement.ends_with("か。") {
        return Some(SkipReason::Question);
    }
    let letters = statement.chars().filter(|c| c.is_alphabetic()).count();
    if letters < 5 {
        Some(SkipReason::Short)
    } else {
        None
    }
}
