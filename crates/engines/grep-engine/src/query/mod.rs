//! Questions to a corpus: built, checked and compiled once, then asked of any snapshot.

mod builder;
mod error;
mod filter;
mod grams;
mod matcher;
mod pattern;
mod runs;
mod types;

pub use builder::{QueryBuilder, QueryCache};
pub use error::QueryError;
pub use filter::PathFilter;
pub use types::file_types;

pub(crate) use matcher::{Matcher, line_around};

use std::sync::Arc;
use std::time::Duration;

use crate::fuzzy::FuzzyMatcher;
use crate::signature::Grams;

/// How a pattern is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// Byte for byte.
    #[default]
    Plain,
    /// As a regular expression in the syntax of the `regex` crate, within one line: no
    /// part of it matches a line terminator. `^` and `$` match at line boundaries.
    Regex,
    /// As words that may be misspelt or abbreviated; see the crate's front page.
    Fuzzy,
}

/// Whether `a` and `A` are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Case {
    /// They differ. For [`Mode::Fuzzy`], where case never counts by default, this makes it count.
    Sensitive,
    /// They are the same, by Unicode's simple case folding.
    Insensitive,
    /// They are the same unless a pattern holds an upper-case letter (for a regex: a
    /// literal one) or, for a regex, no literal at all.
    Smart,
    /// [`Case::Sensitive`] for plain and regex, [`Case::Insensitive`] for fuzzy.
    #[default]
    Default,
}

/// In which order matching files come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Sort {
    /// By path, bytewise. Fuzzy: by the best score in the file, descending, then by path.
    #[default]
    Default,
    /// By path, bytewise, in every mode.
    Path,
    /// Files with a matching line that defines something first, then by path.
    Definitions,
    /// By number of matching lines, descending, then by path.
    Matches,
}

/// What to count instead of showing lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Count {
    /// Matching files: hits have a path and no matches.
    Files,
    /// Matching lines: hits have a path and [`Hit::lines`](crate::Hit::lines), the page
    /// has [`Page::total_lines`](crate::Page::total_lines).
    Lines,
}

/// A compiled question. Cloning is cheap; one query may be asked of many snapshots, from
/// many threads at once.
///
/// ```
/// use pentad_grep_engine::{Case, Query};
///
/// let query = Query::regex(r"fn \w+").case(Case::Smart).page_limit(50).build()?;
/// let next_page = query.page(50, 50);
/// # let _ = next_page;
/// # Ok::<(), pentad_grep_engine::QueryError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Query {
    pub(crate) compiled: Arc<Compiled>,
    pub(crate) page: Paging,
    pub(crate) shape: Shape,
}

impl Query {
    /// Starts a query for `pattern`, byte for byte.
    pub fn plain(pattern: impl Into<String>) -> QueryBuilder {
        QueryBuilder::new(Mode::Plain).pattern(pattern)
    }

    /// Starts a query for the regular expression `pattern`.
    pub fn regex(pattern: impl Into<String>) -> QueryBuilder {
        QueryBuilder::new(Mode::Regex).pattern(pattern)
    }

    /// Starts a fuzzy query.
    pub fn fuzzy(pattern: impl Into<String>) -> QueryBuilder {
        QueryBuilder::new(Mode::Fuzzy).pattern(pattern)
    }

    /// The same question, another page: at most `limit` files after the first `offset`.
    /// Costs nothing.
    pub fn page(&self, limit: usize, offset: usize) -> Self {
        Self {
            page: Paging { limit, offset },
            ..self.clone()
        }
    }
}

/// Which of the matching files to show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paging {
    pub(crate) limit: usize,
    pub(crate) offset: usize,
}

/// What to show of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) before: usize,
    pub(crate) after: usize,
    pub(crate) ranges: bool,
    pub(crate) trim: bool,
    pub(crate) classify_definitions: bool,
    pub(crate) count: Option<Count>,
    pub(crate) exact_total: bool,
    pub(crate) max_matches_per_file: usize,
    pub(crate) max_bytes: Option<usize>,
    pub(crate) page_bytes: usize,
    pub(crate) snippet_bytes: usize,
    pub(crate) time_budget: Option<Duration>,
}

/// The costly parts of a query.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) finder: Finder,
    pub(crate) filter: PathFilter,
    pub(crate) sort: Sort,
    pub(crate) key: MatchKey,
}

/// What finds matching lines.
pub(crate) enum Finder {
    Exact {
        matcher: Box<Matcher>,
        /// What the index is asked, where the text holds neither `ſ` nor `K`.
        grams: Grams,
        /// And where it does.
        strict_grams: Grams,
    },
    Fuzzy(FuzzyMatcher),
}

impl std::fmt::Debug for Finder {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact { grams, .. } => out
                .debug_struct("Exact")
                .field("grams", grams)
                .finish_non_exhaustive(),
            Self::Fuzzy(_) => out.write_str("Fuzzy"),
        }
    }
}

/// Everything that decides which files match and in what order: two queries with equal
/// keys have the same matching files in the same snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct MatchKey {
    mode: Mode,
    case: Case,
    word: bool,
    sort: Sort,
    patterns: Vec<String>,
    prefix: String,
    globs: Vec<String>,
    types: Vec<String>,
}

impl MatchKey {
    pub(crate) fn pattern_count(&self) -> usize {
        self.patterns.len()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let lists = [&self.patterns, &self.globs, &self.types];
        let list_bytes = |list: &Vec<String>| {
            list.iter()
                .map(|item| item.capacity() + size_of::<String>())
                .sum::<usize>()
        };
        self.prefix.capacity() + lists.into_iter().map(list_bytes).sum::<usize>()
    }
}
