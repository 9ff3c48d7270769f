//! Facts out of a conversation.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use crate::category::{Category, importance};
use crate::junk::junk;
use crate::sentences::sentences;
use crate::slot::has_slot;
use crate::third_person::{capitalised, third_person};

/// One message of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn<'a> {
    /// Who speaks: `user` (or `human`) for the person whose facts are wanted, anything else for others.
    pub role: &'a str,
    /// What is said.
    pub content: &'a str,
}

/// One fact, understood without the conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The fact, as a sentence in the third person.
    pub text: String,
    /// Index of the turn that it is from.
    pub turn: usize,
    /// The sentence that it was made from, as it was said.
    pub sentence: String,
    /// The sentences before and after it in the same message: words by which it may be searched for.
    pub context: String,
    /// What it is about.
    pub category: Category,
    /// How much it matters, 1 to 10.
    pub importance: u8,
}

/// A sentence, or a whole message, in which there was no fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// Index of the turn.
    pub turn: usize,
    /// Why there is no fact in it.
    pub reason: SkipReason,
}

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

/// What was found in a conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extraction {
    /// The facts, in the order in which they were said.
    pub facts: Vec<Fact>,
    /// What was passed over.
    pub skipped: Vec<Skipped>,
    /// The speaker's name, if it was known before or is now.
    pub name: Option<String>,
}

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is well formed")
}

static REMEMBER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:please,? )?(?:(?:remember|note|keep in mind|don['’]t forget|make a note)(?: (?:this|that|for later))?|fyi|for the record)\s*(?:[:,–—-]\s*|\s+(?:that )?)",
    )
});
static GREETING: LazyLock<Regex> = LazyLock::new(|| {
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
static INTRODUCTION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b(?:[Mm]y name is|[Mm]y name['’]s|[Cc]all me|(?:I am|I['’]m|[Tt]his is) )\s*([A-Z][\w'’-]+(?: [A-Z][\w'’-]+)?)",
    )
});
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\b(?:[Mm]y name is|[Mm]y name['’]s|[Cc]all me)\s+([A-Z][\w-]+(?: [A-Z][\w-]+)?)")
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

/// The facts that the user of a conversation states.
///
/// Only turns of the role `user` (or `human`) are read: what an assistant says is not knowledge about the user.
/// Messages written by machines, greetings, questions, requests and hedged statements are passed over. "Remember
/// this: …" overrules every filter. `name` is the speaker's name if it is known from before; they may tell it in the
/// conversation, and are called "User" until then.
///
/// ```
/// use pentad_memory_rules::{Turn, extract};
///
/// let said = [Turn { role: "user", content: "Hi, I'm Alice. I play pickleball every Tuesday. What about you?" }];
/// let found = extract(&said, None);
/// let facts: Vec<&str> = found.facts.iter().map(|fact| fact.text.as_str()).collect();
/// assert_eq!(facts, ["The user's name is Alice.", "Alice plays pickleball every Tuesday."]);
/// ```
pub fn extract(turns: &[Turn<'_>], name: Option<&str>) -> Extraction {
    let mut found = Extraction {
        name: name.map(str::to_owned),
        ..Extraction::default()
    };
    for (turn, Turn { role, content }) in turns.iter().enumerate() {
        if !matches!(*role, "user" | "human") {
            continue;
        }
        if let Some(kind) = junk(content).filter(|_| !REMEMBER.is_match(content.trim_start())) {
            found.skipped.push(Skipped {
                turn,
                reason: SkipReason::Junk(kind),
            });
            continue;
        }
        let sentences = sentences(content);
        for (at, sentence) in sentences.iter().enumerate() {
            let context = [at.checked_sub(1), Some(at + 1)]
                .into_iter()
                .filter_map(|beside| sentences.get(beside?).copied())
                .collect::<Vec<_>>()
                .join(" ");
            read(sentence, &context, turn, &mut found);
        }
    }
    found
}

/// Reads one sentence: nothing, a fact, or the speaker's name and a fact.
fn read(sentence: &str, context: &str, turn: usize, found: &mut Extraction) {
    let asked = REMEMBER
        .find(sentence)
        .map(|cue| cue.end())
        .filter(|end| *end < sentence.len());
    let mut statement = &sentence[asked.unwrap_or(0)..];
    let asked = asked.is_some();
    if !asked {
        // "Oh, hi, thanks!": a few in a row.
        for _ in 0..4 {
            statement = GREETING
                .find(statement)
                .map_or(statement, |greeting| &statement[greeting.end()..]);
        }
    }
    let statement = statement.trim_matches(|c: char| c.is_whitespace() || c == ',');
    let Extraction { facts, skipped, name } = found;
    let fact = |text: &str| {
        let category = Category::of(text);
        Fact {
            text: format!("{}.", text.trim_end_matches(['.', '!', ' ', ','])),
            turn,
            sentence: sentence.to_owned(),
            context: context.to_owned(),
            category,
            importance: importance(text, category, asked),
        }
    };
    if statement.chars().any(is_foreign) {
        // The filters know English only; what they cannot judge is kept as it was said.
        if let Some(reason) = foreign_reason(statement) {
            skipped.push(Skipped { turn, reason });
        } else {
            facts.push(fact(statement.trim_end_matches(['。', '！'])));
        }
        return;
    }
    let (introduced, statement) = introduction(statement);
    if let Some(reason) = reason_to_skip(&statement, asked, introduced.is_some()) {
        skipped.push(Skipped { turn, reason });
        return;
    }
    if let Some(new) = introduced {
        facts.push(fact(&format!("The user's name is {new}")));
        *name = Some(new.to_owned());
    }
    if statement.chars().any(char::is_alphanumeric) {
        let subject = name.as_deref().unwrap_or("User");
        facts.push(fact(&third_person(&statement, subject)));
    }
}

/// The name that a sentence introduces its speaker by, and what else the sentence says.
fn introduction(statement: &str) -> (Option<&str>, Cow<'_, str>) {
    let Some(captures) = INTRODUCTION.captures(statement) else {
        return (None, statement.into());
    };
    let (whole, name) = (
        captures.get(0).expect("the match"),
        captures.get(1).expect("the name"),
    );
    let rest = &statement[whole.end()..];
    let explicit = NAMED.is_match(&statement[..whole.end()]);
    // "I'm Alice." and "I'm Alice, …", but neither "I'm American" nor "I'm Head of Sales".
    let ends = rest.is_empty()
        || rest.starts_with([',', '.', '!', ';'])
        || ["and ", "but ", "from ", "here"]
            .iter()
            .any(|next| rest.trim_start().starts_with(next));
    if whole.start() > 0 || !(explicit || ends) || (!explicit && is_description(name.as_str())) {
        return (None, statement.into());
    }
    let rest = rest.trim_start_matches([',', '.', '!', ';', ' ']);
    let rest = rest
        .strip_prefix("and ")
        .or_else(|| rest.strip_prefix("but "))
        .unwrap_or(rest);
    let rest = match rest {
        // The verb went with the name.
        rest if rest.starts_with("from ") => format!("I'm {rest}").into(),
        rest if rest.starts_with("here") => "".into(),
        rest => rest.into(),
    };
    (Some(name.as_str()), rest)
}

/// Nationalities, faiths and the like, which follow "I'm" as a name does.
fn is_description(name: &str) -> bool {
    const ENDINGS: &[&str] = &["ian", "ish", "ese", "ican", "ist", "im"];
    const OTHERS: &[&str] = &[
        "Catholic", "Czech", "Dutch", "French", "German", "Greek", "Hindu", "Jewish", "OK", "Sikh", "Swiss",
        "Thai",
    ];
    (ENDINGS.iter().any(|end| name.ends_with(end))
        && !matches!(
            name,
            "Ian"
                | "Adrian"
                | "Brian"
                | "Christian"
                | "Damian"
                | "Fabian"
                | "Julian"
                | "Kim"
                | "Lillian"
                | "Marian"
                | "Tim"
                | "Vivian"
                | "Jim"
        ))
        || OTHERS.contains(&name)
}

fn reason_to_skip(statement: &str, asked: bool, introduces: bool) -> Option<SkipReason> {
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
fn is_foreign(c: char) -> bool {
    c.is_alphabetic() && u32::from(c) > 0x24f
}

fn foreign_reason(statement: &str) -> Option<SkipReason> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn facts(said: &str) -> Vec<String> {
        extract(
            &[Turn {
                role: "user",
                content: said,
            }],
            None,
        )
        .facts
        .into_iter()
        .map(|fact| fact.text)
        .collect()
    }

    #[track_caller]
    fn check(said: &str, expected: &[&str]) {
        assert_eq!(facts(said), expected, "{said:?}");
    }

    #[track_caller]
    fn skips(said: &str, reason: SkipReason) {
        let found = extract(
            &[Turn {
                role: "user",
                content: said,
            }],
            None,
        );
        assert_eq!(found.facts, [], "{said:?}");
        assert_eq!(found.skipped, [Skipped { turn: 0, reason }], "{said:?}");
    }

    #[test]
    fn statements_are_facts() {
        check("I moved to Oslo.", &["User moved to Oslo."]);
        check(
            "Thanks! My sister lives in Rome.",
            &["User's sister lives in Rome."],
        );
        check(
            "The Q3 report is due on August 15th.",
            &["The Q3 report is due on August 15th."],
        );
        check("User prefers async standups.", &["User prefers async standups."]);
        check("Alice quit smoking.", &["Alice quit smoking."]);
        check("the wifi password is rose77", &["The wifi password is rose77."]);
        check(
            "My name is Bob. I collect stamps!",
            &["The user's name is Bob.", "Bob collects stamps."],
        );
        check(
            "I'm Alice and I work at Acme.",
            &["The user's name is Alice.", "Alice works at Acme."],
        );
        check(
            "I'm Alice from Oslo.",
            &["The user's name is Alice.", "Alice is from Oslo."],
        );
        check("I'm American.", &[]);
        check("I'm a vegetarian.", &["User is a vegetarian."]);
    }

    #[test]
    fn what_is_asked_to_be_remembered_is_kept() {
        check(
            "Remember this: the staging database is db-7.internal",
            &["The staging database is db-7.internal."],
        );
        check("Please remember that lunch is at noon", &["Lunch is at noon."]);
        check(
            "Note: maybe we skip Friday",
            &["Maybe User and others skip Friday."],
        );
    }

    #[test]
    fn the_rest_is_passed_over() {
        skips("hey, how are you?", SkipReason::Question);
        skips("hello there!", SkipReason::Greeting);
        skips("What time is it", SkipReason::Request);
        skips("Please write me a poem about Oslo", SkipReason::Request);
        skips("Maybe I will move to Oslo", SkipReason::Hedged);
        skips("Sounds good", SkipReason::Short);
        skips("it is raining outside today", SkipReason::NoSubject);
        skips(
            "Heartbeat check: all systems nominal. Uptime: 14d 6h.",
            SkipReason::Junk("heartbeat"),
        );
    }

    #[test]
    fn only_the_user_is_heard() {
        let turns = [
            Turn {
                role: "assistant",
                content: "I live in the cloud.",
            },
            Turn {
                role: "human",
                content: "I live in Oslo.",
            },
            Turn {
                role: "system",
                content: "You are Bob.",
            },
        ];
        let found = extract(&turns, Some("Alice"));
        assert_eq!(found.facts.len(), 1);
        assert_eq!(
            (found.facts[0].text.as_str(), found.facts[0].turn),
            ("Alice lives in Oslo.", 1)
        );
        assert_eq!(found.name.as_deref(), Some("Alice"));
    }

    #[test]
    fn facts_know_the_sentences_around_them() {
        let said = "I had a party. I loved my cake. What a day!";
        let found = extract(
            &[Turn {
                role: "user",
                content: said,
            }],
            None,
        );
        assert_eq!(found.facts[1].context, "I had a party. What a day!");
        assert_eq!(found.facts[1].sentence, "I loved my cake.");
    }

    #[test]
    fn other_languages_are_kept_as_they_were_said() {
        check("私は東京に住んでいます。", &["私は東京に住んでいます."]);
        check("Я живу в Осло.", &["Я живу в Осло."]);
        skips("東京はどうですか。", SkipReason::Question);
    }

    proptest! {
        #[test]
        fn any_conversation_can_be_read(texts in prop::collection::vec(any::<String>(), 0..4)) {
            let turns: Vec<Turn<'_>> = texts.iter().map(|content| Turn { role: "user", content }).collect();
            let found = extract(&turns, None);
            prop_assert!(found.facts.iter().all(|fact| (1..=10).contains(&fact.importance) && fact.turn < turns.len()));
            prop_assert_eq!(extract(&turns, None), found);
        }

        #[test]
        fn what_is_asked_to_be_remembered_is_kept_whatever_it_is(text in "[a-z]{1,8}( [a-z]{1,8}){0,6}") {
            let asked = format!("Remember this: {text}");
            prop_assert_eq!(facts(&asked).len(), 1);
        }
    }
}
