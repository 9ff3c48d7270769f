//! Reading a segment's text by blocks, whether it is compressed or not.

use std::ops::Range;

use super::packed::Unpacker;
use super::{Segment, Text};

/// How many blocks of uncompressed text are searched as one haystack: about a megabyte,
/// which is also how often a search looks at its [`Cancel`](crate::Cancel) flag.
const RUN_BLOCKS: usize = 64;

/// Reads blocks of one segment. Not shared between threads: it holds the block unpacked last.
pub(crate) struct Reader<'a> {
    segment: &'a Segment,
    unpacker: Option<Unpacker>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(segment: &'a Segment) -> Self {
        Self {
            segment,
            unpacker: segment.is_packed().then(Unpacker::new),
        }
    }

    /// How many consecutive blocks [`Self::blocks`] hands out at most.
    pub(crate) fn run_blocks(&self) -> usize {
        if self.segment.is_packed() { 1 } else { RUN_BLOCKS }
    }

    /// The bytes of consecutive blocks, at most [`Self::run_blocks`] of them.
    pub(crate) fn blocks(&mut self, blocks: Range<usize>) -> &[u8] {
        match &*self.segment.text {
            Text::Raw(text) => &text[self.segment.layout.blocks_range(blocks)],
            Text::Packed(packed) => {
                debug_assert_eq!(blocks.len(), 1);
                let unpacker = self.unpacker.as_mut().expect("made for a compressed segment");
                unpacker.block(packed, &self.segment.layout, blocks.start)
            }
        }
    }

    /// The bytes of one block.
    pub(crate) fn block(&mut self, block: usize) -> &[u8] {
        self.blocks(block..block + 1)
    }

    /// The block that holds the byte at `position` of the arena, and where it starts.
    pub(crate) fn block_with(&mut self, position: usize) -> (&[u8], usize) {
        let block = self.segment.layout.block_at(position);
        let start = self.segment.layout.block_range(block).start;
        (self.block(block), start)
    }

    /// Copies a range of the arena, which may span blocks, to the end of `out`.
    pub(crate) fn copy(&mut self, bytes: Range<usize>, out: &mut Vec<u8>) {
        let layout = &*self.segment.layout;
        if let Text::Raw(text) = &*self.segment.text {
            out.extend_from_slice(&text[bytes]);
            return;
        }
        for block in layout.blocks_of(&bytes) {
            let range = layout.block_range(block);
            let piece = self.block(block);
            let (from, to) = (bytes.start.max(range.start), bytes.end.min(range.end));
            out.extend_from_slice(&piece[from - range.start..to - range.start]);
        }
    }

    /// Where the line begins that has `lines` line feeds before it in the arena.
    pub(crate) fn line_start(&mut self, lines: usize) -> usize {
        let Some(last) = lines.checked_sub(1) else {
            return 0;
        };
        let block = self.segment.layout.block_of_line(last);
        let in_block = last - self.segment.layout.lines_before_block(block);
        let start = self.segment.layout.block_range(block).start;
        let feed = memchr::memchr_iter(b'\n', self.block(block)).nth(in_block);
        start + feed.expect("the block holds this line feed") + 1
    }
}
