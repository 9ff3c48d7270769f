//! The crate seen from outside: the embedded table against its reference, the collection against plain
//! sorting, and the quality of retrieval over the corpora in `evaluation/`.

mod collection;
#[cfg(feature = "static-embedder")]
mod english;
#[cfg(feature = "static-embedder")]
mod quality;
