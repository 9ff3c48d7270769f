//! Facts out of a conversation.

use crate::category::{Category, importance};
use crate::filter::{GREETING, REMEMBER, SkipReason, foreign_reason, is_foreign, reason_to_skip};
use crate::introduction::introduction;
use crate::junk::junk;
use crate::sentences::sentences;
use crate::third_person::third_person;

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
        check("I almost moved to Berlin.", &["User almost moved to Berlin."]);
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
