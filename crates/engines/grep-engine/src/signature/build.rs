//! Building signatures: hash every gram of a block into byte flags, pack the flags into
//! bits, and transpose sixty-four blocks at a time.

use std::ops::Range;

use super::grams::{column_of_four, column_of_three};
use super::{COLUMNS, GROUP_BLOCKS, Group, Signature};
use crate::Threads;
use crate::segment::{Reader, Segment};

/// Words of one block's signature.
const ROW_WORDS: usize = COLUMNS / 64;

impl Signature {
    pub(crate) fn build(segment: &Segment, threads: Threads) -> Self {
        let blocks = segment.layout.block_count();
        let spans: Vec<_> = (0..blocks)
            .step_by(GROUP_BLOCKS)
            .map(|start| start..(start + GROUP_BLOCKS).min(blocks))
            .collect();
        let groups = threads.map(spans, |span| build_group(segment, span));
        let mut population = vec![0; COLUMNS];
        for group in &groups {
            for (count, words) in population.iter_mut().zip(group.bits.chunks_exact(group.words)) {
                *count += words.iter().map(|word| word.count_ones()).sum::<u32>();
            }
        }
        Self {
            groups,
            population,
            blocks,
        }
    }
}

fn build_group(segment: &Segment, blocks: Range<usize>) -> Group {
    let words = blocks.len().div_ceil(64);
    let mut bits = vec![0; COLUMNS * words];
    let mut reader = Reader::new(segment);
    let mut marker = Marker::default();
    let mut rows = vec![[0; ROW_WORDS]; 64];
    for (word, start) in blocks.clone().step_by(64).enumerate() {
        let end = (start + 64).min(blocks.end);
        for (row, block) in rows.iter_mut().zip(start..end) {
            marker.mark(reader.block(block), row);
        }
        for row in &mut rows[end - start..] {
            row.fill(0);
        }
        scatter(&rows, &mut bits, words, word);
    }
    Group { words, bits }
}

/// Turns a block into its signature.
struct Marker {
    /// A byte per column: only stores, no read-modify-write on the way.
    flags: Box<[u8; COLUMNS]>,
    /// The block with ASCII letters lowered.
    folded: Vec<u8>,
}

impl Default for Marker {
    fn default() -> Self {
        Self {
            flags: Box::new([0; COLUMNS]),
            folded: Vec::new(),
        }
    }
}

impl Marker {
    fn mark(&mut self, block: &[u8], row: &mut [u64; ROW_WORDS]) {
        self.flags.fill(0);
        self.folded.clear();
        self.folded.extend(block.iter().map(u8::to_ascii_lowercase));
        // A block ends with a line feed, and no literal holds one: so the last gram that
        // matters starts four bytes before the end, and a block shorter than that has one
        // of three bytes at most.
        for (exact, folded) in block.windows(4).zip(self.folded.windows(4)) {
            let exact = u32::from_le_bytes(exact.try_into().expect("windows of four"));
            let folded = u32::from_le_bytes(folded.try_into().expect("windows of four"));
            self.flags[column_of_three(exact) as usize] = 1;
            self.flags[column_of_four(exact) as usize] = 1;
            self.flags[column_of_four(folded) as usize] = 1;
        }
        pack(&self.flags, row);
    }
}

/// Packs flags, bytes of 0 or 1, into bits, eight at a time: the product moves bit 0 of
/// byte `i` to bit `56 + i`.
fn pack(flags: &[u8; COLUMNS], row: &mut [u64; ROW_WORDS]) {
    for (word, flags) in row.iter_mut().zip(flags.chunks_exact(64)) {
        *word = flags.chunks_exact(8).enumerate().fold(0, |word, (at, eight)| {
            let eight = u64::from_le_bytes(eight.try_into().expect("chunks of eight"));
            word | (eight.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (at * 8)
        });
    }
}

/// Writes sixty-four rows as word `word` of every column.
fn scatter(rows: &[[u64; ROW_WORDS]], bits: &mut [u64], words: usize, word: usize) {
    let mut square = [0; 64];
    for (at, columns) in bits.chunks_exact_mut(64 * words).enumerate() {
        for (cell, row) in square.iter_mut().zip(rows) {
            *cell = row[at];
        }
        transpose(&mut square);
        for (column, &cell) in columns.chunks_exact_mut(words).zip(&square) {
            column[word] = cell;
        }
    }
}

/// Transposes a 64×64 bit matrix by swapping ever smaller quadrants (Hacker's Delight, 7-3):
/// afterwards bit `j` of word `i` is what bit `i` of word `j` was.
fn transpose(square: &mut [u64; 64]) {
    let mut half = 32;
    let mut mask = u64::MAX >> 32;
    while half != 0 {
        let mut row = 0;
        while row < 64 {
            let swap = (square[row] >> half ^ square[row | half]) & mask;
            square[row] ^= swap << half;
            square[row | half] ^= swap;
            row = ((row | half) + 1) & !half;
        }
        half >>= 1;
        mask ^= mask << half;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Byte, Grams, Literal};
    use super::*;

    #[test]
    fn transposing_swaps_rows_and_columns() {
        let mut square = [0; 64];
        for (i, word) in square.iter_mut().enumerate() {
            *word = (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
        let before = square;
        transpose(&mut square);
        for (i, row) in square.iter().enumerate() {
            for (j, was) in before.iter().enumerate() {
                assert_eq!(row >> j & 1, was >> i & 1, "bit {j} of word {i}");
            }
        }
    }

    #[test]
    fn packing_keeps_every_flag_in_its_place() {
        let mut flags = Box::new([0; COLUMNS]);
        let set = [0, 1, 7, 8, 63, 64, 65, 4095, COLUMNS - 1];
        for at in set {
            flags[at] = 1;
        }
        let mut row = [0; ROW_WORDS];
        pack(&flags, &mut row);
        let found: Vec<_> = (0..COLUMNS)
            .filter(|at| row[at / 64] >> (at % 64) & 1 == 1)
            .collect();
        assert_eq!(found, set);
    }

    fn literal(text: &str) -> Grams {
        Grams::Literal(Literal(text.bytes().map(Byte::Exact).collect()))
    }

    fn either(text: &str) -> Grams {
        let byte = |b: u8| {
            if b.is_ascii_alphabetic() {
                Byte::EitherCase(b)
            } else {
                Byte::Exact(b)
            }
        };
        Grams::Literal(Literal(text.bytes().map(byte).collect()))
    }

    #[test]
    fn a_block_is_named_for_every_literal_in_it() {
        let line = |n: usize| format!("line {n:05} Of_Text\n");
        let text: String = (0..6000).map(line).collect();
        let segment = crate::segment::build(vec![("a".into(), text.clone().into_bytes())], 64, Threads::One);
        let signature = Signature::build(&segment, Threads::Rayon);
        assert!(signature.groups.len() > 1, "the text spans groups");
        for n in (0..6000).step_by(37) {
            let wanted = format!("{n:05}");
            let block = segment.layout.block_at(text.find(&line(n)).unwrap());
            for grams in [
                literal(&wanted),
                either(&format!("{wanted} of_text")),
                either(&wanted[2..]),
            ] {
                assert!(signature.candidates(&grams).unwrap().contains(block), "{grams:?}");
            }
        }
        assert_eq!(
            signature.candidates(&literal("of_text")).unwrap().count(),
            0,
            "case is kept"
        );
        assert_eq!(signature.candidates(&literal("absent here")).unwrap().count(), 0);
        assert!(
            signature.candidates(&literal("Of")).is_none(),
            "too short to help"
        );
        let or = signature
            .candidates(&Grams::Or(vec![literal("e 00000"), literal("e 05999")]))
            .unwrap();
        assert!(or.contains(0) && or.contains(segment.layout.block_count() - 1) && or.count() < 20);
    }
}
