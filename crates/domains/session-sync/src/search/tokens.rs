//! From text to the tokens that are searched for: the same for both databases, and for highlighting.

use std::borrow::Cow;
use std::collections::HashMap;

use rust_stemmers::{Algorithm, Stemmer};

/// Longer runs of letters and digits are data, not words.
const MAX_TOKEN_CHARS: usize = 64;

/// Reads texts into tokens. Words are runs of letters and digits, folded to lower case and reduced to their
/// English stem; each ideograph is a word of its own.
pub(crate) struct Tokenizer {
    stemmer: Stemmer,
}

/// A word of a text.
pub(crate) struct Word<'a> {
    /// Where it begins, in bytes.
    pub(crate) start: usize,
    /// The word as it stands.
    pub(crate) text: &'a str,
}

fn is_ideograph(c: char) -> bool {
    matches!(u32::from(c), 0x2E80..=0x9FFF | 0xAC00..=0xD7AF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

/// The words of a text, in order.
pub(crate) fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + text[rest..].find(char::is_alphanumeric)?;
        let first = text[start..].chars().next()?;
        let end = if is_ideograph(first) {
            start + first.len_utf8()
        } else {
            text[start..]
                .find(|c: char| !c.is_alphanumeric() || is_ideograph(c))
                .map_or(text.len(), |length| start + length)
        };
        rest = end;
        Some(Word {
            start,
            text: &text[start..end],
        })
    })
}

impl Default for Tokenizer {
    fn default() -> Self {
        Self {
            stemmer: Stemmer::create(Algorithm::English),
        }
    }
}

impl Tokenizer {
    /// The token of a word; `None` for what is too long to be one.
    pub(crate) fn token(&self, word: &str) -> Option<String> {
        if word.chars().count() > MAX_TOKEN_CHARS {
            return None;
        }
        let folded: Cow<'_, str> = if word.bytes().all(|byte| byte.is_ascii_lowercase()) {
            Cow::Borrowed(word)
        } else {
            Cow::Owned(word.to_lowercase())
        };
        Some(self.stemmer.stem(&folded).into_owned())
    }

    /// The tokens of a text, in order, repeated ones included.
    pub(crate) fn tokens<'a>(&'a self, text: &'a str) -> impl Iterator<Item = String> + 'a {
        words(text).filter_map(|word| self.token(word.text))
    }
}

/// A tokenizer that remembers the tokens of words: texts repeat most of their words.
#[derive(Default)]
pub(crate) struct Remembering {
    tokenizer: Tokenizer,
    known: HashMap<String, String>,
}

/// Words that are remembered at once.
const REMEMBERED: usize = 50_000;

impl Remembering {
    /// The first tokens of a text, in order, repeated ones included.
    pub(crate) fn tokens(&mut self, text: &str, most: usize) -> Vec<String> {
        let mut tokens = Vec::new();
        for word in words(text) {
            if tokens.len() == most {
                break;
            }
            if let Some(token) = self.known.get(word.text) {
                tokens.push(token.clone());
                continue;
            }
            let Some(token) = self.tokenizer.token(word.text) else {
                continue;
            };
            tokens.push(token.clone());
            if self.known.len() < REMEMBERED {
                self.known.insert(word.text.to_owned(), token);
            }
        }
        tokens
    }
}

/// What separates the highlighted words of a match.
const OPEN: &str = "<mark>";
const CLOSE: &str = "</mark>";
/// How much of a text a match shows, in bytes before and after the first word found.
const BEFORE: usize = 80;
const AFTER: usize = 160;

/// The piece of a text that has the most of the words, with those words marked. What would be markup in
/// HTML is escaped.
pub(crate) fn snippet(tokenizer: &Tokenizer, text: &str, matches: &dyn Fn(&str) -> bool) -> String {
    let mut hits: Vec<(usize, usize)> = Vec::new();
    let mut tokens: Vec<String> = Vec::new();
    for word in words(text) {
        if let Some(token) = tokenizer.token(word.text).filter(|token| matches(token)) {
            hits.push((word.start, word.start + word.text.len()));
            tokens.push(token);
        }
    }
    let anchor = hits
        .get(best_window(&hits, &tokens))
        .map_or(0, |(start, _)| *start);
    let mut start = anchor.saturating_sub(BEFORE);
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = (anchor + AFTER).min(text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    // Whole words at both ends, where a word does not fill the whole margin.
    if start > 0
        && let Some((space, mark)) = text[start..anchor]
            .char_indices()
            .find(|(_, c)| c.is_whitespace())
    {
        start += space + mark.len_utf8();
    }
    let mut shown = String::new();
    if start > 0 {
        shown.push('…');
    }
    let mut at = start;
    for (hit_start, hit_end) in hits {
        if hit_start < at || hit_end > end {
            continue;
        }
        escape(&text[at..hit_start], &mut shown);
        shown.push_str(OPEN);
        escape(&text[hit_start..hit_end], &mut shown);
        shown.push_str(CLOSE);
        at = hit_end;
    }
    escape(&text[at..end.max(at)], &mut shown);
    if end < text.len() {
        shown.push('…');
    }
    shown
}

/// The hit from which a snippet shows the most different tokens; of several the first.
fn best_window(hits: &[(usize, usize)], tokens: &[String]) -> usize {
    let mut counts: HashMap<&str, u32> = HashMap::new();
    let (mut best, mut best_count, mut next) = (0, 0, 0);
    for (first, (start, _)) in hits.iter().enumerate() {
        while next < hits.len() && hits[next].1 <= start + AFTER {
            *counts.entry(&tokens[next]).or_default() += 1;
            next += 1;
        }
        if counts.len() > best_count {
            (best, best_count) = (first, counts.len());
        }
        if let Some(count) = counts.get_mut(tokens[first].as_str()) {
            *count -= 1;
            if *count == 0 {
                counts.remove(tokens[first].as_str());
            }
        }
        next = next.max(first + 1);
    }
    best
}

fn escape(text: &str, shown: &mut String) {
    for c in text.chars() {
        match c {
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '&' => shown.push_str("&amp;"),
            '\n' | '\r' | '\t' => shown.push(' '),
            other => shown.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_tokens_are_those_that_were_found_first() {
        let text = format!("Running runs, RUNNING {} 東京 running", "x".repeat(65));
        let plain: Vec<String> = Tokenizer::default().tokens(&text).collect();
        let mut remembering = Remembering::default();
        for _ in 0..2 {
            assert_eq!(remembering.tokens(&text, usize::MAX), plain);
        }
        assert_eq!(remembering.tokens(&text, 2), plain[..2]);
    }
    use proptest::prelude::*;

    fn tokens(text: &str) -> Vec<String> {
        Tokenizer::default().tokens(text).collect()
    }

    #[test]
    fn words_are_folded_and_stemmed_and_punctuation_separates_them() {
        assert_eq!(
            tokens("Retries, retry_TEST src/worker.rs v3"),
            ["retri", "retri", "test", "src", "worker", "rs", "v3"]
        );
        assert_eq!(tokens("日本語 x"), ["日", "本", "語", "x"]);
        assert!(tokens(&"a".repeat(65)).is_empty());
    }

    #[test]
    fn a_snippet_marks_every_form_of_the_word_and_escapes_markup() {
        let tokenizer = Tokenizer::default();
        let wanted = tokenizer.token("retry").unwrap();
        let shown = snippet(&tokenizer, "<b> it retries & retried", &|token| token == wanted);
        assert_eq!(
            shown,
            "&lt;b&gt; it <mark>retries</mark> &amp; <mark>retried</mark>"
        );
    }

    proptest! {
        #[test]
        fn any_text_has_tokens_and_a_snippet(text in "\\PC{0,600}", word in "\\PC{0,9}") {
            let tokenizer = Tokenizer::default();
            let wanted: Vec<String> = tokenizer.tokens(&word).collect();
            let shown = snippet(&tokenizer, &text, &|token| wanted.iter().any(|want| want == token));
            prop_assert!(shown.len() <= (BEFORE + AFTER) * 30 + 64);
            for word in words(&text) {
                prop_assert!(text[word.start..].starts_with(word.text) && !word.text.is_empty());
            }
        }
    }
}
