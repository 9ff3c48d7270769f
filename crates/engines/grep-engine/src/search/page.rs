//! Showing the matches of a page of files.

use std::ops::Range;

use super::Search;
use super::files::Found;
use super::lines::{FoundLine, LineFinder, Lines, Wanted, without_terminator};
use super::shares::share;
use super::snippet::{snippet, trimmed};
use crate::definitions::{Definition, classify_line};
use crate::query::{Count, QueryError};
use crate::segment::Reader;
use crate::snapshot::FileRef;

/// Of more matches in one line than this the ranges are not told: such a line is longer than what is shown of it.
const RANGES_PER_LINE: usize = 1000;

/// One page of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Matching files, in the query's order.
    pub hits: Vec<Hit>,
    /// How many files match in all, on whatever page.
    pub total: usize,
    /// Whether `total` counts every matching file. If not, there are at least that many:
    /// the query did not ask for more, or its time was over.
    pub total_is_exact: bool,
    /// How many lines match in all, if the query counts lines.
    pub total_lines: Option<usize>,
    /// Where the next page begins; `None` if this is the last.
    pub next_file_offset: Option<usize>,
    /// A byte budget or the time budget left something out of the page.
    pub truncated: bool,
}

/// A matching file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Its path.
    pub path: String,
    /// Its matching lines, by number; none if the query counts.
    pub matches: Vec<Match>,
    /// How many of its lines match, if the query counts lines.
    pub lines: Option<usize>,
    /// There are more matches than shown: a budget, or
    /// [`max_matches_per_file`](crate::QueryBuilder::max_matches_per_file), cut them.
    pub truncated: bool,
}

/// A matching line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Match {
    /// Its number, from 1.
    pub line: usize,
    /// Its text without the line terminator; bytes that are not UTF-8 as U+FFFD. Of a
    /// long line the part around the first match.
    pub snippet: String,
    /// The snippet is only a part of the line.
    pub truncated: bool,
    /// The lines before it, oldest first, as many as asked for and there are.
    pub before: Vec<String>,
    /// The lines after it.
    pub after: Vec<String>,
    /// What the line defines, if the query classifies definitions and it does.
    pub definition: Option<Definition>,
    /// How well it matches, at least 1; fuzzy only.
    pub score: Option<u32>,
    /// Where in the line the first match begins, in bytes from 1, if asked for.
    pub column: Option<usize>,
    /// Where in the line the pattern matches, in bytes from 0, if asked for: the first thousand places.
    pub ranges: Vec<Range<usize>>,
    /// Which of several patterns match, by their order in the query; empty for a query
    /// of one pattern.
    pub patterns: Vec<usize>,
}

impl Match {
    /// About how many bytes it takes to show: text, and a little for its frame.
    pub(super) fn cost(&self) -> usize {
        let context = self
            .before
            .iter()
            .chain(&self.after)
            .map(|line| line.len() + 3)
            .sum::<usize>();
        32 + self.snippet.len() + context + self.ranges.len() * 16
    }
}

impl Hit {
    /// About how many bytes it takes to show it without matches.
    pub(super) fn own_cost(&self) -> usize {
        32 + self.path.len()
    }
}

/// Shows `wanted`, the page's files.
pub(super) fn render(
    search: &Search<'_>,
    found: &Found,
    wanted: Vec<FileRef>,
    total_lines: Option<usize>,
) -> Result<Page, QueryError> {
    let query = search.query;
    let mut renderer = Renderer {
        search,
        found,
        finder: LineFinder::new(&query.compiled.finder),
    };
    let asked = wanted.len();
    let (hits, cut) = match query.shape.count {
        None => renderer.hits(wanted)?,
        Some(count) => (renderer.counts(wanted, count), false),
    };
    let shown = query.page.offset.saturating_add(hits.len());
    let more = shown < found.total && (asked > 0 || query.page.limit == 0);
    Ok(Page {
        total: found.total,
        total_is_exact: found.exact && !found.timed_out,
        total_lines,
        next_file_offset: more.then_some(shown),
        truncated: cut || found.timed_out,
        hits,
    })
}

struct Renderer<'a> {
    search: &'a Search<'a>,
    found: &'a Found,
    finder: LineFinder<'a>,
}

impl<'a> Renderer<'a> {
    /// The hits that fit the budgets, and whether the budgets cut something.
    fn hits(&mut self, wanted: Vec<FileRef>) -> Result<(Vec<Hit>, bool), QueryError> {
        let shape = self.search.query.shape;
        let mut hits: Vec<Hit> = Vec::with_capacity(wanted.len());
        let mut left = shape.page_bytes;
        let mut cut = false;
        for file in wanted {
            let hit_budget = left.min(shape.max_bytes.unwrap_or(usize::MAX));
            let (hit, cost) = self.hit(file, hit_budget)?;
            if cost > left {
                // The page ends here, and the next one goes on; a file too large for any page is cut.
                if hits.is_empty() {
                    cut = true;
                    hits.push(hit);
                }
                break;
            }
            left -= cost;
            hits.push(hit);
        }
        if let Some(budget) = shape.max_bytes {
            cut |= share(&mut hits, budget);
        }
        Ok((hits, cut))
    }

    fn counts(&mut self, wanted: Vec<FileRef>, count: Count) -> Vec<Hit> {
        let mut hits = Vec::with_capacity(wanted.len());
        for at in wanted {
            let scope = &self.search.scopes[at.view];
            let mut reader = Reader::new(&scope.view.segment);
            let mut lines = Lines::new(
                scope,
                at.file,
                self.found.start(at),
                &mut self.finder,
                &mut reader,
            );
            hits.push(Hit {
                path: scope.layout().path(at.file).to_string(),
                matches: Vec::new(),
                lines: (count == Count::Lines).then(|| lines.count()),
                truncated: false,
            });
        }
        hits
    }

    /// A hit and its cost. Stops adding matches as soon as the cost exceeds `budget`.
    fn hit(&mut self, at: FileRef, budget: usize) -> Result<(Hit, usize), QueryError> {
        let query = self.search.query;
        let scope = &self.search.scopes[at.view];
        let layout = scope.layout();
        let mut reader = Reader::new(&scope.view.segment);
        let mut lines = Lines::new(
            scope,
            at.file,
            self.found.start(at),
            &mut self.finder,
            &mut reader,
        );
        let path = layout.path(at.file).to_string();
        let mut hit = Hit {
            path,
            matches: Vec::new(),
            lines: None,
            truncated: false,
        };
        let mut cost = hit.own_cost();
        let mut found = Vec::new();
        'blocks: while lines.next_block(&mut found) {
            self.search.check_cancelled()?;
            for line in found.drain(..) {
                let full = hit.matches.len() == query.shape.max_matches_per_file;
                if full || cost > budget && !hit.matches.is_empty() {
                    hit.truncated = true;
                    break 'blocks;
                }
                let shown = render_line(
                    self.search,
                    &mut lines,
                    &hit.path,
                    layout.file_range(at.file),
                    &line,
                );
                if query.shape.ranges {
                    // They may be incomplete.
                    self.search.check_cancelled()?;
                }
                cost += shown.cost();
                hit.matches.push(shown);
            }
        }
        Ok((hit, cost))
    }
}

fn render_line(
    search: &Search<'_>,
    lines: &mut Lines<'_, '_>,
    path: &str,
    file: Range<usize>,
    found: &FoundLine,
) -> Match {
    let query = search.query;
    let shape = query.shape;
    let show_context = |line: &[u8]| {
        let line = without_terminator(line);
        let line = if shape.trim { trimmed(line) } else { line };
        snippet(line, shape.snippet_bytes, None).text
    };
    let before = context_before(lines.reader(), &file, found.start, shape.before, show_context);
    let after = context_after(lines.reader(), &file, found.end, shape.after, show_context);
    let (text, finder) = lines.text_and_finder(found);
    let line = without_terminator(text);
    let cut = line.len() > shape.snippet_bytes;
    let wanted = match (shape.ranges, cut) {
        (true, _) => Wanted::UpTo(RANGES_PER_LINE),
        (false, true) => Wanted::First,
        (false, false) => Wanted::Nothing,
    };
    let several = query.compiled.key.pattern_count() > 1;
    let places = finder.locate(text, wanted, several, search.cancel);
    let first = places.ranges.first();
    let (shown_line, around) = if shape.trim {
        let shown = trimmed(line);
        let cut_off = line.len() - line.trim_ascii_start().len();
        (
            shown,
            first.map(|range| range.start.saturating_sub(cut_off)..range.end.saturating_sub(cut_off)),
        )
    } else {
        (line, first.cloned())
    };
    let shown = snippet(shown_line, shape.snippet_bytes, around.as_ref());
    Match {
        line: found.number,
        snippet: shown.text,
        truncated: shown.cut,
        before,
        after,
        definition: if shape.classify_definitions {
            classify_line(path, line)
        } else {
            None
        },
        score: found.score,
        column: first.filter(|_| shape.ranges).map(|range| range.start + 1),
        ranges: if shape.ranges { places.ranges } else { Vec::new() },
        patterns: places.patterns,
    }
}

/// Up to `count` lines of the file that end at or before `at`, oldest first.
fn context_before(
    reader: &mut Reader<'_>,
    file: &Range<usize>,
    mut at: usize,
    count: usize,
    show: impl Fn(&[u8]) -> String,
) -> Vec<String> {
    let mut lines = Vec::new();
    while lines.len() < count && at > file.start {
        let (text, block_start) = reader.block_with(at - 1);
        let end = at - block_start;
        let start = memchr::memrchr(b'\n', &text[..end - 1]).map_or(0, |feed| feed + 1);
        lines.push(show(&text[start..end]));
        at = block_start + start;
    }
    lines.reverse();
    lines
}

/// Up to `count` lines of the file that begin at `at` or after.
fn context_after(
    reader: &mut Reader<'_>,
    file: &Range<usize>,
    mut at: usize,
    count: usize,
    show: impl Fn(&[u8]) -> String,
) -> Vec<String> {
    let mut lines = Vec::new();
    while lines.len() < count && at < file.end {
        let (text, block_start) = reader.block_with(at);
        let start = at - block_start;
        let end = memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |feed| start + feed + 1);
        lines.push(show(&text[start..end]));
        at = block_start + end;
    }
    lines
}
