//! What a match must contain, in terms the index can look up.

use super::COLUMN_BITS;

/// A condition on the text of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Grams {
    /// No condition.
    Any,
    /// All of them.
    And(Vec<Grams>),
    /// At least one of them.
    Or(Vec<Grams>),
    /// The block holds this literal.
    Literal(Literal),
}

/// One byte of a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Byte {
    /// This byte.
    Exact(u8),
    /// This ASCII letter, given in lower case, in either case.
    EitherCase(u8),
}

impl Byte {
    fn folded(self) -> u8 {
        match self {
            Self::Exact(byte) => byte.to_ascii_lowercase(),
            Self::EitherCase(byte) => byte,
        }
    }

    fn exact(self) -> Option<u8> {
        match self {
            Self::Exact(byte) => Some(byte),
            Self::EitherCase(_) => None,
        }
    }
}

/// A run of bytes, some of them in either case.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Literal(pub(crate) Vec<Byte>);

/// Column of a three-byte gram, which is in the low bytes of `gram`.
pub(super) fn column_of_three(gram: u32) -> u32 {
    (gram & 0x00FF_FFFF).wrapping_mul(0x85EB_CA6B) >> (32 - COLUMN_BITS)
}

/// Column of a four-byte gram, as given or with ASCII letters lowered.
pub(super) fn column_of_four(gram: u32) -> u32 {
    gram.wrapping_mul(0x9E37_79B1) >> (32 - COLUMN_BITS)
}

impl Literal {
    /// Its bytes, if case is known for all of them.
    pub(crate) fn exact(&self) -> Option<Vec<u8>> {
        self.0.iter().map(|byte| byte.exact()).collect()
    }

    /// The columns that are set in every block holding the literal.
    pub(super) fn columns(&self) -> Vec<u32> {
        let mut columns = Vec::with_capacity(self.0.len() * 3);
        for window in self.0.windows(4) {
            let window: &[Byte; 4] = window.try_into().expect("windows of four");
            columns.push(column_of_four(u32::from_le_bytes(window.map(Byte::folded))));
            if let [Some(a), Some(b), Some(c), Some(d)] = window.map(Byte::exact) {
                columns.push(column_of_four(u32::from_le_bytes([a, b, c, d])));
            }
        }
        for window in self.0.windows(3) {
            if let [Some(a), Some(b), Some(c)] = [window[0], window[1], window[2]].map(Byte::exact) {
                columns.push(column_of_three(u32::from_le_bytes([a, b, c, 0])));
            }
        }
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// For a literal of three bytes without a case of its own: the columns of its up to
    /// eight spellings, one of which is set in every block holding it. Empty if the
    /// literal is too short.
    pub(super) fn short_variants(&self) -> Vec<u32> {
        let Some(&[a, b, c]) = self
            .0
            .get(..3)
            .and_then(|bytes| <&[Byte; 3]>::try_from(bytes).ok())
        else {
            return Vec::new();
        };
        let spellings = |byte: Byte| match byte {
            Byte::Exact(byte) => vec![byte],
            Byte::EitherCase(byte) => vec![byte, byte.to_ascii_uppercase()],
        };
        let mut columns = Vec::with_capacity(8);
        for x in spellings(a) {
            for y in spellings(b) {
                for z in spellings(c) {
                    columns.push(column_of_three(u32::from_le_bytes([x, y, z, 0])));
                }
            }
        }
        columns
    }
}
