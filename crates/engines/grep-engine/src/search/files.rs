//! Which files match, and in what order.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::OnceLock;

use crate::Threads;
use crate::bits::Bits;
use crate::definitions::classify_line;
use crate::query::{Finder, Matcher, QueryError, Sort};
use crate::segment::{Layout, Reader};
use crate::snapshot::{FileRef, in_path_order};

use super::Search;
use super::lines::{LineFinder, Lines};
use super::scope::Scope;

/// With fewer candidate blocks than this, threads cost more than they save.
const PARALLEL_BLOCKS: usize = 2000;
/// Blocks per piece of parallel work: 4 MiB of text.
const PIECE_BLOCKS: usize = 256;
/// Files per piece of parallel work.
pub(super) const PIECE_FILES: usize = 64;
/// Of so many files per segment it is remembered where their first match is.
const REMEMBERED_STARTS: usize = 256;

/// The files that match a query in a snapshot.
pub(crate) struct Found {
    /// Per view of the snapshot.
    pub(super) files: Vec<Bits>,
    /// Per view: where the first match of the first files is.
    starts: Vec<Vec<Start>>,
    /// In their order, unless that is the order of paths.
    pub(super) ranked: Option<Vec<FileRef>>,
    pub(super) total: usize,
    /// Every matching file is there; else the search ended when the page was full.
    pub(super) exact: bool,
    /// The search ended because its time was over.
    pub(super) timed_out: bool,
    line_counts: OnceLock<Vec<LineCount>>,
}

/// Where in the arena a file's first match is.
#[derive(Clone, Copy)]
struct Start {
    file: usize,
    position: usize,
}

/// How many lines of a file match.
#[derive(Clone, Copy)]
pub(super) struct LineCount {
    file: FileRef,
    pub(super) lines: usize,
}

impl Found {
    pub(super) fn new(files: Vec<Bits>, exact: bool) -> Self {
        let total = files.iter().map(Bits::count).sum();
        Self {
            files,
            starts: Vec::new(),
            ranked: None,
            total,
            exact,
            timed_out: false,
            line_counts: OnceLock::new(),
        }
    }

    /// A position in the file's first matching line, if it is remembered.
    pub(super) fn start(&self, at: FileRef) -> Option<usize> {
        let starts = self.starts.get(at.view)?;
        let found = starts.binary_search_by_key(&at.file, |start| start.file).ok()?;
        Some(starts[found].position)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let starts = |starts: &Vec<Start>| starts.capacity() * size_of::<Start>() + size_of::<Vec<Start>>();
        size_of::<Self>()
            + self
                .files
                .iter()
                .map(|files| files.heap_bytes() + size_of::<Bits>())
                .sum::<usize>()
            + self.starts.iter().map(starts).sum::<usize>()
            + self
                .ranked
                .as_ref()
                .map_or(0, |ranked| ranked.capacity() * size_of::<FileRef>())
            + self
                .line_counts
                .get()
                .map_or(0, |counts| counts.capacity() * size_of::<LineCount>())
    }
}

impl Search<'_> {
    pub(super) fn find_files(&self) -> Result<Found, QueryError> {
        let sort = self.query.compiled.sort;
        let mut found = match &self.query.compiled.finder {
            Finder::Exact { matcher, .. } => self.exact(matcher)?,
            Finder::Fuzzy(_) => self.fuzzy()?,
        };
        match sort {
            Sort::Default => {}
            Sort::Path => found.ranked = None,
            Sort::Matches => {
                let mut counts = self.line_counts(&found)?.to_vec();
                counts.sort_by_key(|count| Reverse(count.lines));
                found.ranked = Some(counts.into_iter().map(|count| count.file).collect());
            }
            Sort::Definitions => {
                let defines = self.per_file(&found, |lines, layout, file| {
                    lines.any(|text, line| classify_line(layout.path(file), &text[line.range()]).is_some())
                })?;
                let (first, rest): (Vec<_>, Vec<_>) = defines.into_iter().partition(|(_, defines)| *defines);
                found.ranked = Some(first.into_iter().chain(rest).map(|(file, _)| file).collect());
            }
        }
        Ok(found)
    }

    /// The number of matching lines of every file, in the order of paths.
    pub(super) fn line_counts<'f>(&self, found: &'f Found) -> Result<&'f [LineCount], QueryError> {
        if let Some(counts) = found.line_counts.get() {
            return Ok(counts);
        }
        let counts = self.per_file(found, |lines, _, _| lines.count())?;
        let counts = counts
            .into_iter()
            .map(|(file, lines)| LineCount { file, lines })
            .collect();
        Ok(found.line_counts.get_or_init(|| counts))
    }

    /// Does something with the lines of every matching file; results in the order of paths.
    fn per_file<R: Send>(
        &self,
        found: &Found,
        work: impl Fn(&mut Lines<'_, '_>, &Layout, usize) -> R + Sync + Send,
    ) -> Result<Vec<(FileRef, R)>, QueryError> {
        let files = found.files.iter().map(super::super::bits::Bits::iter).collect();
        let files: Vec<_> = in_path_order(&self.state.views, files).collect();
        let threads = if files.len() < PIECE_FILES {
            Threads::One
        } else {
            self.state.threads
        };
        let pieces = threads.map(files.chunks(PIECE_FILES).collect(), |files| {
            let mut finder = LineFinder::new(&self.query.compiled.finder);
            let mut out = Vec::with_capacity(files.len());
            for &at in files {
                self.check_cancelled()?;
                let scope = &self.scopes[at.view];
                let mut reader = Reader::new(&scope.view.segment);
                let mut lines = Lines::new(scope, at.file, found.start(at), &mut finder, &mut reader);
                out.push((at, work(&mut lines, scope.layout(), at.file)));
            }
            Ok(out)
        });
        let mut all = Vec::with_capacity(files.len());
        for piece in pieces {
            all.extend(piece?);
        }
        Ok(all)
    }

    fn exact(&self, matcher: &Matcher) -> Result<Found, QueryError> {
        let page = self.query.page;
        let path_order = matches!(self.query.compiled.sort, Sort::Default | Sort::Path);
        let at_most = if self.query.shape.exact_total || !path_order {
            usize::MAX
        } else {
            page.offset.saturating_add(page.limit).saturating_add(1)
        };
        let mut exact = true;
        let mut files = Vec::with_capacity(self.scopes.len());
        let mut starts = Vec::with_capacity(self.scopes.len());
        for scope in &self.scopes {
            let in_scope = self.exact_in(scope, matcher, at_most)?;
            exact &= in_scope.len() < at_most;
            let mut found = Bits::new(scope.layout().file_count());
            in_scope.iter().for_each(|start| {
                found.insert(start.file);
            });
            files.push(found);
            let remembered = in_scope.len().min(REMEMBERED_STARTS);
            starts.push(in_scope[..remembered].to_vec());
        }
        Ok(Found {
            starts,
            ..Found::new(files, exact)
        })
    }

    /// The matching files of a view, ascending.
    fn exact_in(
        &self,
        scope: &Scope<'_>,
        matcher: &Matcher,
        at_most: usize,
    ) -> Result<Vec<Start>, QueryError> {
        let blocks = scope.blocks();
        // Without help from the index, what the globs leave out need not be looked at.
        let allowed;
        let candidates = match scope.candidates() {
            None if scope.has_globs() => {
                allowed = scope.allowed_blocks();
                Some(&allowed)
            }
            candidates => candidates,
        };
        let work = candidates.map_or(blocks.len(), Bits::count);
        let mut found = Vec::new();
        if work < PARALLEL_BLOCKS || self.state.threads == Threads::One || at_most < usize::MAX {
            self.scan(scope, matcher, blocks, candidates, at_most, &mut found)?;
            return Ok(found);
        }
        let starts = blocks.clone().step_by(PIECE_BLOCKS);
        let pieces = starts
            .map(|start| start..(start + PIECE_BLOCKS).min(blocks.end))
            .collect();
        let pieces = self.state.threads.map(pieces, |piece| {
            let mut found = Vec::new();
            self.scan(scope, matcher, piece, candidates, at_most, &mut found)
                .map(|()| found)
        });
        for piece in pieces {
            found.extend(piece?);
        }
        // A file that spans pieces may be in several.
        found.dedup_by_key(|start| start.file);
        Ok(found)
    }

    /// Looks for the first match of each file in some blocks.
    fn scan(
        &self,
        scope: &Scope<'_>,
        matcher: &Matcher,
        blocks: Range<usize>,
        candidates: Option<&Bits>,
        at_most: usize,
        found: &mut Vec<Start>,
    ) -> Result<(), QueryError> {
        if blocks.is_empty() {
            return Ok(());
        }
        let layout = scope.layout();
        let mut reader = Reader::new(&scope.view.segment);
        let mut next = blocks.start;
        let mut file = layout.file_at(layout.block_range(next).start, 0);
        let mut done_until = 0;
        while let Some(run) = next_run(next..blocks.end, candidates, reader.run_blocks()) {
            next = run.end;
            self.check_cancelled()?;
            let range = layout.blocks_range(run.clone());
            if range.end <= done_until {
                continue;
            }
            let text = reader.blocks(run);
            let mut at = done_until.max(range.start) - range.start;
            while let Some(position) = matcher.find(text, at) {
                let position = range.start + position;
                file = layout.file_at(position, file);
                if file >= scope.files.end {
                    return Ok(());
                }
                if scope.allows(file) {
                    found.push(Start { file, position });
                    if found.len() >= at_most {
                        return Ok(());
                    }
                }
                done_until = layout.file_range(file).end;
                at = done_until - range.start;
                if at >= text.len() {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// The next blocks to look at together.
fn next_run(blocks: Range<usize>, candidates: Option<&Bits>, at_most: usize) -> Option<Range<usize>> {
    let start = match candidates {
        None => blocks.start,
        Some(candidates) => candidates.next_at(blocks.start)?,
    };
    if start >= blocks.end {
        return None;
    }
    let limit = (start + at_most).min(blocks.end);
    let end = match candidates {
        None => limit,
        Some(candidates) => (start + 1..limit)
            .find(|&block| !candidates.contains(block))
            .unwrap_or(limit),
    };
    Some(start..end)
}
