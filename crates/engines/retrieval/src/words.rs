//! From text to words: normalised, segmented by the rules of Unicode, scripts without spaces kept apart.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// A piece of text as the analyzer sees it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Word<'a> {
    /// A word of a script that separates words, in lower case.
    Spaced {
        /// The word.
        text: Cow<'a, str>,
        /// Every letter of it was a capital, and there were at least two: `US`, not `us`.
        shouted: bool,
    },
    /// A run of a script that writes words without spaces between them (Chinese, Japanese, Korean, Thai, …).
    Run(Vec<char>),
}

/// Folds what a reader takes for the same letter: compatibility forms (full width, ligatures) and
/// the accents of Latin, Greek and Cyrillic.
pub(crate) fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let folded = text
        .nfkd()
        .filter(|c| !('\u{300}'..='\u{36f}').contains(c))
        .nfc()
        .map(|c| match c {
            '\u{2019}' | '\u{2bc}' => '\'',
            other => other,
        })
        .collect();
    Cow::Owned(folded)
}

/// Calls `each` for every word of `text`, which must be folded already, in reading order.
pub(crate) fn each_word(text: &str, mut each: impl FnMut(Word<'_>)) {
    let mut run = Vec::new();
    for segment in text.split_word_bounds() {
        if segment.chars().all(is_unspaced) {
            run.extend(segment.chars());
            continue;
        }
        if !run.is_empty() {
            each(Word::Run(std::mem::take(&mut run)));
        }
        if segment.chars().any(char::is_alphanumeric) {
            each_part(segment, &mut each);
        }
    }
    if !run.is_empty() {
        each(Word::Run(run));
    }
}

/// Splits what Unicode keeps together for the eye but people search apart (`node.js`, `snake_case`),
/// joins what they write both ways (`U.S.`, `1,000`).
fn each_part(segment: &str, each: &mut impl FnMut(Word<'_>)) {
    let is_number = segment.starts_with(|c: char| c.is_ascii_digit());
    if is_number && segment.contains(',') {
        return each(spaced(Cow::Owned(segment.replace(',', ""))));
    }
    if is_number || !segment.contains(['.', '_', ':', '\u{b7}']) {
        return each(spaced(Cow::Borrowed(segment)));
    }
    let parts = || {
        segment
            .split(['.', '_', ':', '\u{b7}'])
            .filter(|part| !part.is_empty())
    };
    if parts().all(|part| part.chars().count() == 1) {
        return each(spaced(Cow::Owned(parts().collect())));
    }
    for part in parts() {
        each(spaced(Cow::Borrowed(part)));
    }
}

fn spaced(text: Cow<'_, str>) -> Word<'_> {
    let mut letters = text.chars().filter(|c| c.is_alphabetic());
    let shouted = letters.clone().count() >= 2 && letters.all(char::is_uppercase);
    let text = if text.chars().any(char::is_uppercase) {
        Cow::Owned(text.to_lowercase())
    } else {
        text
    };
    Word::Spaced { text, shouted }
}

/// Letters of scripts that put no spaces between words. Hangul is among them: its words carry
/// particles, which bigrams see through.
fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c),
        0x0e01..=0x0eff        // Thai, Lao
        | 0x1000..=0x109f      // Myanmar
        | 0x1780..=0x17ff      // Khmer
        | 0x1100..=0x11ff      // Hangul letters
        | 0x3005..=0x3007      // iteration mark, closing mark, zero
        | 0x3041..=0x30ff      // Hiragana, Katakana
        | 0x3400..=0x4dbf      // Han, extension A
        | 0x4e00..=0x9fff      // Han
        | 0xac00..=0xd7a3      // Hangul syllables
        | 0xf900..=0xfaff      // Han, compatibility
        | 0x20000..=0x323af    // Han, further extensions
    ) && c != '\u{30fb}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let mut found = Vec::new();
        each_word(&fold(text), |word| match word {
            Word::Spaced { text, .. } => found.push(text.into_owned()),
            Word::Run(run) => found.push(format!("<{}>", run.iter().collect::<String>())),
        });
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn words_follow_the_eye() {
        check("", &[]);
        check("  ,;! ", &[]);
        check("Alice's cat, Minou.", &["alice's", "cat", "minou"]);
        check("Node.js and snake_case", &["node", "js", "and", "snake", "case"]);
        check(
            "the U.S. cost 1,200.50 at 10:30",
            &["the", "us", "cost", "1200.50", "at", "10", "30"],
        );
        check("db-7.internal", &["db", "7", "internal"]);
        check("a@b.example", &["a", "b", "example"]);
    }

    #[test]
    fn the_same_letter_in_another_form_is_the_same_letter() {
        check("José CAFÉ ﬁne Ｆｕｌｌ", &["jose", "cafe", "fine", "full"]);
        check("Alice’s", &["alice's"]);
        check("Ёлка й", &["елка", "и"]);
    }

    #[test]
    fn scripts_without_spaces_come_in_runs() {
        check("東京タワーに行く", &["<東京タワーに行く>"]);
        check("私はRustが好き", &["<私は>", "rust", "<が好き>"]);
        check("서울에 산다", &["<서울에>", "<산다>"]);
        check("สวัสดี ok", &["<สวัสดี>", "ok"]);
        check("が゙", &["<が゙>"]);
    }

    #[test]
    fn capitals_are_remembered() {
        let mut shouted = Vec::new();
        each_word("US us It I B2B", |word| {
            if let Word::Spaced { shouted: s, .. } = word {
                shouted.push(s);
            }
        });
        assert_eq!(shouted, [true, false, false, false, true]);
    }
}
