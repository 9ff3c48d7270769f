//! Memories without a language model.
//!
//! Three things that a memory service needs and that are usually left to a model, done by rules: small, exact,
//! explained, and the same every time. A model does better on free conversation; the rules are what works without
//! one, in microseconds.
//!
//! | question | answer |
//! |---|---|
//! | What did the user tell about themselves? | [`extract`]: facts in the third person, with [`Category`] and importance |
//! | What does a new fact mean for an old one? | [`Statement::judge`]: a [`Verdict`], how sure it is, and why |
//! | What do the stored facts say to a question? | [`answer()`]: their own sentences with `[mem-N]` citations, or nothing |
//!
//! ```
//! use pentad_memory_rules::{Statement, Turn, Verdict, extract};
//!
//! let said = [Turn { role: "user", content: "My name is Alice. I live in Lisbon now." }];
//! let facts = extract(&said, None).facts;
//! assert_eq!(facts[1].text, "Alice lives in Lisbon now.");
//!
//! let judgement = Statement::read(&facts[1].text).judge(&Statement::read("Alice lives in Berlin."));
//! assert_eq!(judgement.verdict, Verdict::Contradicts);
//! assert_eq!(judgement.confidence, 0.97);
//! ```
//!
//! # What the rules do not do
//!
//! They read English. They would rather leave two facts side by side than retire one that still holds: a fact that
//! is wrongly retired disappears from every answer, while two that disagree are both in sight. So they know only
//! predicates that have one value at a time, compare only statements whose subject is the same in as many words,
//! and take no chance with values that may be a detail of each other (Texas and Houston).

mod alternatives;
mod answer;
mod attribute;
mod category;
mod doubt;
mod extract;
mod filter;
mod introduction;
mod judge;
mod junk;
mod liking;
mod opening;
mod pattern;
mod places;
mod sentences;
mod slot;
mod slot_form;
mod slot_rules;
mod state;
mod statement;
mod third_person;
mod when;
mod wording;

pub use answer::{ABSTENTION, Answer, AnswerPolicy, Evidence, Moment, answer, strip_markers};
pub use category::Category;
pub use extract::{Extraction, Fact, Skipped, Turn, extract};
pub use filter::SkipReason;
pub use judge::{Judgement, Verdict};
pub use statement::Statement;

/// Names these rules and their version wherever a result is stored or printed. It changes with the rules.
pub const ENGINE: &str = "aurra-rules/1";
