//! Patterns that are part of the program.

use regex::Regex;

/// Compiles a pattern that is written in this crate.
pub(crate) fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns of this crate are well formed")
}
