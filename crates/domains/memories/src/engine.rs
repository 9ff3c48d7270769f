//! The embedded rule engine, in the words of this crate.

use pentad_memory_rules as rules;
pub(crate) use pentad_memory_rules::{Judgement, Verdict};
use serde::{Deserialize, Serialize};

use crate::new_memory::Message;

/// The name of the embedded engine in audits and settings.
pub const RULES_ENGINE: &str = rules::ENGINE;
/// The version of its patterns, for audits.
pub(crate) const RULES_VERSION: &str = "rules-1";
/// The engine of memories that were stored word for word.
pub(crate) const VERBATIM: &str = "verbatim";

/// What facts are about.
pub(crate) const CATEGORIES: [&str; 11] = [
    "health_medical",
    "legal_status",
    "identity",
    "contact",
    "employment",
    "schedule",
    "financial",
    "preference",
    "relationship",
    "location",
    "general",
];

/// A fact that was found in a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// The fact, as a sentence in the third person.
    pub fact: String,
    /// Index of the message it is from.
    pub message: usize,
    /// The sentence it was made from.
    pub sentence: String,
    /// What it is about.
    pub category: String,
    /// How much it matters, 1 to 10.
    pub importance_score: u8,
    /// The sentences beside it, by which it can be found as well.
    #[serde(skip)]
    pub context: String,
}

/// Something in which there was no fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Skipped {
    /// Index of the message.
    pub message: usize,
    /// Why.
    pub reason: String,
}

/// What a statement is about.
pub(crate) fn category(text: &str) -> &'static str {
    rules::Category::of(text).name()
}

/// What was found in a conversation.
#[derive(Clone, Debug)]
pub(crate) struct Extracted {
    pub(crate) facts: Vec<Fact>,
    pub(crate) skipped: Vec<Skipped>,
    /// The speaker's name, if it is known.
    pub(crate) name: Option<String>,
}

/// How a memory begins that tells the speaker's name.
const NAME_TOLD: &str = "The user's name is ";
/// What a speaker is called whose name is not known.
const SPEAKER: &str = "User";

/// The name that a memory tells.
pub(crate) fn told_name(decision: &str) -> Option<&str> {
    Some(decision.strip_prefix(NAME_TOLD)?.trim_end_matches('.'))
}

/// Words by which memories that tell the speaker's name are found.
pub(crate) const NAME_QUESTION: &str = "user name";

impl Extracted {
    /// Whether something was said by a speaker without a name.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.name.is_none() && self.facts.iter().any(|fact| fact.fact.contains(SPEAKER))
    }
}

/// The facts that the user of a conversation states, and what was passed over. `name` is the user's, if it is known
/// from before.
pub(crate) fn extract(messages: &[Message], name: Option<&str>) -> Extracted {
    let turns: Vec<rules::Turn<'_>> = messages
        .iter()
        .map(|message| rules::Turn {
            role: &message.role,
            content: &message.content,
        })
        .collect();
    let found = rules::extract(&turns, name);
    let facts = found.facts.into_iter().map(|fact| Fact {
        fact: fact.text,
        message: fact.turn,
        sentence: fact.sentence,
        category: fact.category.name().to_owned(),
        importance_score: fact.importance,
        context: fact.context,
    });
    let skipped = found.skipped.into_iter().map(|skipped| Skipped {
        message: skipped.turn,
        reason: skipped.reason.name().to_owned(),
    });
    Extracted {
        facts: facts.collect(),
        skipped: skipped.collect(),
        name: found.name,
    }
}

/// What a new statement is to an old one.
pub(crate) fn judge(new: &str, old: &str) -> Judgement {
    rules::Statement::read(new).judge(&rules::Statement::read(old))
}

/// Reads the name of a verdict; `None` for any other text.
pub(crate) fn verdict(name: &str) -> Option<Verdict> {
    [
        Verdict::New,
        Verdict::Supplements,
        Verdict::Duplicate,
        Verdict::Contradicts,
    ]
    .into_iter()
    .find(|verdict| verdict.name() == name)
}
