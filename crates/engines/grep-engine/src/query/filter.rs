//! Which files a query looks at, by path.

use globset::{GlobBuilder, GlobSet};

use super::QueryError;
use super::types;

/// More globs, or file types, than this are refused: each is compiled, and tried on every path.
const MAX_GLOBS: usize = 100;
/// Longer globs are refused.
const MAX_GLOB_BYTES: usize = 4096;

/// Conditions on paths, compiled: a prefix, globs and file types. A path must meet all
/// three kinds. The default lets every path in.
#[derive(Debug, Default)]
pub struct PathFilter {
    prefix: String,
    globs: Vec<PathGlob>,
    types: Vec<GlobSet>,
}

#[derive(Debug)]
struct PathGlob {
    matcher: GlobSet,
    excludes: bool,
}

impl PathFilter {
    /// Compiles the conditions; see [`QueryBuilder`](crate::QueryBuilder) for the meaning
    /// of each. Empty ones let every path in.
    ///
    /// # Errors
    ///
    /// [`QueryError::Glob`], [`QueryError::UnknownType`] and [`QueryError::TooMany`].
    pub fn new(prefix: &str, globs: &[String], type_names: &[String]) -> Result<Self, QueryError> {
        for (what, given) in [("globs", globs), ("file types", type_names)] {
            if given.len() > MAX_GLOBS {
                return Err(QueryError::TooMany {
                    what,
                    limit: MAX_GLOBS,
                });
            }
        }
        let mut types = Vec::new();
        for name in type_names {
            let patterns =
                types::globs(name).ok_or_else(|| QueryError::UnknownType { name: name.clone() })?;
            for pattern in patterns {
                types.push(compile(&format!("**/{pattern}"), pattern)?);
            }
        }
        let globs = globs
            .iter()
            .map(|glob| PathGlob::new(glob))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            prefix: prefix.to_string(),
            globs,
            types,
        })
    }

    /// Whether `path` meets all conditions.
    pub fn allows(&self, path: &str) -> bool {
        path.starts_with(&self.prefix) && self.globs_allow(path)
    }

    /// Paths that do not start with this are out.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether there is more to check than the prefix.
    pub(crate) fn has_globs(&self) -> bool {
        !self.globs.is_empty() || !self.types.is_empty()
    }

    /// Whether the globs and types let `path` in; the prefix is not looked at.
    pub(crate) fn globs_allow(&self, path: &str) -> bool {
        let of_type = self.types.is_empty() || self.types.iter().any(|glob| glob.is_match(path));
        of_type
            && match self.globs.iter().rev().find(|glob| glob.matches(path)) {
                Some(glob) => !glob.excludes,
                None => self.globs.iter().all(|glob| glob.excludes),
            }
    }
}

impl PathGlob {
    /// By the rules of `.gitignore` lines: a glob without a slash names a file or folder
    /// at any depth, one with a slash is anchored at the root; `!` in front excludes.
    fn new(glob: &str) -> Result<Self, QueryError> {
        let (pattern, excludes) = match glob.strip_prefix('!') {
            Some(pattern) => (pattern, true),
            None => (glob, false),
        };
        let trimmed = pattern.trim_end_matches('/');
        let anchored = trimmed.contains('/');
        let rooted = trimmed.trim_start_matches('/');
        if rooted.is_empty() {
            return Err(QueryError::Glob {
                glob: glob.to_string(),
                message: "it names nothing".into(),
            });
        }
        let pattern = if anchored {
            rooted.to_string()
        } else {
            format!("**/{rooted}")
        };
        Ok(Self {
            matcher: compile(&pattern, glob)?,
            excludes,
        })
    }

    /// A glob that matches a folder takes everything below it.
    fn matches(&self, path: &str) -> bool {
        self.matcher.is_match(path)
            || path
                .match_indices('/')
                .any(|(slash, _)| self.matcher.is_match(&path[..slash]))
    }
}

fn compile(pattern: &str, shown: &str) -> Result<GlobSet, QueryError> {
    let refused = |message: String| QueryError::Glob {
        glob: shown.chars().take(100).collect(),
        message,
    };
    if pattern.len() > MAX_GLOB_BYTES {
        return Err(refused(format!("it is longer than {MAX_GLOB_BYTES} bytes")));
    }
    let glob = GlobBuilder::new(pattern)
        .literal_separator(true)
        .backslash_escape(true)
        .build();
    // A set of one: a glob by itself panics where the regex that it becomes is refused, as one of braces within
    // braces within braces is.
    glob.and_then(|glob| GlobSet::builder().add(glob).build())
        .map_err(|error| refused(error.kind().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(globs: &[&str], types: &[&str]) -> Vec<&'static str> {
        const PATHS: [&str; 6] = [
            "Makefile",
            "README.md",
            "src/a.rs",
            "src/b_test.rs",
            "src/deep/c.rs",
            "web/a.ts",
        ];
        let owned = |list: &[&str]| {
            list.iter()
                .map(std::string::ToString::to_string)
                .collect::<Vec<_>>()
        };
        let filter = PathFilter::new("", &owned(globs), &owned(types)).unwrap();
        PATHS
            .into_iter()
            .filter(|path| filter.globs_allow(path))
            .collect()
    }

    #[test]
    fn globs_follow_gitignore_rules() {
        assert_eq!(
            allowed(&["*.rs"], &[]),
            ["src/a.rs", "src/b_test.rs", "src/deep/c.rs"]
        );
        assert_eq!(allowed(&["src/*.rs"], &[]), ["src/a.rs", "src/b_test.rs"]);
        assert_eq!(
            allowed(&["/src/**/*.rs"], &[]),
            ["src/a.rs", "src/b_test.rs", "src/deep/c.rs"]
        );
        assert_eq!(allowed(&["deep/"], &[]), ["src/deep/c.rs"]);
        assert_eq!(
            allowed(&["src"], &[]),
            ["src/a.rs", "src/b_test.rs", "src/deep/c.rs"]
        );
        assert_eq!(allowed(&["*.{md,ts}"], &[]), ["README.md", "web/a.ts"]);
    }

    #[test]
    fn what_would_take_too_much_to_compile_is_refused() {
        let refused = |globs: &[String]| PathFilter::new("", globs, &[]).unwrap_err();
        let nested = format!("{}b{}", "{a,".repeat(500), "}".repeat(500));
        assert!(matches!(refused(&[nested]), QueryError::Glob { .. }));
        assert!(matches!(refused(&["a".repeat(5000)]), QueryError::Glob { .. }));
        let many = vec!["*.rs".to_owned(); 101];
        assert_eq!(
            refused(&many),
            QueryError::TooMany {
                what: "globs",
                limit: 100
            }
        );
    }

    #[test]
    fn the_last_glob_that_matches_decides() {
        assert_eq!(allowed(&["!*.rs"], &[]), ["Makefile", "README.md", "web/a.ts"]);
        assert_eq!(
            allowed(&["*.rs", "!*_test.rs"], &[]),
            ["src/a.rs", "src/deep/c.rs"]
        );
        assert_eq!(allowed(&["!src", "src/a.rs"], &[]), ["src/a.rs"]);
        assert_eq!(allowed(&["src/a.rs", "!src"], &[]), Vec::<&str>::new());
    }

    #[test]
    fn types_are_or_ed_with_each_other_and_and_ed_with_globs() {
        assert_eq!(allowed(&[], &["md", "make"]), ["Makefile", "README.md"]);
        assert_eq!(allowed(&["!*_test.rs"], &["rust"]), ["src/a.rs", "src/deep/c.rs"]);
    }

    #[test]
    fn bad_globs_and_types_are_named() {
        let bad = |glob: &str| {
            PathFilter::new("", &[glob.to_string()], &[])
                .unwrap_err()
                .to_string()
        };
        assert!(bad("[a").contains("[a"), "{}", bad("[a"));
        assert!(bad("!").contains("names nothing"));
        let error = PathFilter::new("", &[], &["klingon".into()]).unwrap_err();
        assert_eq!(error.to_string(), "unknown file type \"klingon\"");
    }
}
