//! Find short texts by their words and by their meaning.
//!
//! The texts are facts, notes, memories: a sentence or a few. The crate offers the parts of a hybrid search, each
//! usable alone, and one [`Collection`] that puts them together in memory:
//!
//! | part | what it does |
//! |---|---|
//! | [`Analyzer`] | text to terms: Unicode words, pairs of characters for scripts without spaces, stop words, stems |
//! | [`Bm25`], [`ScopeStats`], [`LexicalScores`] | scores postings, wherever they are kept, with the statistics of one scope |
//! | [`Embedder`], [`StaticEmbedder`] | text to vector; the English table is part of the binary |
//! | [`QuantizedVector`], [`VectorArena`] | one byte a dimension, exact search by looking at all, or through signs first |
//! | [`Fusion`] | one ranking out of both; its best refined by comparing word by word ([`Align`]) |
//! | [`Scored`], [`NewestFirst`], [`TopK`] | the order of results, which is total |
//!
//! Nothing here does input or output, and nothing is random: the same texts and the same question give the same
//! results, bit for bit, whatever the order of insertion and whatever the processor.
//!
//! ```
//! # #[cfg(feature = "static-embedder")] {
//! use pentad_retrieval::{Collection, NewestFirst, StaticEmbedder};
//!
//! let mut memories = Collection::with_embedder(StaticEmbedder::english());
//! for (id, text) in [
//!     "Nadia takes thyroid medication every morning.",
//!     "Deployments are frozen from December 15 until January 3.",
//!     "Leila plays goalkeeper in a handball team.",
//! ]
//! .into_iter()
//! .enumerate()
//! {
//!     memories.insert(NewestFirst { created: 1_700_000_000 + id as i64, id }, text)?;
//! }
//!
//! let hits = memories.search("Which sport does the girl do?", 2)?;
//! assert_eq!(hits[0].key.id, 2);
//! # }
//! # Ok::<(), pentad_retrieval::EmbedError>(())
//! ```
//!
//! # Over a database
//!
//! The postings of many tenants live in a database, not in memory. Store what [`Analyzer::document`] gives (term,
//! frequency, length), a count of documents for each term and a [`ScopeStats`] for each scope; to search, look up
//! [`Analyzer::query`]'s terms, feed their rows to [`LexicalScores`], take the nearest vectors from a
//! [`VectorArena`], let [`Fusion::rank`] order the union and [`Fusion::refine`] its best. `examples/over_postings.rs` does it.
//!
//! # Features
//!
//! `static-embedder` (default): the 7 MB table of English word vectors. Without it the search is lexical, unless
//! you bring an [`Embedder`].

mod alignment;
mod analyzer;
mod arena;
mod bm25;
mod collection;
mod embed;
mod english;
mod fusion;
mod kernels;
mod quantized;
mod rank;
mod static_embedder;
mod wordpiece;
mod words;

pub use analyzer::{Analyzer, MAX_TERM_BYTES, Terms, Weight};
pub use arena::VectorArena;
pub use bm25::{Bm25, LexicalScores, ScopeStats, coverage};
pub use collection::{Collection, Hit};
pub use embed::{Align, EmbedError, Embedder};
pub use fusion::{Candidate, Fusion, REFINED};
pub use quantized::QuantizedVector;
pub use rank::{NewestFirst, Scored, TopK};
pub use static_embedder::StaticEmbedder;
