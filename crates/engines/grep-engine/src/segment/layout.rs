//! Where the files, blocks and lines of a segment lie.

use std::ops::Range;

use crate::bits::Bits;

/// The tables of a segment. Offsets are bytes in its arena; numbers of lines are counts
/// of line feeds before a point of the arena.
#[derive(Default)]
pub(crate) struct Layout {
    pub(super) paths: String,
    /// End of each path in `paths`.
    pub(super) path_ends: Vec<usize>,
    /// Start of each file, and the end of the arena.
    pub(super) file_starts: Vec<usize>,
    /// Lines before each file, and in the arena.
    pub(super) file_lines: Vec<usize>,
    /// Files whose final line feed is ours, not theirs.
    pub(super) unterminated: Bits,
    /// Start of each block, and the end of the arena.
    pub(super) block_starts: Vec<usize>,
    /// Lines before each block, and in the arena.
    pub(super) block_lines: Vec<usize>,
    /// The text holds U+017F or U+212A, the two characters outside ASCII that fold into
    /// it: a case-insensitive search for `s` or `k` must not trust folded ASCII grams.
    pub(crate) folds_into_ascii: bool,
}

impl Layout {
    pub(crate) fn file_count(&self) -> usize {
        self.path_ends.len()
    }

    pub(crate) fn path(&self, file: usize) -> &str {
        let start = if file == 0 { 0 } else { self.path_ends[file - 1] };
        &self.paths[start..self.path_ends[file]]
    }

    /// The file named `path`, by binary search.
    pub(crate) fn find(&self, path: &str) -> Option<usize> {
        let at = self.lower_bound(path);
        (at < self.file_count() && self.path(at) == path).then_some(at)
    }

    /// The first file whose path is not less than `path`.
    fn lower_bound(&self, path: &str) -> usize {
        self.partition_point(0, |known| known < path)
    }

    /// The files whose paths start with `prefix`.
    pub(crate) fn with_prefix(&self, prefix: &str) -> Range<usize> {
        let start = self.lower_bound(prefix);
        start..self.partition_point(start, |path| path.starts_with(prefix))
    }

    /// The first file from `from` on whose path does not meet `condition`, if those that
    /// do come first.
    fn partition_point(&self, from: usize, condition: impl Fn(&str) -> bool) -> usize {
        let (mut low, mut high) = (from, self.file_count());
        while low < high {
            let middle = low + (high - low) / 2;
            if condition(self.path(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The bytes of `file` in the arena, with the final line feed.
    pub(crate) fn file_range(&self, file: usize) -> Range<usize> {
        self.file_starts[file]..self.file_starts[file + 1]
    }

    /// The length of `file` as it was given.
    pub(crate) fn file_bytes(&self, file: usize) -> usize {
        self.file_range(file).len() - usize::from(self.unterminated.contains(file))
    }

    pub(crate) fn file_line_count(&self, file: usize) -> usize {
        self.file_lines[file + 1] - self.file_lines[file]
    }

    pub(crate) fn lines_before_file(&self, file: usize) -> usize {
        self.file_lines[file]
    }

    /// The file that holds the byte at `position`, looking from `from` on, which must not
    /// lie behind it. Costs the logarithm of the distance.
    pub(crate) fn file_at(&self, position: usize, from: usize) -> usize {
        let starts = &self.file_starts[..self.file_count()];
        let mut step = 1;
        let mut low = from;
        while low + step < starts.len() && starts[low + step] <= position {
            low += step;
            step *= 2;
        }
        let high = (low + step).min(starts.len());
        low + starts[low..high].partition_point(|&start| start <= position) - 1
    }

    pub(crate) fn text_len(&self) -> usize {
        *self
            .block_starts
            .last()
            .expect("the table ends with the arena's length")
    }

    pub(crate) fn block_count(&self) -> usize {
        self.block_starts.len() - 1
    }

    pub(crate) fn block_range(&self, block: usize) -> Range<usize> {
        self.block_starts[block]..self.block_starts[block + 1]
    }

    /// The bytes of a run of blocks.
    pub(crate) fn blocks_range(&self, blocks: Range<usize>) -> Range<usize> {
        self.block_starts[blocks.start]..self.block_starts[blocks.end]
    }

    pub(crate) fn lines_before_block(&self, block: usize) -> usize {
        self.block_lines[block]
    }

    /// The block that holds the byte at `position`.
    pub(crate) fn block_at(&self, position: usize) -> usize {
        self.block_starts[..self.block_count()].partition_point(|&start| start <= position) - 1
    }

    /// The block that holds the line feed ending line `line` (counted over the arena, from 0).
    pub(crate) fn block_of_line(&self, line: usize) -> usize {
        self.block_lines[..self.block_count()]
            .partition_point(|&lines| lines <= line)
            .max(1)
            - 1
    }

    /// The blocks that hold any of `bytes`.
    pub(crate) fn blocks_of(&self, bytes: &Range<usize>) -> Range<usize> {
        if bytes.is_empty() {
            return 0..0;
        }
        self.block_at(bytes.start)..self.block_at(bytes.end - 1) + 1
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let offsets = [
            &self.path_ends,
            &self.file_starts,
            &self.file_lines,
            &self.block_starts,
            &self.block_lines,
        ];
        self.paths.capacity()
            + offsets
                .iter()
                .map(|table| table.capacity() * size_of::<usize>())
                .sum::<usize>()
            + self.unterminated.heap_bytes()
    }
}
