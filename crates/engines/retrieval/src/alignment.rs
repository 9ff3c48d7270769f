//! Word-by-word comparison of a question with a text.

use crate::embed::Align;
use crate::kernels;
use crate::static_embedder::StaticEmbedder;

/// A question, taken apart for [`StaticEmbedder`].
///
/// Each word piece of the question looks for the piece of the text that is most like it; the score is the mean of
/// these likenesses, weighted by how much each piece matters (the length of its vector). Where one vector a text
/// drowns "instrument" among the rest of a sentence, its likeness to "oud" stays visible here.
pub(crate) struct StaticAlignment<'a> {
    embedder: &'a StaticEmbedder,
    pieces: Vec<Piece>,
    weight: f32,
}

struct Piece {
    values: Vec<i8>,
    scale: f32,
    weight: f32,
}

impl<'a> StaticAlignment<'a> {
    pub(crate) fn new(embedder: &'a StaticEmbedder, question: &str) -> Self {
        let mut pieces = Vec::new();
        embedder.each_piece(question, |scale, row| {
            let values: Vec<i8> = row.iter().map(|value| value.cast_signed()).collect();
            let length = length(&values);
            if length > 0.0 {
                pieces.push(Piece {
                    values,
                    scale: 1.0 / length,
                    weight: scale * length,
                });
            }
        });
        let weight = pieces.iter().map(|piece| piece.weight).sum();
        StaticAlignment {
            embedder,
            pieces,
            weight,
        }
    }
}

impl Align for StaticAlignment<'_> {
    fn score(&self, text: &str) -> f32 {
        let (mut rows, mut scales) = (Vec::new(), Vec::new());
        self.embedder.each_piece(text, |_, row| {
            let start = rows.len();
            rows.extend(row.iter().map(|value| value.cast_signed()));
            let length = length(&rows[start..]);
            scales.push(if length > 0.0 { 1.0 / length } else { 0.0 });
        });
        let mut similarities = vec![0.0; scales.len()];
        let mut score = 0.0;
        for piece in &self.pieces {
            kernels::cosines(&piece.values, piece.scale, &rows, &scales, &mut similarities);
            score += piece.weight * similarities.iter().copied().fold(0.0, f32::max);
        }
        if self.weight > 0.0 {
            score / self.weight
        } else {
            0.0
        }
    }
}

fn length(values: &[i8]) -> f32 {
    (kernels::dot(values, values) as f32).sqrt()
}
