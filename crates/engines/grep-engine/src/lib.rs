#![doc = include_str!("../README.md")]

mod bits;
mod cancel;
mod corpus;
mod definitions;
mod fuzzy;
mod query;
mod recent;
mod search;
mod segment;
mod signature;
mod snapshot;
mod text;
mod threads;

pub use cancel::Cancel;
pub use corpus::{Applied, Batch, Corpus, Options, Upkeep};
pub use definitions::{Definition, classify_line};
pub use query::{
    Case, Count, Mode, PathFilter, Query, QueryBuilder, QueryCache, QueryError, Sort, file_types,
};
pub use search::{Hit, Match, Page};
pub use snapshot::{FileInfo, FileLines, Snapshot};
pub use text::{Decoded, decode_text};
pub use threads::Threads;
