//! The index: bit-sliced signatures.
//!
//! Every block has a signature of [`COLUMNS`] bits; bit `hash(gram)` is set for every
//! gram in the block: at each position the three bytes, the four bytes, and the four
//! bytes with ASCII letters lowered. The signatures are stored transposed, in groups of
//! up to 512 blocks: the bits of one column for a whole group lie together, 64 bytes. So
//! a search reads one cache line per gram and group (8 MB of text), and leaves a group as
//! soon as no block of it is left.
//!
//! A signature never misses a block that holds the literal, and names about one block in
//! three hundred in vain; candidates are verified on the text.

mod build;
mod grams;

pub(crate) use grams::{Byte, Grams, Literal};

use crate::bits::Bits;

/// log2 of the signature's width.
const COLUMN_BITS: u32 = 14;
/// Width of a block's signature in bits. At one block per 16 KiB the index is an eighth
/// of the text.
const COLUMNS: usize = 1 << COLUMN_BITS;
/// Words per column of a full group.
const GROUP_WORDS: usize = 8;
/// Blocks in a full group.
const GROUP_BLOCKS: usize = GROUP_WORDS * 64;
/// More columns than this hardly thin the candidates of one literal out further.
const MAX_COLUMNS: usize = 24;

/// The index of one segment.
pub(crate) struct Signature {
    groups: Vec<Group>,
    /// How many blocks have each column's bit set.
    population: Vec<u32>,
    blocks: usize,
}

/// The transposed signatures of up to 512 blocks.
struct Group {
    /// Words per column: 8, or fewer in the last group.
    words: usize,
    /// The words of column 0, then of column 1, and so on.
    bits: Vec<u64>,
}

impl Group {
    fn column(&self, column: u32) -> &[u64] {
        let start = column as usize * self.words;
        &self.bits[start..start + self.words]
    }
}

/// [`Grams`] made ready for one segment: literals became columns, rarest first.
enum Plan {
    All,
    And(Vec<Plan>),
    Or(Vec<Plan>),
    Columns(Vec<u32>),
}

impl Signature {
    /// The blocks that may hold what `grams` asks for; `None` if that is no help.
    pub(crate) fn candidates(&self, grams: &Grams) -> Option<Bits> {
        let plan = self.plan(grams);
        if matches!(plan, Plan::All) {
            return None;
        }
        let mut words = Vec::with_capacity(self.blocks.div_ceil(64));
        for group in &self.groups {
            let set = group.evaluate(&plan);
            words.extend_from_slice(&set[..group.words]);
        }
        let mut candidates = Bits::from_words(words);
        // Columns of a padded last group are zero, but `All` below an `Or` is not.
        candidates.intersect(&Bits::full(self.blocks));
        Some(candidates)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.groups
            .iter()
            .map(|group| group.bits.capacity() * size_of::<u64>())
            .sum::<usize>()
            + self.groups.capacity() * size_of::<Group>()
            + self.population.capacity() * size_of::<u32>()
    }

    fn plan(&self, grams: &Grams) -> Plan {
        match grams {
            Grams::Any => Plan::All,
            Grams::And(parts) => {
                let mut plans: Vec<_> = parts
                    .iter()
                    .map(|part| self.plan(part))
                    .filter(|plan| !matches!(plan, Plan::All))
                    .collect();
                match plans.len() {
                    0 => Plan::All,
                    1 => plans.pop().expect("one plan"),
                    _ => Plan::And(plans),
                }
            }
            Grams::Or(parts) => {
                let plans: Vec<_> = parts.iter().map(|part| self.plan(part)).collect();
                if plans.iter().any(|plan| matches!(plan, Plan::All)) {
                    Plan::All
                } else {
                    Plan::Or(plans)
                }
            }
            Grams::Literal(literal) => self.plan_literal(literal),
        }
    }

    fn plan_literal(&self, literal: &Literal) -> Plan {
        let mut columns = literal.columns();
        if columns.is_empty() {
            let variants = literal.short_variants();
            return if variants.is_empty() {
                Plan::All
            } else {
                Plan::Or(
                    variants
                        .into_iter()
                        .map(|column| Plan::Columns(vec![column]))
                        .collect(),
                )
            };
        }
        columns.sort_unstable_by_key(|&column| (self.population[column as usize], column));
        columns.dedup();
        columns.truncate(MAX_COLUMNS);
        Plan::Columns(columns)
    }
}

impl Group {
    fn evaluate(&self, plan: &Plan) -> [u64; GROUP_WORDS] {
        let mut set = [u64::MAX; GROUP_WORDS];
        match plan {
            Plan::All => {}
            Plan::Columns(columns) => {
                for &column in columns {
                    if !narrow(&mut set[..self.words], self.column(column)) {
                        break;
                    }
                }
            }
            Plan::And(parts) => {
                for part in parts {
                    if !narrow(&mut set, &self.evaluate(part)) {
                        break;
                    }
                }
            }
            Plan::Or(parts) => {
                set = [0; GROUP_WORDS];
                for part in parts {
                    for (word, more) in set.iter_mut().zip(self.evaluate(part)) {
                        *word |= more;
                    }
                }
            }
        }
        set
    }
}

/// Intersects; tells whether anything is left.
fn narrow(set: &mut [u64], with: &[u64]) -> bool {
    let mut left = 0;
    for (word, &mask) in set.iter_mut().zip(with) {
        *word &= mask;
        left |= *word;
    }
    left != 0
}
