//! Work that makes searching faster or smaller and changes no answer: indexing, merging,
//! reclaiming, compressing.

use std::sync::Arc;

use super::{Corpus, lock};
use crate::Cancel;
use crate::segment::{self, Segment};
use crate::snapshot::{FileRef, State, View, in_path_order};

/// Segments are merged when more than this many are of about the same size.
const SAME_SIZE_SEGMENTS: usize = 4;
/// Segments count as of the same size within this factor.
const SIZE_FACTOR: usize = 8;
/// A segment is rewritten when this share of its text is dead: three tenths.
const DEAD_TENTHS: usize = 3;

/// What [`Corpus::index_pending`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Upkeep {
    /// Segments indexed.
    pub indexed: usize,
    /// Segments that went into a new one, together with others or to drop dead files.
    pub merged: usize,
}

/// One piece of work.
enum Job {
    Index(Segment),
    Merge(Vec<View>),
}

impl Corpus {
    /// Whether [`Corpus::index_pending`] has something to do.
    pub fn needs_indexing(&self) -> bool {
        self.next_job(&self.inner.current.load()).is_some()
    }

    /// Indexes what is not yet indexed, merges small segments and reclaims the text of
    /// removed files, until nothing is left to do or `cancel` is raised. Searches and
    /// batches go on meanwhile, and each step is taken over when it is ready.
    pub fn index_pending(&self, cancel: &Cancel) -> Upkeep {
        let _upkeep = lock(&self.inner.upkeep);
        let mut done = Upkeep::default();
        while !cancel.is_cancelled() {
            let state = self.inner.current.load_full();
            match self.next_job(&state) {
                None => break,
                Some(Job::Index(segment)) => {
                    self.replace(&segment, segment.indexed(self.inner.options.threads));
                    done.indexed += 1;
                }
                Some(Job::Merge(views)) => {
                    done.merged += views.len();
                    done.indexed += usize::from(self.merge(&views));
                }
            }
        }
        done
    }

    /// Compresses the text. It stays searchable, in about a third of the memory, and
    /// several times slower. Batches applied later are not compressed.
    pub fn compress(&self) {
        self.index_pending(&Cancel::never());
        self.convert(
            |segment| !segment.is_packed(),
            |segment| segment.packed(self.inner.options.threads),
        );
    }

    /// Undoes [`Corpus::compress`].
    pub fn decompress(&self) {
        self.convert(Segment::is_packed, |segment| {
            segment.unpacked(self.inner.options.threads)
        });
    }

    /// Whether any of the text is compressed.
    pub fn is_compressed(&self) -> bool {
        self.inner
            .current
            .load()
            .views
            .iter()
            .any(|view| view.segment.is_packed())
    }

    /// Converts segment by segment, so that at most one exists in both forms.
    fn convert(&self, wanted: impl Fn(&Segment) -> bool, convert: impl Fn(&Segment) -> Segment) {
        let _upkeep = lock(&self.inner.upkeep);
        loop {
            let state = self.inner.current.load();
            let Some(segment) = state
                .views
                .iter()
                .map(|view| &view.segment)
                .find(|segment| wanted(segment))
                .cloned()
            else {
                return;
            };
            drop(state);
            self.replace(&segment, convert(&segment));
        }
    }

    fn next_job(&self, state: &State) -> Option<Job> {
        let index_from = self.inner.options.index_from_bytes;
        let is_large = |view: &&View| view.segment.layout.text_len() >= index_from;
        let decayed = |view: &&View| view.dead_bytes() * 10 >= view.segment.layout.text_len() * DEAD_TENTHS;
        if let Some(view) = state
            .views
            .iter()
            .find(|view| view.dead_files() > 0 && decayed(view))
        {
            return Some(Job::Merge(vec![view.clone()]));
        }
        if let Some(view) = state
            .views
            .iter()
            .filter(is_large)
            .find(|view| view.segment.signature.is_none())
        {
            return Some(Job::Index(view.segment.clone()));
        }
        // Small segments are scanned; together they must not become worth an index.
        let small: Vec<_> = state
            .views
            .iter()
            .filter(|view| !is_large(view))
            .cloned()
            .collect();
        let small_bytes: usize = small.iter().map(|view| view.segment.layout.text_len()).sum();
        if small.len() > 1 && (small_bytes >= index_from || small.len() > SAME_SIZE_SEGMENTS) {
            return Some(Job::Merge(small));
        }
        // Large ones are merged with those of their size: each byte is copied a few times only.
        let mut large: Vec<_> = state.views.iter().filter(is_large).collect();
        large.sort_by_key(|view| view.segment.layout.text_len());
        let alike = large.windows(SAME_SIZE_SEGMENTS + 1).find(|run| {
            let len = |view: &View| view.segment.layout.text_len();
            len(run[SAME_SIZE_SEGMENTS]) <= len(run[0]) * SIZE_FACTOR
        });
        alike.map(|run| Job::Merge(run.iter().map(|&view| view.clone()).collect()))
    }

    /// Writes the living files of `views` to a new segment; tells whether it was indexed.
    fn merge(&self, views: &[View]) -> bool {
        let options = &self.inner.options;
        let living = views
            .iter()
            .map(|view| view.living().iter().collect::<Vec<_>>().into_iter())
            .collect();
        let files: Vec<_> = in_path_order(views, living)
            .map(|FileRef { view, file }| (&views[view].segment, file))
            .collect();
        let mut merged = segment::merge(&files, options.block_bytes);
        let index = merged.layout.text_len() >= options.index_from_bytes;
        if index {
            merged = merged.indexed(options.threads);
        }
        if views.iter().all(|view| view.segment.is_packed()) {
            merged = merged.packed(options.threads);
        }
        self.take_over(views, View::new(merged));
        index
    }

    /// Puts `merged` in the place of `views`, and buries in it what died in them meanwhile.
    fn take_over(&self, views: &[View], mut merged: View) {
        let _writing = lock(&self.inner.writing);
        let mut current = self.inner.current.load().views.clone();
        for before in views {
            let same = |view: &View| Arc::ptr_eq(&view.segment.layout, &before.segment.layout);
            let now = current.iter().position(same).map(|at| current.swap_remove(at));
            for file in before
                .living()
                .iter()
                .filter(|&file| now.as_ref().is_none_or(|view| view.is_dead(file)))
            {
                let file = merged.segment.layout.find(before.segment.layout.path(file));
                merged.bury(file.expect("every living file was merged"));
            }
        }
        current.push(merged);
        current.retain(|view| view.live_files > 0);
        self.store(current);
    }
}
