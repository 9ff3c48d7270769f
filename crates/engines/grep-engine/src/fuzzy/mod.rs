//! Fuzzy matching of lines.
//!
//! A pattern is split at blanks into atoms, and a line matches if every atom does. An atom
//! of `n` characters matches in one of two ways:
//!
//! - **abbreviated**: its characters occur in order within a window of `2n` characters, at
//!   most `max(1, n/4)` times with letters or digits skipped in between, and well enough:
//!   nucleo's score is at least half of the atom's score against itself;
//! - **misspelt**: it is within edit distance `min(n/3, 2)` of a word or a run of words,
//!   where the parts of `snake_case` and `camelCase` are words.
//!
//! Bare subsequence matching, as file pickers do it, finds `posix_shell_escape_matches`
//! for `shcema`; these gates keep it out. Only the first 512 bytes of a line are looked at.

mod edit;
mod scanner;

pub(crate) use scanner::FuzzyScanner;

use nucleo_matcher::chars::to_lower_case;
use nucleo_matcher::{Config, Utf32String};

use crate::query::Case;
use edit::Word;

/// The part of a line that is looked at.
const LINE_BYTES: usize = 512;

/// Compiled fuzzy patterns.
pub(crate) struct FuzzyMatcher {
    /// The atoms of each pattern.
    patterns: Vec<Vec<Atom>>,
    case_sensitive: bool,
    /// For each byte the bit it sets in a line's [`Self::signature`].
    signature_bits: Box<[u64; 256]>,
}

struct Atom {
    /// As nucleo wants it, case folded unless case counts.
    needle: Utf32String,
    characters: Vec<char>,
    word: Option<Word>,
    max_window: usize,
    max_gaps: usize,
    max_edits: usize,
    /// nucleo's score of the atom against itself.
    own_score: u32,
    /// What a line's signature has if all the atom's ASCII characters are in it.
    signature: u64,
}

impl FuzzyMatcher {
    pub(crate) fn new(patterns: &[String], case: Case) -> Self {
        let case_sensitive = match case {
            Case::Sensitive => true,
            Case::Insensitive | Case::Default => false,
            Case::Smart => patterns
                .iter()
                .any(|pattern| pattern.chars().any(char::is_uppercase)),
        };
        let signature_bits = signature_bits(case_sensitive);
        let mut nucleo = nucleo_matcher::Matcher::new(config(case_sensitive));
        let mut atom = |text: &str| Atom::new(text, case_sensitive, &signature_bits, &mut nucleo);
        let patterns = patterns
            .iter()
            .map(|pattern| pattern.split_whitespace().map(&mut atom).collect())
            .collect();
        Self {
            patterns,
            case_sensitive,
            signature_bits,
        }
    }

    fn fold(&self, character: char) -> char {
        if self.case_sensitive {
            character
        } else {
            to_lower_case(character)
        }
    }

    /// A bit for each kind of character in the line; all bits if it has any outside ASCII.
    fn signature(&self, line: &[u8]) -> u64 {
        line.iter()
            .fold(0, |bits, &byte| bits | self.signature_bits[usize::from(byte)])
    }
}

impl Atom {
    fn new(
        text: &str,
        case_sensitive: bool,
        bits: &[u64; 256],
        nucleo: &mut nucleo_matcher::Matcher,
    ) -> Self {
        let fold = |character| {
            if case_sensitive {
                character
            } else {
                to_lower_case(character)
            }
        };
        let characters: Vec<char> = text.chars().map(fold).collect();
        let needle = Utf32String::Unicode(characters.clone().into_boxed_slice());
        let needle = if characters.iter().all(char::is_ascii) {
            Utf32String::Ascii(characters.iter().collect::<String>().into_boxed_str())
        } else {
            needle
        };
        let count = characters.len();
        let own_score = nucleo
            .fuzzy_match(needle.slice(..), needle.slice(..))
            .map_or(1, u32::from);
        let ascii = characters.iter().filter(|character| character.is_ascii());
        Self {
            signature: ascii.fold(0, |sum, &character| sum | bits[character as usize]),
            word: Word::new(&characters),
            max_window: 2 * count,
            max_gaps: (count / 4).max(1),
            max_edits: (count / 3).min(2),
            own_score,
            needle,
            characters,
        }
    }
}

fn config(case_sensitive: bool) -> Config {
    let mut config = Config::DEFAULT;
    config.ignore_case = !case_sensitive;
    config.normalize = false;
    config
}

/// Letters (folded unless case counts) and digits have bits of their own; the rest share.
fn signature_bits(case_sensitive: bool) -> Box<[u64; 256]> {
    let mut bits = Box::new([u64::MAX; 256]);
    for byte in 0..128_u8 {
        let bit = match byte {
            b'a'..=b'z' => byte - b'a',
            b'A'..=b'Z' if case_sensitive => 26 + (byte - b'A'),
            b'A'..=b'Z' => byte - b'A',
            b'0'..=b'9' => 52 + (byte - b'0') / 2,
            b'_' => 57,
            _ => 58 + byte % 6,
        };
        bits[usize::from(byte)] = 1 << bit;
    }
    bits
}
