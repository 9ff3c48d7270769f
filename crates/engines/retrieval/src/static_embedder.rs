//! Word vectors: one vector a word piece, a text is their sum.

#[cfg(feature = "static-embedder")]
use std::sync::LazyLock;

use crate::alignment::StaticAlignment;
use crate::embed::{Align, EmbedError, Embedder};
use crate::wordpiece::WordPieces;

const MAGIC: &[u8; 8] = b"PNTSTAT1";

#[cfg(feature = "static-embedder")]
static ENGLISH: &[u8] = include_bytes!("../assets/static-en-256.bin");

/// Embeds texts by a table of word-piece vectors: microseconds a text, no model run, no download.
///
/// The table that comes with the crate ([`StaticEmbedder::english`]) was distilled from all-MiniLM-L6-v2; see
/// `NOTICE` for its sources. It knows English only. Order and negation of words are beyond it: "dog bites man" and
/// "man bites dog" are one text to it.
///
/// ```
/// # #[cfg(feature = "static-embedder")] {
/// use pentad_retrieval::{Embedder, QuantizedVector, StaticEmbedder};
///
/// let texts = ["She plays the violin.", "Which instrument does she play?", "The rent went up."];
/// let vectors: Vec<_> = StaticEmbedder::english()
///     .embed(&texts)?
///     .iter()
///     .map(|vector| QuantizedVector::new(vector))
///     .collect();
/// assert!(vectors[0].similarity(&vectors[1]) > 0.4);
/// assert!(vectors[0].similarity(&vectors[2]) < 0.2);
/// # }
/// # Ok::<(), pentad_retrieval::EmbedError>(())
/// ```
pub struct StaticEmbedder {
    id: String,
    dims: usize,
    /// Four bytes a row, little-endian `f32`.
    scales: &'static [u8],
    /// `dims` bytes a row, each an `i8`.
    values: &'static [u8],
    names: Vec<&'static str>,
    pieces: WordPieces<'static>,
}

impl StaticEmbedder {
    /// The English table that is part of the binary. Parsed once, on first use (a few milliseconds).
    #[cfg(feature = "static-embedder")]
    pub fn english() -> &'static StaticEmbedder {
        static EMBEDDER: LazyLock<StaticEmbedder> = LazyLock::new(|| {
            StaticEmbedder::from_table("static-en-256/1", ENGLISH).expect("the embedded table is well formed")
        });
        &EMBEDDER
    }

    /// Reads a table as `cargo xtask distill-embedder` writes it: the magic `PNTSTAT1`, dimensions and rows (`u32`),
    /// a scale a row (`f32`), the rows (`i8`), the pieces, one a line; numbers little-endian.
    ///
    /// # Errors
    /// [`EmbedError::Table`] when the bytes have another form.
    pub fn from_table(id: &str, table: &'static [u8]) -> Result<StaticEmbedder, EmbedError> {
        let wrong = |reason| EmbedError::Table { reason };
        let (magic, rest) = table
            .split_first_chunk::<8>()
            .ok_or(wrong("shorter than its header"))?;
        if magic != MAGIC {
            return Err(wrong("it does not begin with PNTSTAT1"));
        }
        let (dims, rest) = rest
            .split_first_chunk::<4>()
            .ok_or(wrong("shorter than its header"))?;
        let (rows, rest) = rest
            .split_first_chunk::<4>()
            .ok_or(wrong("shorter than its header"))?;
        let (dims, rows) = (
            u32::from_le_bytes(*dims) as usize,
            u32::from_le_bytes(*rows) as usize,
        );
        if dims == 0 || dims > 65_536 {
            return Err(wrong("the number of dimensions is out of range"));
        }
        let size = rows.checked_mul(dims).ok_or(wrong("too many rows"))?;
        let (scales, rest) = rest
            .split_at_checked(rows * 4)
            .ok_or(wrong("scales are missing"))?;
        let (values, pieces) = rest.split_at_checked(size).ok_or(wrong("rows are missing"))?;
        let pieces = std::str::from_utf8(pieces).map_err(|_| wrong("the pieces are not UTF-8"))?;
        let names: Vec<&str> = pieces.lines().collect();
        if names.len() != rows {
            return Err(wrong("there are not as many pieces as rows"));
        }
        let pieces = WordPieces::new(&names);
        Ok(StaticEmbedder {
            id: id.to_owned(),
            dims,
            scales,
            values,
            names,
            pieces,
        })
    }

    /// The unit vector of one text, or zeros if it has no known piece.
    pub fn embed_one(&self, text: &str) -> Vec<f32> {
        let mut sum = vec![0.0_f32; self.dims];
        self.each_piece(text, |scale, row| {
            for (total, value) in sum.iter_mut().zip(row) {
                *total += scale * f32::from(value.cast_signed());
            }
        });
        let length = sum.iter().map(|v| v * v).sum::<f32>().sqrt();
        if length > 0.0 {
            sum.iter_mut().for_each(|v| *v /= length);
        }
        sum
    }

    /// The word pieces of a text, as the table has them; what has none is left out.
    pub fn pieces(&self, text: &str) -> Vec<&'static str> {
        self.pieces
            .pieces(text)
            .into_iter()
            .map(|piece| self.names[piece as usize])
            .collect()
    }

    /// Calls `each` with the scale and the values (`i8`) of every piece of a text.
    pub(crate) fn each_piece(&self, text: &str, mut each: impl FnMut(f32, &'static [u8])) {
        for piece in self.pieces.pieces(text) {
            let piece = piece as usize;
            let scale = self.scales[piece * 4..][..4].try_into().expect("four bytes");
            each(
                f32::from_le_bytes(scale),
                &self.values[piece * self.dims..][..self.dims],
            );
        }
    }
}

impl Embedder for StaticEmbedder {
    fn id(&self) -> &str {
        &self.id
    }

    fn dims(&self) -> usize {
        self.dims
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        Ok(texts.iter().map(|text| self.embed_one(text)).collect())
    }

    fn align<'a>(&'a self, question: &str) -> Option<Box<dyn Align + 'a>> {
        Some(Box::new(StaticAlignment::new(self, question)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(dims: u32, rows: u32, body: &[u8]) -> &'static [u8] {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(dims.to_le_bytes());
        bytes.extend(rows.to_le_bytes());
        bytes.extend(body);
        bytes.leak()
    }

    fn small() -> &'static [u8] {
        let mut body = Vec::new();
        body.extend(0.5_f32.to_le_bytes());
        body.extend(1.0_f32.to_le_bytes());
        body.extend([6, 0, 0, 252]); // (6, 0) · 0.5 and (0, −4) · 1
        body.extend(b"cat\ndog");
        table(2, 2, &body)
    }

    #[test]
    fn a_text_is_the_sum_of_its_pieces() {
        let embedder = StaticEmbedder::from_table("small", small()).unwrap();
        assert_eq!(
            embedder.embed(&["cat", "Cat dog bird", ""]).unwrap(),
            [[1.0, 0.0], [0.6, -0.8], [0.0, 0.0]]
        );
    }

    #[test]
    fn each_word_of_a_question_looks_for_its_like() {
        let embedder = StaticEmbedder::from_table("small", small()).unwrap();
        // "cat" weighs 3 (6 · 0.5), "dog" 4.
        let question = embedder.align("cat dog").unwrap();
        for (text, score) in [
            ("cat", 3.0 / 7.0),
            ("a dog", 4.0 / 7.0),
            ("dog cat dog", 1.0),
            ("bird", 0.0),
            ("", 0.0),
        ] {
            assert!((question.score(text) - score).abs() < 1e-6, "{text:?}");
        }
        assert_eq!(embedder.align("bird").unwrap().score("cat"), 0.0);
    }

    #[test]
    fn bytes_of_another_form_are_refused() {
        let whole = small();
        for end in 0..whole.len() {
            let cut = StaticEmbedder::from_table("cut", &whole[..end]);
            assert!(
                matches!(cut, Err(EmbedError::Table { .. })) || end > whole.len() - 3,
                "cut at {end}"
            );
        }
        assert!(StaticEmbedder::from_table("huge", table(65_536, u32::MAX, &[])).is_err());
        assert!(StaticEmbedder::from_table("flat", table(0, 0, &[])).is_err());
        assert!(StaticEmbedder::from_table("other", b"PNTSTAT2........").is_err());
    }
}
