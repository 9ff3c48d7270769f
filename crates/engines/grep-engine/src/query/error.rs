//! Why a query cannot be answered.

/// Why a query was refused, or not finished.
///
/// The text of each is fit to be shown to whoever wrote the query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// No pattern, or an empty one.
    #[error("the query is empty")]
    EmptyPattern,
    /// A pattern is longer than [`QueryBuilder::max_pattern_bytes`](crate::QueryBuilder::max_pattern_bytes).
    #[error("the query is {length} bytes long; the limit is {limit}")]
    PatternTooLong {
        /// The pattern's length.
        length: usize,
        /// The limit it broke.
        limit: usize,
    },
    /// More patterns, globs or file types than one query may have.
    #[error("more than {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// A pattern asks for a line terminator, literally or by an escape. Matches lie
    /// within one line, so it could never match.
    #[error("the query contains a line terminator ({character}); a match never spans lines")]
    LineTerminator {
        /// The terminator as one would escape it: `\n` or `\r`.
        character: &'static str,
    },
    /// The regular expression is not valid. The message is the parser's.
    #[error("{message}")]
    Syntax {
        /// What is wrong, and where.
        message: String,
    },
    /// The regular expression is valid, but its program would be too big.
    #[error("the regex is too big: its program is over the limit of {limit} bytes")]
    TooBig {
        /// The limit on the compiled program, in bytes.
        limit: usize,
    },
    /// A glob is not valid.
    #[error("bad glob {glob:?}: {message}")]
    Glob {
        /// The glob as given.
        glob: String,
        /// What is wrong with it.
        message: String,
    },
    /// No file type of this name is known.
    #[error("unknown file type {name:?}")]
    UnknownType {
        /// The name as given.
        name: String,
    },
    /// The search's [`Cancel`](crate::Cancel) flag was raised.
    #[error("the search was cancelled")]
    Cancelled,
}
