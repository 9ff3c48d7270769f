//! Scoring lines.

use std::ops::Range;

use nucleo_matcher::{Matcher, Utf32Str};

use super::{Atom, FuzzyMatcher, LINE_BYTES, config};

/// Scores lines for one [`FuzzyMatcher`]; holds the buffers, so one per thread.
pub(crate) struct FuzzyScanner<'a> {
    fuzzy: &'a FuzzyMatcher,
    nucleo: Matcher,
    /// Where the characters of the abbreviated atom are, by nucleo.
    indices: Vec<u32>,
    /// The line as characters, and the same with case folded unless case counts.
    cased: Vec<char>,
    folded: Vec<char>,
}

/// A fuzzy match in full.
pub(crate) struct Located {
    pub(crate) score: u32,
    /// Byte ranges of the line, ascending.
    pub(crate) ranges: Vec<Range<usize>>,
    /// The patterns that match.
    pub(crate) patterns: Vec<usize>,
}

/// How an atom matched: its score, and the matched characters if asked for.
struct AtomMatch {
    score: u32,
    characters: Vec<Range<usize>>,
}

impl<'a> FuzzyScanner<'a> {
    pub(crate) fn new(fuzzy: &'a FuzzyMatcher) -> Self {
        let nucleo = Matcher::new(config(fuzzy.case_sensitive));
        Self {
            fuzzy,
            nucleo,
            indices: Vec::new(),
            cased: Vec::new(),
            folded: Vec::new(),
        }
    }

    /// The line's score, at least 1, if it matches. `line` is without its terminator.
    pub(crate) fn score(&mut self, line: &[u8]) -> Option<u32> {
        let line = &line[..line.len().min(LINE_BYTES)];
        let fuzzy = self.fuzzy;
        let signature = fuzzy.signature(line);
        let possible = |pattern: &&Vec<Atom>| pattern.iter().all(|atom| atom.may_match(signature));
        let mut best = None;
        let mut read = false;
        for pattern in fuzzy.patterns.iter().filter(possible) {
            if !read {
                self.read(line);
                read = true;
            }
            best = best.max(
                self.pattern_score(pattern, signature, false)
                    .map(|(score, _)| score),
            );
        }
        best
    }

    /// The line's score and where it matches.
    pub(crate) fn locate(&mut self, line: &[u8]) -> Option<Located> {
        let line = &line[..line.len().min(LINE_BYTES)];
        let fuzzy = self.fuzzy;
        let signature = fuzzy.signature(line);
        self.read(line);
        let mut located: Option<Located> = None;
        for (at, pattern) in fuzzy.patterns.iter().enumerate() {
            let Some((score, characters)) = self.pattern_score(pattern, signature, true) else {
                continue;
            };
            let known = located.get_or_insert_with(|| Located {
                score,
                ranges: Vec::new(),
                patterns: Vec::new(),
            });
            known.score = known.score.max(score);
            known.patterns.push(at);
            known.ranges.extend(characters);
        }
        let mut located = located?;
        located.ranges = byte_ranges(line, &merged(located.ranges));
        Some(located)
    }

    fn read(&mut self, line: &[u8]) {
        let fuzzy = self.fuzzy;
        // Outside ASCII, case is folded before nucleo sees it: its own two ways of folding
        // disagree on characters such as U+017F and U+212A, which it then trips over.
        let read = |character: char| {
            if character.is_ascii() {
                character
            } else {
                fuzzy.fold(character)
            }
        };
        self.cased.clear();
        self.cased.extend(String::from_utf8_lossy(line).chars().map(read));
        self.folded.clear();
        self.folded
            .extend(self.cased.iter().map(|&character| fuzzy.fold(character)));
    }

    fn pattern_score(
        &mut self,
        pattern: &[Atom],
        signature: u64,
        located: bool,
    ) -> Option<(u32, Vec<Range<usize>>)> {
        let mut sum = 0;
        let mut characters = Vec::new();
        for atom in pattern {
            let found = self.atom_match(atom, signature, located)?;
            sum += found.score;
            characters.extend(found.characters);
        }
        // A pattern of blanks has no atoms, and matches nothing.
        (sum > 0).then_some((sum, characters))
    }

    fn atom_match(&mut self, atom: &Atom, signature: u64, located: bool) -> Option<AtomMatch> {
        if !atom.may_match(signature) {
            return None;
        }
        let abbreviated = self.abbreviated(atom, signature, located);
        // Nothing misspelt scores as high as a word in full.
        if abbreviated
            .as_ref()
            .is_some_and(|found| found.score >= atom.own_score)
        {
            return abbreviated;
        }
        let misspelt = self.misspelt(atom);
        match (abbreviated, misspelt) {
            (Some(one), Some(other)) => Some(if one.score >= other.score { one } else { other }),
            (one, other) => one.or(other),
        }
    }

    fn abbreviated(&mut self, atom: &Atom, signature: u64, located: bool) -> Option<AtomMatch> {
        if atom.signature & !signature != 0 || !atom.fits_a_window(&self.folded) {
            return None;
        }
        self.indices.clear();
        let line = Utf32Str::Unicode(&self.cased);
        let score = u32::from(
            self.nucleo
                .fuzzy_indices(line, atom.needle.slice(..), &mut self.indices)?,
        );
        let (first, last) = (*self.indices.first()? as usize, *self.indices.last()? as usize);
        let skips_word_characters = |pair: &&[u32]| {
            let skipped = &self.folded[pair[0] as usize + 1..pair[1] as usize];
            skipped.iter().any(|character| character.is_alphanumeric())
        };
        let gaps = self.indices.windows(2).filter(skips_word_characters).count();
        let good = last - first < atom.max_window && gaps <= atom.max_gaps && 2 * score >= atom.own_score;
        let characters = |indices: &[u32]| indices.iter().map(|&at| at as usize..at as usize + 1).collect();
        good.then(|| AtomMatch {
            score: score.max(1),
            characters: if located {
                characters(&self.indices)
            } else {
                Vec::new()
            },
        })
    }

    /// Each edit costs as much as two letters of a perfect score.
    fn misspelt(&self, atom: &Atom) -> Option<AtomMatch> {
        let word = atom.word.as_ref().filter(|_| atom.max_edits > 0)?;
        let (edits, at) = word.nearest(&self.folded, &self.cased, atom.max_edits)?;
        let count = atom.characters.len() as u32;
        let score = atom.own_score * count.saturating_sub(2 * edits as u32) / count;
        Some(AtomMatch {
            score: score.max(1),
            characters: vec![at],
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

impl Atom {
    /// A quick no for most lines: each edit makes up for one missing character.
    fn may_match(&self, signature: u64) -> bool {
        (self.signature & !signature).count_ones() as usize <= self.max_edits
    }

    /// Whether the characters occur in order within the window, anywhere.
    fn fits_a_window(&self, line: &[char]) -> bool {
        let Some((first, rest)) = self.characters.split_first() else {
            return false;
        };
        let starts = line
            .iter()
            .enumerate()
            .filter(|(_, character)| *character == first);
        starts
            .map(|(start, _)| &line[start + 1..(start + self.max_window).min(line.len())])
            .any(|window| {
                let mut window = window.iter();
                rest.iter()
                    .all(|wanted| window.any(|character| character == wanted))
            })
    }
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
                let fuzzy = FuzzyMatcher::new(&[pattern.clone()], case);
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
        assert_eq!(scanner.locate(broken).unwrap().ranges, [3..12]);
    }
}
