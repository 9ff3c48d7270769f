//! Which lines of a file match.

use std::ops::Range;

use crate::Cancel;
use crate::fuzzy::FuzzyScanner;
use crate::query::{Finder, Matcher, line_around};
use crate::segment::Reader;

use super::scope::Scope;

/// In files with more blocks left than this the index is asked which of them to look at.
const WORTH_ASKING: usize = 4;

/// Finds matching lines in whole lines of text. One per thread.
pub(super) enum LineFinder<'q> {
    Exact(&'q Matcher),
    Fuzzy(FuzzyScanner<'q>),
}

/// A matching line.
#[derive(Debug, Clone, Copy)]
pub(super) struct FoundLine {
    /// Its number in the file, from 1.
    pub(super) number: usize,
    /// Where it is in the arena, line feed included.
    pub(super) start: usize,
    pub(super) end: usize,
    /// The block it is in, and where in it.
    pub(super) block: usize,
    block_start: usize,
    /// Fuzzy only.
    pub(super) score: Option<u32>,
}

impl FoundLine {
    /// The line in the text of its block.
    pub(super) fn range(&self) -> Range<usize> {
        self.start - self.block_start..self.end - self.block_start
    }
}

impl<'q> LineFinder<'q> {
    pub(super) fn new(finder: &'q Finder) -> Self {
        match finder {
            Finder::Exact { matcher, .. } => Self::Exact(matcher),
            Finder::Fuzzy(fuzzy) => Self::Fuzzy(FuzzyScanner::new(fuzzy)),
        }
    }

    /// The first matching line of `text` from `at`, a line's start, on.
    fn find(&mut self, text: &[u8], mut at: usize) -> Option<(Range<usize>, Option<u32>)> {
        match self {
            Self::Exact(matcher) => matcher
                .find(text, at)
                .map(|position| (line_around(text, position), None)),
            Self::Fuzzy(scanner) => {
                while at < text.len() {
                    let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |feed| at + feed + 1);
                    if let Some(score) = scanner.score(without_terminator(&text[at..end])) {
                        return Some((at..end, Some(score)));
                    }
                    at = end;
                }
                None
            }
        }
    }
}

/// Where a line matches.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Ascending; as many as were asked for.
    pub(super) ranges: Vec<Range<usize>>,
    /// The patterns that match, if asked for.
    pub(super) patterns: Vec<usize>,
}

/// Which of the places where a line matches are asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Nothing,
    First,
    /// From left to right, at most so many.
    UpTo(usize),
}

impl LineFinder<'_> {
    /// Where a matching line, given with its terminator, matches.
    pub(super) fn locate(&mut self, line: &[u8], wanted: Wanted, patterns: bool, cancel: &Cancel) -> Places {
        match self {
            Self::Exact(matcher) => Places {
                ranges: match wanted {
                    Wanted::Nothing => Vec::new(),
                    Wanted::First => matcher.first(line).into_iter().collect(),
                    Wanted::UpTo(at_most) => matcher.all(line, at_most, cancel),
                },
                patterns: if patterns { matcher.which(line) } else { Vec::new() },
            },
            Self::Fuzzy(scanner) if wanted != Wanted::Nothing || patterns => {
                let located = scanner.locate(without_terminator(line));
                located.map_or_else(Places::default, |located| Places {
                    ranges: located.ranges,
                    patterns: if patterns { located.patterns } else { Vec::new() },
                })
            }
            Self::Fuzzy(_) => Places::default(),
        }
    }
}

/// A line without its `\n` or `\r\n`.
pub(super) fn without_terminator(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Walks over the matching lines of one file, a block at a time.
pub(super) struct Lines<'a, 'q> {
    scope: &'a Scope<'q>,
    finder: &'a mut LineFinder<'q>,
    reader: &'a mut Reader<'q>,
    file: Range<usize>,
    lines_before_file: usize,
    blocks: Range<usize>,
    /// No line that ends before this matches.
    first: usize,
    ask_index: bool,
}

impl<'a, 'q> Lines<'a, 'q> {
    /// `first` is a position in the first matching line, if that is known.
    pub(super) fn new(
        scope: &'a Scope<'q>,
        file: usize,
        first: Option<usize>,
        finder: &'a mut LineFinder<'q>,
        reader: &'a mut Reader<'q>,
    ) -> Self {
        let layout = scope.layout();
        let range = layout.file_range(file);
        let first = first.unwrap_or(range.start);
        let blocks = layout.blocks_of(&(first..range.end));
        Self {
            scope,
            finder,
            reader,
            lines_before_file: layout.lines_before_file(file),
            ask_index: blocks.len() > WORTH_ASKING,
            blocks,
            first,
            file: range,
        }
    }

    /// A found line with its terminator, and what found it.
    pub(super) fn text_and_finder(&mut self, line: &FoundLine) -> (&[u8], &mut LineFinder<'q>) {
        (&self.reader.block(line.block)[line.range()], self.finder)
    }

    pub(super) fn reader(&mut self) -> &mut Reader<'q> {
        self.reader
    }

    /// Appends the matching lines of the next block to look at; false when there is none.
    /// A block may turn out to have no match.
    pub(super) fn next_block(&mut self, out: &mut Vec<FoundLine>) -> bool {
        let candidates = if self.ask_index {
            self.scope.candidates()
        } else {
            None
        };
        let Some(block) = self
            .blocks
            .find(|&block| candidates.is_none_or(|blocks| blocks.contains(block)))
        else {
            return false;
        };
        let layout = self.scope.layout();
        let range = layout.block_range(block);
        let text = self.reader.block(block);
        let text = &text[..self.file.end.min(range.end) - range.start];
        let (mut at, mut lines) = if self.file.start >= range.start {
            (self.file.start - range.start, self.lines_before_file)
        } else {
            (0, layout.lines_before_block(block))
        };
        let mut counted = at;
        if self.first > range.start + at {
            at = line_around(text, self.first - range.start).start;
        }
        while at < text.len() {
            let Some((line, score)) = self.finder.find(text, at) else {
                break;
            };
            lines += memchr::memchr_iter(b'\n', &text[counted..line.start]).count();
            counted = line.start;
            at = line.end;
            out.push(FoundLine {
                number: lines - self.lines_before_file + 1,
                start: range.start + line.start,
                end: range.start + line.end,
                block,
                block_start: range.start,
                score,
            });
        }
        true
    }

    /// The number of matching lines.
    pub(super) fn count(&mut self) -> usize {
        let mut count = 0;
        let mut lines = Vec::new();
        while self.next_block(&mut lines) {
            count += lines.len();
            lines.clear();
        }
        count
    }

    /// Whether any matching line meets a condition, given the text of its block.
    pub(super) fn any(&mut self, condition: impl Fn(&[u8], &FoundLine) -> bool) -> bool {
        let mut lines = Vec::new();
        while self.next_block(&mut lines) {
            if let Some(first) = lines.first() {
                let text = self.reader.block(first.block);
                if lines.iter().any(|line| condition(text, line)) {
                    return true;
                }
            }
            lines.clear();
        }
        false
    }
}
