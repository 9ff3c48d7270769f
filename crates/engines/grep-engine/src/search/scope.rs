//! What a query looks at in one segment.

use std::ops::Range;
use std::sync::OnceLock;

use crate::bits::Bits;
use crate::query::{Compiled, Finder};
use crate::segment::Layout;
use crate::snapshot::View;

/// The files and blocks of one view that a query need look at.
pub(super) struct Scope<'a> {
    pub(super) view: &'a View,
    compiled: &'a Compiled,
    /// The files whose paths have the query's prefix.
    pub(super) files: Range<usize>,
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

    pub(super) fn layout(&self) -> &'a Layout {
        &self.view.segment.layout
    }

    pub(super) fn finder(&self) -> &'a Finder {
        &self.compiled.finder
    }

    /// The blocks that the index says may hold a match; `None` means any may.
    pub(super) fn candidates(&self) -> Option<&Bits> {
        let ask = || {
            let Finder::Exact {
                grams, strict_grams, ..
            } = self.finder()
            else {
                return None;
            };
            let grams = if self.layout().folds_into_ascii {
                strict_grams
            } else {
                grams
            };
            self.view.segment.signature.as_ref()?.candidates(grams)
        };
        self.candidates.get_or_init(ask).as_ref()
    }

    /// Whether the file is there and meets the query's path conditions.
    pub(super) fn allows(&self, file: usize) -> bool {
        let filter = &self.compiled.filter;
        self.files.contains(&file)
            && !self.view.is_dead(file)
            && (!filter.has_globs() || filter.globs_allow(self.layout().path(file)))
    }

    pub(super) fn has_globs(&self) -> bool {
        self.compiled.filter.has_globs()
    }

    /// The blocks of the files with the prefix.
    pub(super) fn blocks(&self) -> Range<usize> {
        if self.files.is_empty() {
            return 0..0;
        }
        let layout = self.layout();
        layout.blocks_of(
            &(layout.file_range(self.files.start).start..layout.file_range(self.files.end - 1).end),
        )
    }

    /// The blocks that hold any of the files that the globs allow.
    pub(super) fn allowed_blocks(&self) -> Bits {
        let layout = self.layout();
        let mut blocks = Bits::new(layout.block_count());
        for file in self.files.clone().filter(|&file| self.allows(file)) {
            for block in layout.blocks_of(&layout.file_range(file)) {
                blocks.insert(block);
            }
        }
        blocks
    }
}
