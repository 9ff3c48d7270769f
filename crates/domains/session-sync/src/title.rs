//! A title for a session that has none of its own.

use crate::secrets::redacted;

/// The longest title that is not given by hand, in characters.
const MAX_CHARS: usize = 80;
/// A sentence shorter than this says too little to end the title.
const MIN_SENTENCE_CHARS: usize = 10;

/// How lines begin that are instructions or markup rather than what a person asked for.
const NOT_A_TITLE: &[&str] = &[
    "#",
    "<",
    "[",
    "(",
    "---",
    "```",
    "IMPORTANT:",
    "Note:",
    "NOTE:",
    "You are ",
    "Caveat:",
    "//",
    "/*",
];

/// Whether a line may serve as a title.
fn usable(line: &str) -> bool {
    line.chars().count() >= 3 && !NOT_A_TITLE.iter().any(|start| line.starts_with(start))
}

/// The title: the one given, when usable, else the first usable line of the first message of the user, each no
/// longer than its first sentence; else how many messages there are.
pub(crate) fn smart_title(given: Option<&str>, first_message: Option<&str>, messages: i64) -> String {
    let clean = |text: &str| redacted(&text.replace('\0', "")).trim().to_owned();
    if let Some(title) = given.map(clean).filter(|title| usable(title)) {
        return shortened(&title);
    }
    let line = first_message.and_then(|text| text.lines().map(str::trim).find(|line| usable(line)));
    match line {
        Some(line) => shortened(&clean(line)),
        None if messages > 0 => format!("Untitled session ({messages} messages)"),
        None => "Untitled session".to_owned(),
    }
}

/// The first sentence that says something, cut on a word.
fn shortened(line: &str) -> String {
    let mut end = line.len();
    for (at, mark) in line.char_indices() {
        let next = at + mark.len_utf8();
        let ends =
            matches!(mark, '.' | '!' | '?') && line[next..].chars().next().is_none_or(char::is_whitespace);
        if ends && line[..at].chars().count() >= MIN_SENTENCE_CHARS {
            end = next;
            break;
        }
    }
    let sentence = line[..end].trim_end();
    let Some((cut, _)) = sentence.char_indices().nth(MAX_CHARS) else {
        return sentence.to_owned();
    };
    let head = &sentence[..cut];
    let word_end = head.rfind(char::is_whitespace).filter(|&at| at > MAX_CHARS / 3);
    format!("{}…", head[..word_end.unwrap_or(cut)].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_given_title_wins_unless_it_is_markup() {
        assert_eq!(smart_title(Some("Fix retries"), Some("other"), 3), "Fix retries");
        assert_eq!(
            smart_title(Some("# Rules"), Some("Fix the parser"), 3),
            "Fix the parser"
        );
        assert_eq!(smart_title(Some("a\0b c"), None, 0), "ab c");
    }

    #[test]
    fn the_first_usable_line_is_cut_at_a_sentence_and_then_on_a_word() {
        let message = "<system>\n\nFix the flaky test in worker.py. Then deploy it.";
        assert_eq!(
            smart_title(None, Some(message), 1),
            "Fix the flaky test in worker.py."
        );
        assert_eq!(
            smart_title(Some("Fix the parser. Then deploy it."), None, 1),
            "Fix the parser."
        );
        let long = "word ".repeat(40);
        let title = smart_title(None, Some(&long), 1);
        assert!(
            title.chars().count() <= MAX_CHARS + 1 && title.ends_with("word…"),
            "{title}"
        );
    }

    #[test]
    fn without_words_the_count_is_the_title_and_secrets_never_are() {
        assert_eq!(
            smart_title(None, Some("```\n##"), 4),
            "Untitled session (4 messages)"
        );
        assert_eq!(smart_title(Some(""), None, 0), "Untitled session");
        assert_eq!(
            smart_title(None, Some("use AKIAIOSFODNN7EXAMPLE now"), 1),
            "use [redacted] now"
        );
    }
}
