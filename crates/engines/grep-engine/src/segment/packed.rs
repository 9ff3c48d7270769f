//! The compressed form of a segment's text: every block by itself, so that a search
//! unpacks only its candidates.

use std::ops::Range;

use super::Layout;
use crate::Threads;

/// zstd's fastest level: 16 KiB blocks of source code shrink to about a quarter, and
/// higher levels gain only a few per cent more.
const LEVEL: i32 = 1;

/// Compressed blocks, one behind the other.
pub(crate) struct Packed {
    bytes: Vec<u8>,
    /// End of each block in `bytes`.
    ends: Vec<usize>,
}

impl Packed {
    pub(crate) fn new(text: &[u8], layout: &Layout, threads: Threads) -> Self {
        let blocks = layout.block_count();
        let pieces = threads.map(spans(blocks), |span| pack_span(text, layout, span));
        let mut bytes = Vec::with_capacity(pieces.iter().map(|(bytes, _)| bytes.len()).sum());
        let mut ends = Vec::with_capacity(blocks);
        for (piece, piece_ends) in pieces {
            ends.extend(piece_ends.iter().map(|end| bytes.len() + end));
            bytes.extend_from_slice(&piece);
        }
        Self { bytes, ends }
    }

    /// The whole arena again.
    pub(crate) fn unpack(&self, layout: &Layout, threads: Threads) -> Vec<u8> {
        let pieces = threads.map(spans(layout.block_count()), |span| {
            let mut unpacker = Unpacker::new();
            let mut piece = Vec::with_capacity(layout.blocks_range(span.clone()).len());
            for block in span {
                piece.extend_from_slice(unpacker.block(self, layout, block));
            }
            piece
        });
        let mut text = Vec::with_capacity(layout.text_len());
        for piece in pieces {
            text.extend_from_slice(&piece);
        }
        text
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>()
    }

    fn block(&self, block: usize) -> &[u8] {
        let start = if block == 0 { 0 } else { self.ends[block - 1] };
        &self.bytes[start..self.ends[block]]
    }
}

/// Unpacks the blocks of one segment, reusing its state and buffer.
pub(crate) struct Unpacker {
    decompressor: zstd::bulk::Decompressor<'static>,
    buffer: Vec<u8>,
    /// The block in `buffer`.
    held: Option<usize>,
}

impl Unpacker {
    pub(crate) fn new() -> Self {
        let decompressor =
            zstd::bulk::Decompressor::new().expect("a decompressor without dictionary needs only memory");
        Self {
            decompressor,
            buffer: Vec::new(),
            held: None,
        }
    }

    /// The bytes of `block`.
    pub(crate) fn block(&mut self, packed: &Packed, layout: &Layout, block: usize) -> &[u8] {
        if self.held != Some(block) {
            self.buffer.clear();
            self.buffer.reserve(layout.block_range(block).len());
            self.decompressor
                .decompress_to_buffer(packed.block(block), &mut self.buffer)
                .expect("the block was compressed by this process");
            self.held = Some(block);
        }
        &self.buffer
    }
}

fn pack_span(text: &[u8], layout: &Layout, span: Range<usize>) -> (Vec<u8>, Vec<usize>) {
    let mut compressor =
        zstd::bulk::Compressor::new(LEVEL).expect("a compressor without dictionary needs only memory");
    let mut bytes = Vec::with_capacity(layout.blocks_range(span.clone()).len() / 3);
    let mut ends = Vec::with_capacity(span.len());
    let mut buffer = Vec::new();
    for block in span {
        let raw = &text[layout.block_range(block)];
        buffer.clear();
        buffer.reserve(zstd::zstd_safe::compress_bound(raw.len()));
        compressor
            .compress_to_buffer(raw, &mut buffer)
            .expect("the buffer holds the worst case");
        bytes.extend_from_slice(&buffer);
        ends.push(bytes.len());
    }
    (bytes, ends)
}

/// Runs of blocks to work on independently.
fn spans(blocks: usize) -> Vec<Range<usize>> {
    const SPAN: usize = 1024;
    (0..blocks)
        .step_by(SPAN)
        .map(|start| start..(start + SPAN).min(blocks))
        .collect()
}
