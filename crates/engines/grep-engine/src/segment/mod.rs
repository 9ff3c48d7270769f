//! A segment: an immutable run of files in one arena, with what is needed to search it.
//!
//! The files lie one behind the other in path order, each ending in a line feed (one
//! is added where the file has none), so that no line crosses files and the whole
//! arena can be searched as one haystack. The arena is cut into line-aligned blocks of
//! about 16 KiB: the unit of the index, of compression and of line numbering.

mod build;
mod layout;
mod packed;
mod reader;

pub(crate) use build::{build, merge};
pub(crate) use layout::Layout;
pub(crate) use packed::Packed;
pub(crate) use reader::Reader;

use std::sync::Arc;

use crate::signature::Signature;

/// The bytes of the arena.
pub(crate) enum Text {
    /// As they are.
    Raw(Vec<u8>),
    /// Compressed block by block.
    Packed(Packed),
}

impl Text {
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Raw(text) => text.capacity(),
            Self::Packed(packed) => packed.heap_bytes(),
        }
    }
}

/// One segment. Its parts are shared, so that an indexed or compressed variant of it
/// costs only the part that differs.
#[derive(Clone)]
pub(crate) struct Segment {
    pub(crate) text: Arc<Text>,
    pub(crate) layout: Arc<Layout>,
    pub(crate) signature: Option<Arc<Signature>>,
}

impl Segment {
    pub(crate) fn is_packed(&self) -> bool {
        matches!(*self.text, Text::Packed(_))
    }

    /// Bytes held: text as stored, index and tables.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.text.heap_bytes()
            + self.layout.heap_bytes()
            + self
                .signature
                .as_ref()
                .map_or(0, |signature| signature.heap_bytes())
    }

    /// The same segment with its index built.
    pub(crate) fn indexed(&self, threads: crate::Threads) -> Self {
        let signature = Signature::build(self, threads);
        Self {
            signature: Some(Arc::new(signature)),
            ..self.clone()
        }
    }

    /// The same segment, its text compressed.
    pub(crate) fn packed(&self, threads: crate::Threads) -> Self {
        match &*self.text {
            Text::Packed(_) => self.clone(),
            Text::Raw(text) => {
                let packed = Packed::new(text, &self.layout, threads);
                Self {
                    text: Arc::new(Text::Packed(packed)),
                    ..self.clone()
                }
            }
        }
    }

    /// The same segment, its text uncompressed.
    pub(crate) fn unpacked(&self, threads: crate::Threads) -> Self {
        match &*self.text {
            Text::Raw(_) => self.clone(),
            Text::Packed(packed) => {
                let text = packed.unpack(&self.layout, threads);
                Self {
                    text: Arc::new(Text::Raw(text)),
                    ..self.clone()
                }
            }
        }
    }
}
