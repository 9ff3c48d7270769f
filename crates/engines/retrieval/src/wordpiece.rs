//! Word pieces: the longest-match tokenization of BERT (Devlin et al. 2018; Wu et al. 2016), lower-cased.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

/// Words longer than this many characters are unknown as a whole, as in the reference implementation.
const MAX_WORD_CHARS: usize = 100;

/// The pieces that a model knows. All of them are ASCII: a word with any other letter is unknown.
pub(crate) struct WordPieces<'a> {
    /// Pieces that begin a word.
    initial: HashMap<&'a [u8], u32>,
    /// Pieces that continue one, without their `##`.
    continuing: HashMap<&'a [u8], u32>,
    longest: usize,
}

impl<'a> WordPieces<'a> {
    /// `pieces` in the order of their numbers; those that continue a word begin with `##`.
    pub(crate) fn new(pieces: &[&'a str]) -> Self {
        let (mut initial, mut continuing, mut longest) = (HashMap::new(), HashMap::new(), 0);
        for (piece, number) in pieces.iter().zip(0_u32..) {
            match piece.strip_prefix("##").filter(|rest| !rest.is_empty()) {
                Some(rest) => continuing.insert(rest.as_bytes(), number),
                None => initial.insert(piece.as_bytes(), number),
            };
            longest = longest.max(piece.len());
        }
        WordPieces {
            initial,
            continuing,
            longest,
        }
    }

    /// The numbers of the pieces of `text`; words that cannot be put together of pieces are left out.
    pub(crate) fn pieces(&self, text: &str) -> Vec<u32> {
        let mut pieces = Vec::new();
        let mut word = Vec::new();
        let mut known = true;
        let mut end_word = |word: &mut Vec<u8>, known: &mut bool| {
            if *known && word.len() <= MAX_WORD_CHARS {
                self.split(word, &mut pieces);
            }
            word.clear();
            *known = true;
        };
        for c in text.nfd() {
            match c {
                c if c.is_ascii_alphanumeric() => word.push(c.to_ascii_lowercase() as u8),
                c if c.is_ascii_punctuation() => {
                    end_word(&mut word, &mut known);
                    word.push(c as u8);
                    end_word(&mut word, &mut known);
                }
                c if is_ignored(c) => {}
                c if c.is_alphanumeric() && !is_ideograph(c) => known = false,
                _ => end_word(&mut word, &mut known),
            }
        }
        end_word(&mut word, &mut known);
        pieces
    }

    /// Appends the pieces of one word, or nothing if it has none.
    fn split(&self, word: &[u8], pieces: &mut Vec<u32>) {
        let before = pieces.len();
        let mut rest = word;
        let mut known = &self.initial;
        while !rest.is_empty() {
            let longest = rest.len().min(self.longest);
            let Some((len, number)) = (1..=longest)
                .rev()
                .find_map(|len| Some((len, *known.get(&rest[..len])?)))
            else {
                pieces.truncate(before);
                return;
            };
            pieces.push(number);
            rest = &rest[len..];
            known = &self.continuing;
        }
    }
}

/// Accents (the text is decomposed), control and zero-width characters: they do not end a word.
fn is_ignored(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{fffd}')
        || (c.is_control() && !c.is_whitespace())
}

fn is_ideograph(c: char) -> bool {
    matches!(u32::from(c), 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x323af)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECES: [&str; 8] = ["play", "##ing", "##s", "s", "'", "run", "##", "#"];

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found: Vec<&str> = WordPieces::new(&PIECES)
            .pieces(text)
            .iter()
            .map(|n| PIECES[*n as usize])
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn the_longest_piece_wins() {
        check("Playing plays", &["play", "##ing", "play", "##s"]);
    }

    #[test]
    fn a_word_with_an_unknown_part_is_unknown() {
        check("playx run", &["run"]);
        check("plaйy", &[]);
    }

    #[test]
    fn punctuation_stands_alone() {
        check("play's", &["play", "'", "s"]);
        check("run#run", &["run", "#", "run"]);
    }

    #[test]
    fn accents_case_and_width_marks_are_ignored() {
        check("PLÁY\u{200b}ING", &["play", "##ing"]);
    }

    #[test]
    fn ideographs_and_symbols_separate() {
        check("run東京play€run", &["run", "play", "run"]);
    }

    #[test]
    fn endless_words_are_unknown() {
        check(&"s".repeat(101), &[]);
        assert_eq!(WordPieces::new(&PIECES).pieces(&"s".repeat(100)).len(), 100);
    }
}
