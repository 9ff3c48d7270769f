//! Finding matching lines.

use std::ops::Range;

use memchr::memmem;
use regex_automata::Input;
use regex_automata::meta::{self, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_syntax::hir::{Hir, HirKind};

use super::QueryError;
use super::runs::RunProbe;
use crate::Cancel;
use crate::signature::Grams;

/// The most a compiled regex may weigh.
const PROGRAM_BYTES: usize = 10 << 20;
/// The most the lazily built automaton of a regex may weigh, per thread, before it starts over.
const AUTOMATON_BYTES: usize = 8 << 20;

/// Finds the lines that match any of a query's patterns.
pub(crate) struct Matcher {
    engine: Engine,
    /// Narrows down where to look.
    probe: Option<Probe>,
    /// One per pattern, if there are several.
    each: Vec<Engine>,
}

/// Finds the lines that are worth the regex engine's time, much faster than it would.
enum Probe {
    /// One of these literals is in every matching line.
    Literals(Engine),
    /// A long run of one kind of byte is in every matching line.
    Run(RunProbe),
}

impl Probe {
    fn find_line(&self, text: &[u8], at: usize) -> Option<usize> {
        match self {
            Self::Literals(engine) => engine.find_line(text, at),
            Self::Run(run) => run.find(text, at),
        }
    }
}

enum Engine {
    /// One literal, case-sensitive.
    Literal(Box<memmem::Finder<'static>>),
    Regex(Regex),
}

impl Matcher {
    /// `grams` is what every match must contain.
    pub(crate) fn new(trees: &[Hir], grams: &Grams) -> Result<Self, QueryError> {
        let only_literals = trees
            .iter()
            .all(|tree| tree.properties().is_alternation_literal());
        let probe = match (trees, required_literals(grams)) {
            _ if only_literals => None,
            (_, Some(literals)) => {
                let literals: Vec<_> = literals.into_iter().map(Hir::literal).collect();
                Some(Probe::Literals(Engine::new(&literals)?))
            }
            ([tree], None) if *grams == Grams::Any => RunProbe::new(tree).map(Probe::Run),
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
        while let Some(position) = probe.find_line(text, at) {
            let line = line_around(text, position);
            if self.engine.find_line(&text[line.clone()], 0).is_some() {
                return Some(position);
            }
            at = line.end;
        }
        None
    }

    /// The first match in a line.
    pub(crate) fn first(&self, line: &[u8]) -> Option<Range<usize>> {
        self.engine.first(line)
    }

    /// The matches in a line, left to right, not overlapping: at most `at_most`, and fewer once `cancel` is raised.
    pub(crate) fn all(&self, line: &[u8], at_most: usize, cancel: &Cancel) -> Vec<Range<usize>> {
        match &self.engine {
            Engine::Literal(finder) => {
                let length = finder.needle().len();
                finder
                    .find_iter(line)
                    .map(|start| start..start + length)
                    .take(at_most)
                    .collect()
            }
            Engine::Regex(regex) => {
                // An empty match after the line feed is not in this line. To find the next match, or none, may take
                // looking at the whole rest of the line.
                regex
                    .find_iter(line)
                    .take_while(|_| !cancel.is_cancelled())
                    .map(|found| found.range())
                    .filter(|range| range.start < line.len())
                    .take(at_most)
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

/// Literals one of which is in every match: of several such sets the rarest one.
fn required_literals(grams: &Grams) -> Option<Vec<Vec<u8>>> {
    match grams {
        Grams::Any => None,
        Grams::Literal(literal) => literal.exact().map(|bytes| vec![bytes]),
        Grams::Or(parts) => {
            let sets = parts.iter().map(required_literals).collect::<Option<Vec<_>>>()?;
            Some(sets.concat())
        }
        Grams::And(parts) => {
            let rarity = |literals: &Vec<Vec<u8>>| literals.iter().map(|literal| rarity(literal)).min();
            parts.iter().filter_map(required_literals).max_by_key(rarity)
        }
    }
}

/// A guess at how rare a literal is: the longer, and the fewer common letters, the rarer.
fn rarity(literal: &[u8]) -> usize {
    let weight = |byte: &u8| match byte {
        b' ' | b'e' | b't' | b'a' | b'i' | b'n' | b'o' | b'r' | b's' => 2,
        b'a'..=b'z' => 3,
        _ => 4,
    };
    literal.iter().map(weight).sum()
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
            return Ok(Self::Literal(Box::new(
                memmem::Finder::new(&literal.0).into_owned(),
            )));
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
