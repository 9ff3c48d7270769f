//! States that exclude each other: what is closed is not open.

use std::sync::LazyLock;

use regex::Regex;

use crate::judge::{Judgement, Verdict};
use crate::pattern::pattern;
use crate::slot::{is_pronoun, subject_words};

/// Each line is what one thing can be one of. Within a line, what stands in one string means the same.
#[rustfmt::skip]
const STATES: &[&[&str]] = &[
    &["open|reopened", "closed|resolved|fixed|done", "in progress", "merged", "rejected", "cancelled|canceled"],
    &["in progress", "in review", "blocked", "on hold", "pending", "closed|resolved|fixed|done", "merged", "rejected", "cancelled|canceled"],
    &["in review", "approved"],
    &["pending", "processing", "confirmed", "in transit|shipped", "out for delivery", "delivered", "lost", "returned", "cancelled|canceled"],
    &["pending", "unpaid", "paid", "refunded", "cancelled|canceled"],
    &["overdue", "paid|done|closed|resolved|delivered|merged", "cancelled|canceled"],
    &["enabled|on|turned on|switched on", "disabled|off|turned off|switched off"],
    &["active", "inactive", "paused|suspended|on hold", "cancelled|canceled|discontinued", "archived", "completed|complete|finished"],
    &["up|online|back up|back online|running", "down|offline"],
    &["passing|passed|green", "failing|failed|red|broken", "in progress"],
    &["pending|pending approval", "approved", "rejected|denied"],
    &["on track|on schedule", "delayed|behind schedule", "ahead of schedule", "at risk", "cancelled|canceled", "on hold"],
    &["in alpha", "in beta", "generally available", "deprecated"],
    &["public", "private"],
    &["locked", "unlocked"],
    &["available", "unavailable", "sold out"],
    &["in stock", "out of stock|sold out"],
    &["done|finished|completed|complete", "in progress", "blocked", "not started"],
    &["vacant", "occupied"],
    &["employed", "unemployed", "retired"],
    &["a full-time employee|full-time", "a part-time employee|part-time"],
    &["fully remote|remote", "hybrid", "on-site|onsite"],
];

/// A thing and the state that it is said to be in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    subject: Vec<String>,
    value: String,
    /// When, where or for whom.
    limits: Option<String>,
}

static STATE: LazyLock<Regex> = LazyLock::new(|| {
    let mut states: Vec<&str> = STATES
        .iter()
        .flat_map(|kind| kind.iter())
        .flat_map(|same| same.split('|'))
        .collect();
    // The longest first: "on track" is not "on".
    states.sort_unstable_by_key(|state| std::cmp::Reverse(state.len()));
    pattern(&format!(
        r"^(?P<s>[^,;:!?]+?) (?:(?:is|are)|(?:has|have) been|(?P<was>was|were|got))(?: now| currently| still| just| already| again| officially)* (?P<v>{})(?: now| again| at the moment)?(?P<x> (?:on|in|at|for|during|to) [^,;:!?]+)?$",
        states.join("|")
    ))
});

impl State {
    /// The state that a clause states, if it states one.
    pub(crate) fn read(clause: &str) -> Option<State> {
        let found = STATE.captures(clause)?;
        // "The shop was closed" is about another day; "the order was cancelled" lasts.
        let lasting = [
            "cancelled",
            "canceled",
            "approved",
            "rejected",
            "resolved",
            "fixed",
            "merged",
            "discontinued",
            "archived",
            "reopened",
            "deprecated",
        ];
        if found.name("was").is_some() && !lasting.contains(&&found["v"]) {
            return None;
        }
        let words: Vec<String> = found["s"].to_lowercase().split(' ').map(str::to_owned).collect();
        let clause_word = |word: &String| {
            matches!(
                word.as_str(),
                "and"
                    | "or"
                    | "that"
                    | "who"
                    | "which"
                    | "if"
                    | "when"
                    | "but"
                    | "because"
                    | "said"
                    | "says"
                    | "not"
                    | "no"
                    | "every"
                    | "most"
                    | "some"
            )
        };
        if words.len() > 7 || is_pronoun(&words[0]) || words.iter().any(clause_word) {
            return None;
        }
        let subject = subject_words(&found["s"], true);
        (!subject.is_empty()).then(|| State {
            subject,
            value: found["v"].to_owned(),
            limits: found.name("x").map(|limits| limits.as_str().to_lowercase()),
        })
    }
}

/// Whether nothing is in both states at once.
pub(crate) fn exclude(one: &str, other: &str) -> bool {
    let place = |kind: &[&str], state: &str| {
        kind.iter()
            .position(|same| same.split('|').any(|one| one == state))
    };
    let mut places = STATES
        .iter()
        .filter_map(|kind| place(kind, one).zip(place(kind, other)))
        .peekable();
    places.peek().is_some() && places.all(|(one, other)| one != other)
}

/// One thing in two states that exclude each other.
pub(crate) fn change_of_state(new: &State, old: &State, cue: bool) -> Option<Judgement> {
    if new.subject != old.subject || new.limits != old.limits {
        return None;
    }
    exclude(&new.value, &old.value).then(|| {
        let reasoning = format!(
            "state of {}: {:?} → {:?}",
            new.subject.join(" "),
            old.value,
            new.value
        );
        Judgement::new(Verdict::Contradicts, if cue { 0.97 } else { 0.92 }, reasoning)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(old: &str, new: &str) -> bool {
        let read = |clause| State::read(clause).unwrap_or_else(|| panic!("{clause:?} states nothing"));
        change_of_state(&read(new), &read(old), false).is_some()
    }

    #[test]
    fn states_exclude_each_other() {
        assert!(changes("The gate is open", "The gate is now closed"));
        assert!(changes("The build is failing", "The build is passing"));
        assert!(changes(
            "The project is on track",
            "The project is behind schedule"
        ));
        assert!(changes(
            "The shop is open on Mondays",
            "The shop is closed on Mondays"
        ));
        assert!(!changes("The shop is open", "The shop is closed on Mondays"));
        assert!(!changes("The gate is open", "The door is closed"));
        assert!(!changes("The build is failing", "The build is broken"));
        assert!(!changes("The server is up", "The server is private"));
    }

    #[test]
    fn other_days_are_no_states() {
        for clause in ["The shop was closed", "It is open", "Alice said the gate is open"] {
            assert_eq!(State::read(clause), None, "{clause}");
        }
    }
}
