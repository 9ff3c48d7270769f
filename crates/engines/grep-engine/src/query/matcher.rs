//! Finding matching lines.

use std::ops::Range;

use memchr::memmem;
use regex_automata::Input;
use regex_automata::meta::{self, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_syntax::hir::{Hir, HirKind};

use super::QueryError;
use super::runs::RunProbe;

/// The most a compiled regex may weigh.
const PROGRAM_BYTES: usize = 10 << 20;
/// The most the lazily built automaton of a regex may weigh, per thread, before it starts over.
const AUTOMATON_BYTES: usize = 32 << 20;

/// Finds the lines that match any of a query's patterns.
pub(crate) struct Matcher {
    engine: Engine,
    /// Narrows down where to look, for patterns without a literal.
    probe: Option<RunProbe>,
    /// One per pattern, if there are several.
    each: Vec<Engine>,
}

enum Engine {
    /// One literal, case-sensitive.
    Literal(memmem::Finder<'static>),
    Regex(Regex),
}

impl Matcher {
    /// `probe_runs` says that the index is no help, so that a run probe is worth having.
    pub(crate) fn new(trees: &[Hir], probe_runs: bool) -> Result<Self, QueryError> {
        let probe = match trees {
            [tree] if probe_runs => RunProbe::new(tree),
            _ => None,
        };
        let each = match trees {
            [_] => Vec::new(),
            _ => trees
                .iter()
                .map(|tree| Engine::new(std::slice::from_ref(tree)))
                .collect::<Result<_, _>>()?,
        };
        Ok(Self {
            engine: Engine::new(trees)?,
            probe,
            each,
        })
    }

    /// A position within the first matching line of `text` that begins at or after `at`,
    /// which must be the start of a line.
    ///
    /// `text` is whole lines.
    pub(crate) fn find(&self, text: &[u8], at: usize) -> Option<usize> {
        let Some(probe) = &self.probe else {
            return self.engine.find_line(text, at);
        };
        let mut at = at;
        while let Some(run) = probe.find(text, at) {
            let line = line_around(text, run);
            if self.engine.find_line(&text[line.clone()], 0).is_some() {
                return Some(run);
            }
            at = line.end;
        }
        None
    }

    /// The first match in a line.
    pub(crate) fn first(&self, line: &[u8]) -> Option<Range<usize>> {
        self.engine.first(line)
    }

    /// All matches in a line, left to right, not overlapping.
    pub(crate) fn all(&self, line: &[u8]) -> Vec<Range<usize>> {
        match &self.engine {
            Engine::Literal(finder) => {
                let length = finder.needle().len();
                finder
                    .find_iter(line)
                    .map(|start| start..start + length)
                    .collect()
            }
            Engine::Regex(regex) => {
                // An empty match after the line feed is not in this line.
                regex
                    .find_iter(line)
                    .map(|found| found.range())
                    .filter(|range| range.start < line.len())
                    .collect()
            }
        }
    }

    /// Which patterns match the line; empty if the query has only one.
    pub(crate) fn which(&self, line: &[u8]) -> Vec<usize> {
        let matches = |engine: &Engine| engine.find_line(line, 0).is_some();
        self.each
            .iter()
            .enumerate()
            .filter(|(_, engine)| matches(engine))
            .map(|(at, _)| at)
            .collect()
    }
}

/// The line that holds the byte at `position`, with its line feed.
pub(crate) fn line_around(text: &[u8], position: usize) -> Range<usize> {
    let start = memchr::memrchr(b'\n', &text[..position]).map_or(0, |feed| feed + 1);
    let end = memchr::memchr(b'\n', &text[position..]).map_or(text.len(), |feed| position + feed + 1);
    start..end
}

impl Engine {
    fn new(trees: &[Hir]) -> Result<Self, QueryError> {
        if let [tree] = trees
            && let HirKind::Literal(literal) = tree.kind()
        {
            return Ok(Self::Literal(memmem::Finder::new(&literal.0).into_owned()));
        }
        let config = meta::Config::new()
            .utf8_empty(false)
            .which_captures(WhichCaptures::Implicit)
            .nfa_size_limit(Some(PROGRAM_BYTES))
            .hybrid_cache_capacity(AUTOMATON_BYTES);
        let regex = Regex::builder()
            .configure(config)
            .build_many_from_hir(trees)
            .map_err(|error| match error.size_limit() {
                Some(limit) => QueryError::TooBig { limit },
                None => QueryError::Syntax {
                    message: error.to_string(),
                },
            })?;
        Ok(Self::Regex(regex))
    }

    fn find_line(&self, text: &[u8], at: usize) -> Option<usize> {
        match self {
            Self::Literal(finder) => finder.find(&text[at..]).map(|start| at + start),
            Self::Regex(regex) => {
                // The end of the match that ends first is enough: no match holds a line
                // feed, so its end lies in the line, or just before the line's feed.
                let input = Input::new(text).range(at..).earliest(true);
                let end = regex.search_half(&input)?.offset();
                // Behind the last line feed there is no line to match.
                (end < text.len()).then_some(end)
            }
        }
    }

    fn first(&self, line: &[u8]) -> Option<Range<usize>> {
        match self {
            Self::Literal(finder) => finder
                .find(line)
                .map(|start| start..start + finder.needle().len()),
            Self::Regex(regex) => {
                let found = regex.search(&Input::new(line))?;
                Some(found.range()).filter(|range| range.start < line.len())
            }
        }
    }
}
