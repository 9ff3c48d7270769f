//! From a message to its sentences.

/// Abbreviations whose full stop does not end a sentence.
const ABBREVIATIONS: &[&str] = &[
    "approx", "dr", "e.g", "etc", "i.e", "inc", "jr", "ltd", "mr", "mrs", "ms", "no", "prof", "sr", "st",
    "u.s", "vs",
];

/// The sentences of a text, trimmed, in order. A line break ends a sentence, as does `.`, `!` or `?` before a blank,
/// unless the stop belongs to an abbreviation or an initial; in scripts without spaces, `。`, `！` and `？` end one.
pub(crate) fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut push = |start: usize, end: usize| {
        let sentence = text[start..end].trim();
        if !sentence.is_empty() {
            found.push(sentence);
        }
    };
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        let end = at + c.len_utf8();
        let blank_follows = characters.peek().is_none_or(|(_, next)| next.is_whitespace());
        let ends = match c {
            '\n' | '\r' | '。' | '！' | '？' => true,
            '!' | '?' => blank_follows,
            '.' => blank_follows && !is_abbreviation(&text[start..at]),
            _ => false,
        };
        if ends {
            push(start, end);
            start = end;
        }
    }
    push(start, text.len());
    found
}

fn is_abbreviation(before: &str) -> bool {
    let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    let word = word.trim_start_matches(|c: char| !c.is_alphanumeric());
    let initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase) && word != "I";
    initial || ABBREVIATIONS.binary_search(&word.to_lowercase().as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(sentences(text), expected);
    }

    #[test]
    fn sentences_end_where_a_reader_stops() {
        assert!(ABBREVIATIONS.is_sorted());
        check("", &[]);
        check("Hi! I'm Alice. I play.", &["Hi!", "I'm Alice.", "I play."]);
        check(
            "Dr. Okafor sees me. It helps",
            &["Dr. Okafor sees me.", "It helps"],
        );
        check("J. R. Smith vs. me", &["J. R. Smith vs. me"]);
        check("It was I. You know.", &["It was I.", "You know."]);
        check("v2.0 is on db-7.internal now", &["v2.0 is on db-7.internal now"]);
        check("one\n\ntwo\r\nthree", &["one", "two", "three"]);
        check(
            "私は東京に住んでいます。猫が好きです。",
            &["私は東京に住んでいます。", "猫が好きです。"],
        );
        check("What?! Really...", &["What?!", "Really..."]);
    }
}
