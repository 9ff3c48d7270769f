//! Words before a sentence that say since when it holds: "As of today, …".

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use crate::pattern::pattern;
use crate::third_person::capitalised;

static OPENING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:as of (?:today|now|this \w+|last \w+|yesterday|\w+day)|since (?:last \w+|yesterday|this \w+|\w+day)|from now on|starting (?:today|now)|effective immediately|currently|right now|now|these days|nowadays|recently|lately|in the end|in fact|by the way|btw|so|also|fyi|turns out(?: that)?|it turns out(?: that)?|good news|bad news|news|just so you know|just to let you know|to be clear|sorry|(?:the )?user meant(?: that| to say)?)(?:[,:] *| +)",
    )
});
/// "Last week Alice moved …" is a change that lasts; "Last week Alice was …" is over.
static BEFORE_CHANGE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:last (?:week|month|weekend)|this (?:week|month|year|morning)|earlier this \w+|yesterday|today|a (?:week|few days|few weeks|month) ago|after [\w' ]+,)(?:, *| +)(?P<c>.*? (?:moved|relocated|switched|started (?:working|a new job)|got a new job|was promoted|got promoted|left|quit|changed) .*)$",
    )
});

/// The sentence without such words.
pub(crate) fn without_opening(sentence: &str) -> Cow<'_, str> {
    let mut rest = sentence;
    for _ in 0..2 {
        if let Some(found) = OPENING.find(rest).filter(|found| found.end() < rest.len()) {
            rest = &rest[found.end()..];
        }
    }
    if let Some(found) = BEFORE_CHANGE.captures(rest).and_then(|found| found.name("c")) {
        rest = found.as_str();
    }
    if rest.len() == sentence.len() {
        sentence.into()
    } else {
        capitalised(rest).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_opens_a_sentence_is_left_out() {
        for (said, left) in [
            ("As of today, Alice lives in Lisbon", "Alice lives in Lisbon"),
            ("Since last month Alice lives in Lisbon", "Alice lives in Lisbon"),
            ("Last week Alice moved to Lisbon", "Alice moved to Lisbon"),
            ("Last week Alice was in Lisbon", "Last week Alice was in Lisbon"),
            ("Now", "Now"),
            ("Today the standup is at 10:00", "Today the standup is at 10:00"),
        ] {
            assert_eq!(without_opening(said), left);
        }
    }
}
