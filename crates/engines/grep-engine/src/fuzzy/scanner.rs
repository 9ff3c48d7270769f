//! Scoring lines.

use std::ops::Range;

use nucleo_matcher::{Matcher, Utf32Str};

use super::edit::Unit;
use super::{Atom, FuzzyMatcher, LINE_BYTES, config};

/// Scores lines for one [`FuzzyMatcher`]; holds the buffers, so one per thread.
pub(crate) struct FuzzyScanner<'a> {
    fuzzy: &'a FuzzyMatcher,
    scorer: Scorer,
    /// A line that is all ASCII, with case folded unless it counts.
    folded: Vec<u8>,
    /// Any other line as characters, and the same with case folded unless it counts.
    cased_characters: Vec<char>,
    folded_characters: Vec<char>,
}

/// A fuzzy match in full.
pub(crate) struct Located {
    pub(crate) score: u32,
    /// Byte ranges of the line, ascending.
    pub(crate) ranges: Vec<Range<usize>>,
    /// The patterns that match.
    pub(crate) patterns: Vec<usize>,
}

/// A line ready for scoring.
struct Line<'a, U> {
    cased: &'a [U],
    folded: &'a [U],
    /// The line as nucleo wants it.
    for_nucleo: Utf32Str<'a>,
    signature: u64,
}

impl<'a> FuzzyScanner<'a> {
    pub(crate) fn new(fuzzy: &'a FuzzyMatcher) -> Self {
        let nucleo = Matcher::new(config(fuzzy.case_sensitive));
        Self {
            fuzzy,
            scorer: Scorer {
                nucleo,
                indices: Vec::new(),
            },
            folded: Vec::new(),
            cased_characters: Vec::new(),
            folded_characters: Vec::new(),
        }
    }

    /// The line's score, at least 1, if it matches. `line` is without its terminator.
    pub(crate) fn score(&mut self, line: &[u8]) -> Option<u32> {
        let line = &line[..line.len().min(LINE_BYTES)];
        let signature = self.fuzzy.signature(line);
        let mut possible = false;
        for pattern in &self.fuzzy.patterns {
            possible |= pattern.iter().all(|atom| atom.may_match(signature));
        }
        if possible {
            self.locate_in(line, signature, false)
                .map(|located| located.score)
        } else {
            None
        }
    }

    /// The line's score and where it matches.
    pub(crate) fn locate(&mut self, line: &[u8]) -> Option<Located> {
        let line = &line[..line.len().min(LINE_BYTES)];
        let mut located = self.locate_in(line, self.fuzzy.signature(line), true)?;
        located.ranges = byte_ranges(line, &merged(located.ranges));
        Some(located)
    }

    /// As [`Self::locate`], but the ranges are of characters, and only there if asked for.
    fn locate_in(&mut self, line: &[u8], signature: u64, ranges: bool) -> Option<Located> {
        let fuzzy = self.fuzzy;
        if line.is_ascii() {
            self.folded.clear();
            self.folded.extend_from_slice(line);
            if !fuzzy.case_sensitive {
                self.folded.make_ascii_lowercase();
            }
            let line = Line {
                cased: line,
                folded: &self.folded,
                for_nucleo: Utf32Str::Ascii(line),
                signature,
            };
            return self.scorer.locate(fuzzy, &line, ranges);
        }
        // Outside ASCII, case is folded before nucleo sees it: its own two ways of folding
        // disagree on characters such as U+017F and U+212A, which it then trips over.
        let read = |character: char| {
            if character.is_ascii() {
                character
            } else {
                fuzzy.fold(character)
            }
        };
        self.cased_characters.clear();
        self.cased_characters
            .extend(String::from_utf8_lossy(line).chars().map(read));
        self.folded_characters.clear();
        self.folded_characters.extend(
            self.cased_characters
                .iter()
                .map(|&character| fuzzy.fold(character)),
        );
        let line = Line {
            cased: &self.cased_characters[..],
            folded: &self.folded_characters,
            for_nucleo: Utf32Str::Unicode(&self.cased_characters),
            signature,
        };
        self.scorer.locate(fuzzy, &line, ranges)
    }
}

/// Scores atoms.
struct Scorer {
    nucleo: Matcher,
    /// Where the characters of the abbreviated atom are, by nucleo.
    indices: Vec<u32>,
}

/// How an atom matched: its score, and the matched characters if asked for.
struct AtomMatch {
    score: u32,
    characters: Vec<Range<usize>>,
}

impl Scorer {
    fn locate<U: Unit>(&mut self, fuzzy: &FuzzyMatcher, line: &Line<'_, U>, ranges: bool) -> Option<Located> {
        let mut located: Option<Located> = None;
        for (at, pattern) in fuzzy.patterns.iter().enumerate() {
            let Some(found) = self.pattern(pattern, line, ranges) else {
                continue;
            };
            let known = located.get_or_insert_with(|| Located {
                score: 0,
                ranges: Vec::new(),
                patterns: Vec::new(),
            });
            known.score = known.score.max(found.score);
            if ranges {
                known.patterns.push(at);
                known.ranges.extend(found.characters);
            }
        }
        located
    }

    fn pattern<U: Unit>(&mut self, pattern: &[Atom], line: &Line<'_, U>, ranges: bool) -> Option<AtomMatch> {
        let mut sum = AtomMatch {
            score: 0,
            characters: Vec::new(),
        };
        for atom in pattern {
            let found = self.atom(atom, line, ranges)?;
            sum.score += found.score;
            sum.characters.extend(found.characters);
        }
        // A pattern of blanks has no atoms, and matches nothing.
        (sum.score > 0).then_some(sum)
    }

    fn atom<U: Unit>(&mut self, atom: &Atom, line: &Line<'_, U>, ranges: bool) -> Option<AtomMatch> {
        if !atom.may_match(line.signature) {
            return None;
        }
        let abbreviated = self.abbreviated(atom, line, ranges);
        // Nothing misspelt scores as high as a word in full.
        if abbreviated
            .as_ref()
            .is_some_and(|found| found.score >= atom.own_score)
        {
            return abbreviated;
        }
        match (abbreviated, misspelt(atom, line)) {
            (Some(one), Some(other)) => Some(if one.score >= other.score { one } else { other }),
            (one, other) => one.or(other),
        }
    }

    fn abbreviated<U: Unit>(&mut self, atom: &Atom, line: &Line<'_, U>, ranges: bool) -> Option<AtomMatch> {
        if atom.signature & !line.signature != 0 || !atom.fits_a_window(line.folded) {
            return None;
        }
        self.indices.clear();
        let score = self
            .nucleo
            .fuzzy_indices(line.for_nucleo, atom.needle.slice(..), &mut self.indices)?;
        let score = u32::from(score);
        let (first, last) = (*self.indices.first()? as usize, *self.indices.last()? as usize);
        let skips_word_characters = |pair: &&[u32]| {
            let skipped = &line.folded[pair[0] as usize + 1..pair[1] as usize];
            skipped.iter().any(|unit| unit.character().is_alphanumeric())
        };
        let gaps = self.indices.windows(2).filter(skips_word_characters).count();
        let good = last - first < atom.max_window && gaps <= atom.max_gaps && 2 * score >= atom.own_score;
        let characters = |indices: &[u32]| indices.iter().map(|&at| at as usize..at as usize + 1).collect();
        good.then(|| AtomMatch {
            score: score.max(1),
            characters: if ranges {
                characters(&self.indices)
            } else {
                Vec::new()
            },
        })
    }
}

/// Each edit costs as much as two letters of a perfect score.
fn misspelt<U: Unit>(atom: &Atom, line: &Line<'_, U>) -> Option<AtomMatch> {
    let word = atom
        .word
        .as_ref()
        .filter(|word| atom.max_edits > 0 && word.is_near(line.folded, atom.max_edits))?;
    let (edits, at) = word.nearest(line.folded, line.cased, atom.max_edits)?;
    let count = atom.characters.len() as u32;
    let score = atom.own_score * count.saturating_sub(2 * edits as u32) / count;
    Some(AtomMatch {
        score: score.max(1),
        characters: vec![at],
    })
}

impl Atom {
    /// A quick no for most lines: each edit makes up for one missing character.
    fn may_match(&self, signature: u64) -> bool {
        (self.signature & !signature).count_ones() as usize <= self.max_edits
    }

    /// Whether the characters occur in order within the window, anywhere.
    fn fits_a_window<U: Unit>(&self, line: &[U]) -> bool {
        let Some((&first, rest)) = self.characters.split_first() else {
            return false;
        };
        let starts = line
            .iter()
            .enumerate()
            .filter(|(_, unit)| unit.character() == first);
        starts
            .map(|(start, _)| &line[start + 1..(start + self.max_window).min(line.len())])
            .any(|window| {
                let mut window = window.iter();
                rest.iter()
                    .all(|&wanted| window.any(|unit| unit.character() == wanted))
            })
    }
}

/// Ranges of the line's characters as ranges of its bytes. Bytes that are not UTF-8 were
/// read as U+FFFD.
fn byte_ranges(line: &[u8], characters: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut offsets = vec![0];
    let mut at = 0;
    for chunk in line.utf8_chunks() {
        let broken = Some(chunk.invalid().len()).filter(|&len| len > 0);
        for len in chunk.valid().chars().map(char::len_utf8).chain(broken) {
            at += len;
            offsets.push(at);
        }
    }
    characters
        .iter()
        .map(|range| offsets[range.start]..offsets[range.end])
        .collect()
}

/// Sorted, with touching and overlapping ranges joined.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let mut out: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match out.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => out.push(range),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Case;

    fn score(pattern: &str, line: &str, case: Case) -> Option<u32> {
        let fuzzy = FuzzyMatcher::new(&[pattern.to_string()], case);
        FuzzyScanner::new(&fuzzy).score(line.as_bytes())
    }

    #[test]
    fn abbreviations_and_misspellings_match_and_scattered_letters_do_not() {
        for (pattern, line, expected) in [
            ("schema", "fn validate_schema() {}", true),
            ("schema", "let schema = 1;", true),
            ("schema", "SCHEMA", true),
            ("schema", "the scheme of things", true),
            ("schema", "hello world foo bar", false),
            ("schema", "let s = \"sxcxhxexmxa\";", false),
            ("SortedMap", "struct SortedArrayMap;", true),
            ("getuserbyid", "fn get_user_by_id() {}", true),
            ("shcema", "let schema = 1;", true),
            ("schma", "let schema = 1;", true),
            ("shcema", "posix_shell_escape_matches_shim_needs", false),
            ("(schema", "f(schema)", true),
            ("user id", "fn get_user_by_id() {}", true),
            ("user zebra", "fn get_user_by_id() {}", false),
            ("straße", "die Straße", true),
            ("ab", "axb", true),
            ("ab", "axyzb", false),
            ("   ", "any   line", false),
        ] {
            assert_eq!(
                score(pattern, line, Case::Default).is_some(),
                expected,
                "{pattern:?} in {line:?}"
            );
        }
    }

    #[test]
    fn case_counts_when_it_should() {
        assert!(score("SCHEMA", "let schema = 1;", Case::Smart).is_none());
        assert!(score("SCHEMA", "SCHEMA", Case::Smart).is_some());
        assert!(score("schema", "SCHEMA", Case::Smart).is_some());
        assert!(score("schema", "SCHEMA", Case::Sensitive).is_none());
    }

    #[test]
    fn better_matches_score_higher() {
        let of = |line: &str| score("schema", line, Case::Default).unwrap();
        assert!(of("let schema = 1;") > of("let sch_ema = 1;"));
        assert!(of("let schema = 1;") > of("the scheme of things"));
        assert!(of("the scheme of things") >= 1);
    }

    proptest::proptest! {
        #[test]
        fn any_line_can_be_scored(line in ".{0,40}", pattern in "[\\PC]{1,6}") {
            for case in [Case::Default, Case::Sensitive] {
                let fuzzy = FuzzyMatcher::new(std::slice::from_ref(&pattern), case);
                let mut scanner = FuzzyScanner::new(&fuzzy);
                let located = scanner.locate(line.as_bytes()).map(|located| located.score);
                proptest::prop_assert_eq!(scanner.score(line.as_bytes()), located);
            }
        }
    }

    #[test]
    fn only_the_beginning_of_a_line_is_looked_at() {
        let far = format!("{}schema", " ".repeat(LINE_BYTES));
        assert!(score("schema", &far, Case::Default).is_none());
    }

    #[test]
    fn ranges_are_bytes_of_the_line() {
        let fuzzy = FuzzyMatcher::new(&["sortedmap".into(), "élan".into()], Case::Default);
        let mut scanner = FuzzyScanner::new(&fuzzy);
        let line = "é struct SortedArrayMap;";
        let located = scanner.locate(line.as_bytes()).unwrap();
        let pieces: Vec<_> = located.ranges.iter().map(|range| &line[range.clone()]).collect();
        assert_eq!(pieces, ["Sorted", "Map"]);
        assert_eq!(located.patterns, [0]);
        assert!(scanner.locate(b"nothing here").is_none());
        let broken = b"\xff\xfe sortedmap";
        assert_eq!(scanner.locate(broken).unwrap().ranges.first(), Some(&(3..12)));
    }
}
