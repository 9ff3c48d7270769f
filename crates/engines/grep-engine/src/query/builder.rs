//! Putting a query together.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Case, Compiled, Count, Finder, MatchKey, Matcher, Mode, Paging, PathFilter, Query, QueryError, Shape,
    Sort, grams, pattern,
};
use crate::fuzzy::FuzzyMatcher;
use crate::recent::Recent;
use crate::signature::Grams;

/// More patterns than this are refused: each is compiled by itself as well, to tell which of them match.
const MAX_PATTERNS: usize = 1000;

/// Builds a [`Query`]. Everything but the patterns has a default.
#[derive(Debug, Clone)]
#[must_use]
pub struct QueryBuilder {
    key: MatchKey,
    page: Paging,
    shape: Shape,
    max_pattern_bytes: usize,
}

impl QueryBuilder {
    /// A builder without patterns yet; see [`Query::plain`], [`Query::regex`] and [`Query::fuzzy`].
    pub fn new(mode: Mode) -> Self {
        Self {
            key: MatchKey {
                mode,
                case: Case::Default,
                word: false,
                sort: Sort::Default,
                patterns: Vec::new(),
                prefix: String::new(),
                globs: Vec::new(),
                types: Vec::new(),
            },
            page: Paging { limit: 20, offset: 0 },
            shape: Shape {
                before: 0,
                after: 0,
                ranges: false,
                trim: false,
                classify_definitions: false,
                count: None,
                exact_total: true,
                max_matches_per_file: usize::MAX,
                max_bytes: None,
                page_bytes: 8 << 20,
                snippet_bytes: 512,
                time_budget: Some(Duration::from_secs(2)),
            },
            max_pattern_bytes: 4096,
        }
    }

    /// Adds a pattern. A line matches if any of the patterns does; with several, each
    /// match says which ([`Match::patterns`](crate::Match::patterns)).
    pub fn pattern(mut self, pattern: impl Into<String>) -> Self {
        self.key.patterns.push(pattern.into());
        self
    }

    /// Whether case counts.
    pub fn case(mut self, case: Case) -> Self {
        self.key.case = case;
        self
    }

    /// Matches must begin and end at word edges: no word character just outside them.
    /// Plain and regex only.
    pub fn word(mut self, word: bool) -> Self {
        self.key.word = word;
        self
    }

    /// The order of files.
    pub fn sort(mut self, sort: Sort) -> Self {
        self.key.sort = sort;
        self
    }

    /// Only files whose paths start with `prefix`.
    pub fn path_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.key.prefix = prefix.into();
        self
    }

    /// Only files that `glob` matches, or with `!` in front, only those it does not. The
    /// last glob that matches a path decides. The rules are those of `.gitignore`: a glob
    /// without a slash names a file or folder at any depth, one with a slash is anchored
    /// at the root, and a folder stands for all below it.
    pub fn glob(mut self, glob: impl Into<String>) -> Self {
        self.key.globs.push(glob.into());
        self
    }

    /// Only files of the named type, or of one of them if called repeatedly; see
    /// [`file_types`](crate::file_types).
    pub fn file_type(mut self, name: impl Into<String>) -> Self {
        self.key.types.push(name.into());
        self
    }

    /// At most this many files on the page. 20 by default.
    pub fn page_limit(mut self, files: usize) -> Self {
        self.page.limit = files;
        self
    }

    /// Skips this many matching files. 0 by default.
    pub fn file_offset(mut self, files: usize) -> Self {
        self.page.offset = files;
        self
    }

    /// Lines to show before and after each match. None by default.
    pub fn context(mut self, before: usize, after: usize) -> Self {
        (self.shape.before, self.shape.after) = (before, after);
        self
    }

    /// Says where in the line the pattern matches: [`Match::column`](crate::Match::column)
    /// and [`Match::ranges`](crate::Match::ranges), the first thousand of a line.
    pub fn ranges(mut self, ranges: bool) -> Self {
        self.shape.ranges = ranges;
        self
    }

    /// Cuts white space off both ends of snippets and context lines. Columns and ranges
    /// still refer to the whole line.
    pub fn trim(mut self, trim: bool) -> Self {
        self.shape.trim = trim;
        self
    }

    /// Says for each match whether its line defines something, and what.
    pub fn classify_definitions(mut self, classify: bool) -> Self {
        self.shape.classify_definitions = classify;
        self
    }

    /// Counts files or lines instead of showing matches.
    pub fn count(mut self, count: Count) -> Self {
        self.shape.count = Some(count);
        self
    }

    /// Whether [`Page::total`](crate::Page::total) must be exact. If not, the search ends
    /// as soon as the page is full. True by default.
    pub fn exact_total(mut self, exact: bool) -> Self {
        self.shape.exact_total = exact;
        self
    }

    /// Shows at most this many matches of a file; a hit with more is marked truncated.
    pub fn max_matches_per_file(mut self, matches: usize) -> Self {
        self.shape.max_matches_per_file = matches.max(1);
        self
    }

    /// Spends at most about this many bytes on the page, shared fairly: the first matches
    /// of every file come before more matches of any. No such budget by default.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.shape.max_bytes = Some(bytes);
        self
    }

    /// Ends the page before the file that would make it exceed about this many bytes. A
    /// single file over the budget is cut. 8 MiB by default.
    pub fn page_bytes(mut self, bytes: usize) -> Self {
        self.shape.page_bytes = bytes;
        self
    }

    /// Longer lines are shown by a window of at most this many bytes around the match.
    /// 512 by default.
    pub fn snippet_bytes(mut self, bytes: usize) -> Self {
        self.shape.snippet_bytes = bytes.max(4);
        self
    }

    /// Ends a fuzzy search after this long, with what was found until then. Two seconds by
    /// default; `None` never. Other searches do not look at it.
    pub fn time_budget(mut self, budget: Option<Duration>) -> Self {
        self.shape.time_budget = budget;
        self
    }

    /// Refuses longer patterns. 4096 by default.
    pub fn max_pattern_bytes(mut self, bytes: usize) -> Self {
        self.max_pattern_bytes = bytes;
        self
    }

    /// Checks and compiles the query.
    ///
    /// A plain query takes a microsecond, a regex with Unicode classes a few hundred: see
    /// [`Self::build_with`].
    ///
    /// # Errors
    ///
    /// Every variant of [`QueryError`] but `Cancelled`.
    pub fn build(self) -> Result<Query, QueryError> {
        self.check_patterns()?;
        let compiled = Arc::new(Compiled::new(self.key)?);
        Ok(Query {
            compiled,
            page: self.page,
            shape: self.shape,
        })
    }

    /// As [`Self::build`], but takes what is costly from `cache` if an equal query was
    /// built with it lately.
    ///
    /// # Errors
    ///
    /// As [`Self::build`].
    pub fn build_with(self, cache: &QueryCache) -> Result<Query, QueryError> {
        self.check_patterns()?;
        let compiled = match cache.recent.get(&self.key) {
            Some(compiled) => compiled,
            None => {
                let compiled = Arc::new(Compiled::new(self.key)?);
                cache.recent.put(compiled.key.clone(), &compiled);
                compiled
            }
        };
        Ok(Query {
            compiled,
            page: self.page,
            shape: self.shape,
        })
    }

    /// Whether [`Self::build_with`] and the search are likely to be done in well under a
    /// millisecond: nothing has to be compiled first, and the index knows where to look.
    #[must_use]
    pub fn is_likely_short(&self, cache: &QueryCache) -> bool {
        match self.key.mode {
            Mode::Plain => true,
            Mode::Regex => cache.recent.get(&self.key).is_some(),
            Mode::Fuzzy => false,
        }
    }

    fn check_patterns(&self) -> Result<(), QueryError> {
        if self.key.patterns.is_empty() {
            return Err(QueryError::EmptyPattern);
        }
        if self.key.patterns.len() > MAX_PATTERNS {
            return Err(QueryError::TooMany {
                what: "patterns",
                limit: MAX_PATTERNS,
            });
        }
        for pattern in &self.key.patterns {
            if pattern.is_empty() {
                return Err(QueryError::EmptyPattern);
            }
            if pattern.len() > self.max_pattern_bytes {
                return Err(QueryError::PatternTooLong {
                    length: pattern.len(),
                    limit: self.max_pattern_bytes,
                });
            }
            if let Some(at) = pattern.find(['\n', '\r']) {
                let character = if pattern.as_bytes()[at] == b'\n' {
                    r"\n"
                } else {
                    r"\r"
                };
                return Err(QueryError::LineTerminator { character });
            }
        }
        Ok(())
    }
}

impl Compiled {
    fn new(key: MatchKey) -> Result<Self, QueryError> {
        let finder = match key.mode {
            Mode::Fuzzy => Finder::Fuzzy(FuzzyMatcher::new(&key.patterns, key.case)),
            Mode::Plain | Mode::Regex => exact_finder(&key)?,
        };
        let filter = PathFilter::new(&key.prefix, &key.globs, &key.types)?;
        Ok(Self {
            finder,
            filter,
            sort: key.sort,
            key,
        })
    }
}

/// Compiled queries to be used again, of any corpus; for [`QueryBuilder::build_with`].
pub struct QueryCache {
    recent: Recent<MatchKey, Compiled>,
}

impl QueryCache {
    /// A cache of the last so many different queries. A few dozen serve: paging, and
    /// agents that ask the same of several corpora. A compiled regex takes up to 10 MiB,
    /// an ordinary one some 100 KiB.
    pub fn new(queries: usize) -> Self {
        Self {
            recent: Recent::new(queries),
        }
    }
}

impl std::fmt::Debug for QueryCache {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("QueryCache").finish_non_exhaustive()
    }
}

fn exact_finder(key: &MatchKey) -> Result<Finder, QueryError> {
    let trees = pattern::parse(&key.patterns, key.mode, key.case, key.word)?;
    let required = |ascii_folds_alone: bool| {
        let mut conditions: Vec<_> = trees
            .iter()
            .map(|tree| grams::required(tree, ascii_folds_alone))
            .collect();
        if conditions.len() == 1 {
            conditions.remove(0)
        } else if conditions.contains(&Grams::Any) {
            Grams::Any
        } else {
            Grams::Or(conditions)
        }
    };
    let (grams, strict_grams) = (required(true), required(false));
    let matcher = Box::new(Matcher::new(&trees, &grams)?);
    Ok(Finder::Exact {
        matcher,
        grams,
        strict_grams,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_checked_before_anything_is_compiled() {
        assert_eq!(
            QueryBuilder::new(Mode::Plain).build().unwrap_err(),
            QueryError::EmptyPattern
        );
        assert_eq!(Query::plain("").build().unwrap_err(), QueryError::EmptyPattern);
        assert!(Query::plain("  ").build().is_ok(), "blanks are a query");
        let many = (0..1000).fold(Query::plain("a"), |query, number| {
            query.pattern(number.to_string())
        });
        assert!(matches!(
            many.build().unwrap_err(),
            QueryError::TooMany { limit: 1000, .. }
        ));
        for builder in [Query::plain("a\nb"), Query::fuzzy("a\rb"), Query::regex("a\nb")] {
            assert!(matches!(
                builder.build().unwrap_err(),
                QueryError::LineTerminator { .. }
            ));
        }
        let long = Query::plain("x".repeat(4097)).build().unwrap_err();
        assert_eq!(
            long,
            QueryError::PatternTooLong {
                length: 4097,
                limit: 4096
            }
        );
    }

    #[test]
    fn too_big_a_program_is_refused() {
        let error = Query::regex(r"(\w{900}){900}").build().unwrap_err();
        assert!(matches!(error, QueryError::TooBig { .. }), "{error:?}");
        assert!(Query::regex("(a*)*(a*)*b").build().is_ok());
    }

    #[test]
    fn a_cache_compiles_equal_queries_once() {
        let cache = QueryCache::new(2);
        let build = |pattern: &str| Query::regex(pattern).build_with(&cache).unwrap().compiled;
        let (first, again) = (build(r"\w+x"), build(r"\w+x"));
        assert!(Arc::ptr_eq(&first, &again));
        assert!(!Arc::ptr_eq(&first, &build(r"\w+y")));
        assert!(Query::regex("(").build_with(&cache).is_err());
    }
}
