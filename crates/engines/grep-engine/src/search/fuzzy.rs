//! Fuzzy search: every line is scored, and files come by their best line.

use std::time::{Duration, Instant};

use crate::Threads;
use crate::bits::Bits;
use crate::query::QueryError;
use crate::segment::Reader;
use crate::snapshot::FileRef;

use super::Search;
use super::files::{Found, PIECE_FILES};
use super::lines::{LineFinder, Lines};
use super::scope::Scope;

/// Less text than this is scored by the calling thread.
const PARALLEL_BYTES: usize = 1 << 20;

/// The best scores of some files, and whether time ran out before the last of them.
#[derive(Default)]
struct Best {
    scores: Vec<(usize, u32)>,
    timed_out: bool,
}

struct Deadline {
    started: Instant,
    budget: Option<Duration>,
}

impl Deadline {
    fn is_over(&self) -> bool {
        self.budget.is_some_and(|budget| self.started.elapsed() >= budget)
    }
}

impl Search<'_> {
    /// Scores every line, until the time is over.
    pub(super) fn fuzzy(&self) -> Result<Found, QueryError> {
        let deadline = Deadline {
            started: Instant::now(),
            budget: self.query.shape.time_budget,
        };
        let mut scored = Vec::new();
        let mut files = Vec::with_capacity(self.scopes.len());
        let mut timed_out = false;
        for (view, scope) in self.scopes.iter().enumerate() {
            let layout = scope.layout();
            let allowed: Vec<_> = scope.files.clone().filter(|&file| scope.allows(file)).collect();
            let threads = if layout.text_len() < PARALLEL_BYTES {
                Threads::One
            } else {
                self.state.threads
            };
            let pieces = threads.map(allowed.chunks(PIECE_FILES).collect(), |files| {
                self.best_scores(scope, files, &deadline)
            });
            let mut found = Bits::new(layout.file_count());
            for piece in pieces {
                let best = piece?;
                timed_out |= best.timed_out;
                for (file, score) in best.scores {
                    found.insert(file);
                    scored.push((FileRef { view, file }, score));
                }
            }
            files.push(found);
        }
        let path = |at: FileRef| self.scopes[at.view].layout().path(at.file);
        scored.sort_by(|(a, one), (b, other)| other.cmp(one).then_with(|| path(*a).cmp(path(*b))));
        let mut found = Found::new(files, true);
        found.ranked = Some(scored.into_iter().map(|(file, _)| file).collect());
        found.timed_out = timed_out;
        Ok(found)
    }

    fn best_scores(
        &self,
        scope: &Scope<'_>,
        files: &[usize],
        deadline: &Deadline,
    ) -> Result<Best, QueryError> {
        let mut finder = LineFinder::new(scope.finder());
        let mut reader = Reader::new(&scope.view.segment);
        let mut best = Best::default();
        let mut found = Vec::new();
        for &file in files {
            let mut lines = Lines::new(scope, file, None, &mut finder, &mut reader);
            let mut score = None;
            loop {
                self.check_cancelled()?;
                best.timed_out = deadline.is_over();
                if best.timed_out || !lines.next_block(&mut found) {
                    break;
                }
                score = score.max(found.drain(..).filter_map(|line| line.score).max());
            }
            best.scores.extend(score.map(|score| (file, score)));
            if best.timed_out {
                break;
            }
        }
        Ok(best)
    }
}
