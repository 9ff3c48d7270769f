//! Embedders: what turns a text into a vector.

/// Turns texts into vectors whose cosine says how alike the texts are.
///
/// Implementations are synchronous; one that asks a server blocks, and belongs on a thread that may.
pub trait Embedder: Send + Sync {
    /// Names the model and its version. Vectors of different ids must never be compared: store the id with them.
    fn id(&self) -> &str;

    /// Length of every vector.
    fn dims(&self) -> usize;

    /// One vector a text, in the order of the texts. A text about which the model knows nothing (an empty one, say)
    /// gets the zero vector, which is like no other.
    ///
    /// # Errors
    /// When the model cannot be asked, or answers nonsense.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError>;

    /// Takes a question apart to be compared with texts word by word, if the model has vectors for words. See
    /// [`Fusion::refine`](crate::Fusion::refine).
    fn align<'a>(&'a self, question: &str) -> Option<Box<dyn Align + 'a>> {
        let _ = question;
        None
    }
}

/// A question that is compared with texts word by word: slower than one cosine, and finer. For the best candidates
/// only.
pub trait Align {
    /// How well a text answers to the words of the question, 0 to 1.
    fn score(&self, text: &str) -> f32;
}

/// Why there are no vectors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbedError {
    /// The model could not be reached or refused; trying again later may help.
    #[error("the embedding model is not available: {reason}")]
    Unavailable {
        /// What happened, without secrets.
        reason: String,
    },
    /// The model answered vectors of another length than [`Embedder::dims`].
    #[error("the embedding model answered {found} dimensions instead of {expected}")]
    Dimensions {
        /// What was promised.
        expected: usize,
        /// What came.
        found: usize,
    },
    /// The model answered another number of vectors than it was given texts.
    #[error("the embedding model answered {found} vectors for {expected} texts")]
    Count {
        /// Number of texts.
        expected: usize,
        /// Number of vectors.
        found: usize,
    },
    /// The bytes given as a table are not one.
    #[error("not a table of word vectors: {reason}")]
    Table {
        /// What is wrong with them.
        reason: &'static str,
    },
}
