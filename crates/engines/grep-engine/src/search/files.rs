//! Which files match.

use std::ops::Range;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::bits::Bits;
use crate::definitions::classify_line;
use crate::query::{Compiled, Finder, Matcher, Mode, Query, QueryError, Sort};
use crate::segment::{Layout, Reader};
use crate::snapshot::{FileRef, State, View, in_path_order};
use crate::{Cancel, Threads};

use super::lines::{FoundLine, LineFinder, Lines};

/// With fewer candidate blocks than this, threads cost more than they save.
const PARALLEL_BLOCKS: usize = 2000;
/// Blocks per piece of parallel work: 4 MiB of text.
const PIECE_BLOCKS: usize = 256;

/// The files that match a query in a snapshot.
pub(crate) struct Found {
    /// Per view of the snapshot.
    pub(super) files: Vec<Bits>,
    /// In their order, unless that is the order of paths.
    pub(super) ranked: Option<Vec<FileRef>>,
    pub(super) total: usize,
    /// Every matching file is there; else the search ended when the page was full.
    pub(super) exact: bool,
    /// The search ended because its time was over.
    pub(super) timed_out: bool,
    line_counts: OnceLock<Vec<LineCount>>,
}

/// How many lines of a file match.
#[derive(Clone, Copy)]
pub(super) struct LineCount {
    pub(super) file: FileRef,
    pub(super) lines: usize,
}

/// Finds the matching files, and their order.
pub(super) fn find(state: &State, query: &Query, cancel: &Cancel) -> Result<Found, QueryError> {
    let compiled = &*query.compiled;
    let needed = query
        .page
        .offset
        .saturating_add(query.page.limit)
        .saturating_add(1);
    let path_order = matches!(compiled.sort, Sort::Default | Sort::Path);
    let mut found = match &compiled.finder {
        Finder::Exact { matcher, .. } => {
            let at_most = if query.shape.exact_total || !path_order {
                usize::MAX
            } else {
                needed
            };
            exact(state, compiled, matcher, at_most, cancel)?
        }
        Finder::Fuzzy(_) => fuzzy(state, query, cancel)?,
    };
    match compiled.sort {
        Sort::Default => {}
        Sort::Path => found.ranked = None,
        Sort::Matches => {
            let mut counts = found.line_counts(state, query, cancel)?.to_vec();
            counts.sort_by_key(|count| std::cmp::Reverse(count.lines));
            found.ranked = Some(counts.into_iter().map(|count| count.file).collect());
        }
        Sort::Definitions => {
            let defines = per_file(state, query, &found, cancel, |lines, layout, file| {
                lines.any(|text, line| classify_line(layout.path(file), &text[line.range()]).is_some())
            })?;
            let (first, rest): (Vec<_>, Vec<_>) = defines.into_iter().partition(|(_, defines)| *defines);
            found.ranked = Some(first.into_iter().chain(rest).map(|(file, _)| file).collect());
        }
    }
    Ok(found)
}

impl Found {
    fn new(files: Vec<Bits>, exact: bool) -> Self {
        let total = files.iter().map(Bits::count).sum();
        Self {
            files,
            ranked: None,
            total,
            exact,
            timed_out: false,
            line_counts: OnceLock::new(),
        }
    }

    /// The number of matching lines of every file, in the order of paths.
    pub(super) fn line_counts(
        &self,
        state: &State,
        query: &Query,
        cancel: &Cancel,
    ) -> Result<&[LineCount], QueryError> {
        if let Some(counts) = self.line_counts.get() {
            return Ok(counts);
        }
        let counts = per_file(state, query, self, cancel, |lines, _, _| lines.count())?;
        let counts = counts
            .into_iter()
            .map(|(file, lines)| LineCount { file, lines })
            .collect();
        Ok(self.line_counts.get_or_init(|| counts))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>()
            + self
                .files
                .iter()
                .map(|files| files.heap_bytes() + size_of::<Bits>())
                .sum::<usize>()
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

/// Does something with the lines of every matching file; results in the order of paths.
fn per_file<R: Send>(
    state: &State,
    query: &Query,
    found: &Found,
    cancel: &Cancel,
    work: impl Fn(&mut Lines<'_, '_>, &Layout, usize) -> R + Sync + Send,
) -> Result<Vec<(FileRef, R)>, QueryError> {
    let files: Vec<_> = in_path_order(
        &state.views,
        found.files.iter().map(|files| files.iter()).collect(),
    )
    .collect();
    let threads = if files.len() < 64 {
        Threads::One
    } else {
        state.threads
    };
    let scopes: Vec<_> = state
        .views
        .iter()
        .map(|view| Scope::new(view, &query.compiled))
        .collect();
    let pieces = threads.map(files.chunks(64).collect(), |files| {
        let mut finder = LineFinder::new(&query.compiled.finder);
        let mut out = Vec::with_capacity(files.len());
        for &at in files {
            if cancel.is_cancelled() {
                return Err(QueryError::Cancelled);
            }
            let scope = &scopes[at.view];
            let mut reader = Reader::new(&scope.view.segment);
            let mut lines = Lines::new(scope, at.file, &mut finder, &mut reader);
            out.push((at, work(&mut lines, &scope.view.segment.layout, at.file)));
        }
        Ok(out)
    });
    let mut all = Vec::with_capacity(files.len());
    for piece in pieces {
        all.extend(piece?);
    }
    Ok(all)
}

/// What a query looks at in one view.
pub(super) struct Scope<'a> {
    pub(super) view: &'a View,
    compiled: &'a Compiled,
    /// The files whose paths have the query's prefix.
    files: Range<usize>,
    /// Blocks that may hold a match; computed when first asked for.
    candidates: OnceLock<Option<Bits>>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(view: &'a View, compiled: &'a Compiled) -> Self {
        let prefix = compiled.filter.prefix();
        let layout = &view.segment.layout;
        let files = if prefix.is_empty() {
            0..layout.file_count()
        } else {
            layout.with_prefix(prefix)
        };
        Self {
            view,
            compiled,
            files,
            candidates: OnceLock::new(),
        }
    }

    /// The blocks that the index says may hold a match; `None` means any may.
    pub(super) fn candidates(&self) -> Option<&Bits> {
        let ask = || {
            let Finder::Exact {
                grams, strict_grams, ..
            } = &self.compiled.finder
            else {
                return None;
            };
            let segment = &self.view.segment;
            let grams = if segment.layout.folds_into_ascii {
                strict_grams
            } else {
                grams
            };
            segment.signature.as_ref()?.candidates(grams)
        };
        self.candidates.get_or_init(ask).as_ref()
    }

    fn allows(&self, file: usize) -> bool {
        self.files.contains(&file)
            && !self.view.is_dead(file)
            && (!self.compiled.filter.has_globs()
                || self
                    .compiled
                    .filter
                    .globs_allow(self.view.segment.layout.path(file)))
    }

    /// The blocks of the scope's files.
    fn blocks(&self) -> Range<usize> {
        if self.files.is_empty() {
            return 0..0;
        }
        let layout = &self.view.segment.layout;
        layout.blocks_of(
            &(layout.file_range(self.files.start).start..layout.file_range(self.files.end - 1).end),
        )
    }

    /// The blocks that hold any of the files that the globs allow.
    fn allowed_blocks(&self) -> Bits {
        let layout = &self.view.segment.layout;
        let mut blocks = Bits::new(layout.block_count());
        for file in self.files.clone().filter(|&file| self.allows(file)) {
            for block in layout.blocks_of(&layout.file_range(file)) {
                blocks.insert(block);
            }
        }
        blocks
    }
}

fn exact(
    state: &State,
    compiled: &Compiled,
    matcher: &Matcher,
    at_most: usize,
    cancel: &Cancel,
) -> Result<Found, QueryError> {
    let mut exact = true;
    let mut files = Vec::with_capacity(state.views.len());
    for view in &state.views {
        let scope = Scope::new(view, compiled);
        let found = exact_in_view(&scope, matcher, at_most, state.threads, cancel)?;
        exact &= at_most == usize::MAX || found.count() < at_most;
        files.push(found);
    }
    Ok(Found::new(files, exact))
}

fn exact_in_view(
    scope: &Scope<'_>,
    matcher: &Matcher,
    at_most: usize,
    threads: Threads,
    cancel: &Cancel,
) -> Result<Bits, QueryError> {
    let mut found = Bits::new(scope.view.segment.layout.file_count());
    let blocks = scope.blocks();
    // Without help from the index, what the globs leave out need not be looked at.
    let allowed;
    let candidates = match scope.candidates() {
        None if scope.compiled.filter.has_globs() => {
            allowed = scope.allowed_blocks();
            Some(&allowed)
        }
        candidates => candidates,
    };
    let work = candidates.map_or(blocks.len(), Bits::count);
    if work < PARALLEL_BLOCKS || threads == Threads::One || at_most < usize::MAX {
        scan(scope, matcher, blocks, candidates, at_most, cancel, |file| {
            found.insert(file);
        })?;
        return Ok(found);
    }
    let pieces: Vec<_> = blocks
        .clone()
        .step_by(PIECE_BLOCKS)
        .map(|start| start..(start + PIECE_BLOCKS).min(blocks.end))
        .collect();
    let results = threads.map(pieces, |piece| {
        let mut files = Vec::new();
        scan(scope, matcher, piece, candidates, at_most, cancel, |file| {
            files.push(file)
        })
        .map(|()| files)
    });
    for files in results {
        for file in files? {
            found.insert(file);
        }
    }
    Ok(found)
}

/// Looks for the first match of each file in some blocks.
fn scan(
    scope: &Scope<'_>,
    matcher: &Matcher,
    blocks: Range<usize>,
    candidates: Option<&Bits>,
    at_most: usize,
    cancel: &Cancel,
    mut found: impl FnMut(usize),
) -> Result<(), QueryError> {
    if blocks.is_empty() {
        return Ok(());
    }
    let layout = &scope.view.segment.layout;
    let mut reader = Reader::new(&scope.view.segment);
    let mut next = blocks.start;
    let mut file = layout.file_at(layout.block_range(next).start, 0);
    let mut done_until = 0;
    let mut count = 0;
    while let Some(run) = next_run(next..blocks.end, candidates, reader.run_blocks()) {
        next = run.end;
        if cancel.is_cancelled() {
            return Err(QueryError::Cancelled);
        }
        let range = layout.blocks_range(run.clone());
        if range.end <= done_until {
            continue;
        }
        let text = reader.blocks(run);
        let mut at = done_until.max(range.start) - range.start;
        while let Some(position) = matcher.find(text, at) {
            file = layout.file_at(range.start + position, file);
            if file >= scope.files.end {
                return Ok(());
            }
            if scope.allows(file) {
                found(file);
                count += 1;
                if count >= at_most {
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

/// Scores every line, until the time is over.
fn fuzzy(state: &State, query: &Query, cancel: &Cancel) -> Result<Found, QueryError> {
    let deadline = query.shape.time_budget.map(|budget| Deadline {
        started: Instant::now(),
        budget,
    });
    let mut scored = Vec::new();
    let mut files = Vec::with_capacity(state.views.len());
    let mut timed_out = false;
    for (at, view) in state.views.iter().enumerate() {
        let scope = Scope::new(view, &query.compiled);
        let mut found = Bits::new(view.segment.layout.file_count());
        let allowed: Vec<_> = scope.files.clone().filter(|&file| scope.allows(file)).collect();
        let threads = if view.segment.layout.text_len() < 1 << 20 {
            Threads::One
        } else {
            state.threads
        };
        let pieces = threads.map(allowed.chunks(64).collect(), |files| {
            best_scores(&scope, files, deadline.as_ref(), cancel)
        });
        for piece in pieces {
            let (best, over) = piece?;
            timed_out |= over;
            for (file, score) in best {
                found.insert(file);
                scored.push((FileRef { view: at, file }, score));
            }
        }
        files.push(found);
    }
    let path = |at: FileRef| state.views[at.view].segment.layout.path(at.file);
    scored.sort_by(|(a, one), (b, other)| other.cmp(one).then_with(|| path(*a).cmp(path(*b))));
    debug_assert_eq!(query.compiled.key.mode(), Mode::Fuzzy);
    let ranked = Some(scored.into_iter().map(|(file, _)| file).collect());
    Ok(Found {
        ranked,
        timed_out,
        ..Found::new(files, true)
    })
}

struct Deadline {
    started: Instant,
    budget: Duration,
}

impl Deadline {
    fn is_over(&self) -> bool {
        self.started.elapsed() >= self.budget
    }
}

/// The best score in each of the files that match, and whether time ran out.
fn best_scores(
    scope: &Scope<'_>,
    files: &[usize],
    deadline: Option<&Deadline>,
    cancel: &Cancel,
) -> Result<(Vec<(usize, u32)>, bool), QueryError> {
    let mut finder = LineFinder::new(&scope.compiled.finder);
    let mut reader = Reader::new(&scope.view.segment);
    let mut best = Vec::new();
    let mut batch: Vec<FoundLine> = Vec::new();
    for &file in files {
        let mut lines = Lines::new(scope, file, &mut finder, &mut reader);
        let mut score = None;
        loop {
            if cancel.is_cancelled() {
                return Err(QueryError::Cancelled);
            }
            if deadline.is_some_and(Deadline::is_over) {
                best.extend(score.map(|score| (file, score)));
                return Ok((best, true));
            }
            batch.clear();
            if !lines.next_block(&mut batch) {
                break;
            }
            score = score.max(batch.iter().filter_map(|line| line.score).max());
        }
        best.extend(score.map(|score| (file, score)));
    }
    Ok((best, false))
}
