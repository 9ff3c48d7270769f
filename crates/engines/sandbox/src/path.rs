//! Paths inside a workspace.

use std::fmt;

/// A relative path inside a workspace: UTF-8 components without `.`, `..`, empty parts or NUL.
///
/// ```
/// use pentad_sandbox::WorkspacePath;
/// assert!(WorkspacePath::parse("src/main.py").is_ok());
/// assert!(WorkspacePath::parse("../secret").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkspacePath(String);

/// Why a path is not usable inside a workspace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is not a path inside the workspace: {reason}")]
pub struct PathError {
    path: String,
    reason: &'static str,
}

impl WorkspacePath {
    /// Longest component, in bytes.
    pub const MAX_COMPONENT_BYTES: usize = 255;
    /// Longest path, in bytes.
    pub const MAX_BYTES: usize = 1024;
    /// Most components.
    pub const MAX_DEPTH: usize = 64;

    /// Checks a path.
    ///
    /// # Errors
    /// Names the first rule the path breaks.
    pub fn parse(path: &str) -> Result<Self, PathError> {
        let refuse = |reason| {
            Err(PathError {
                path: path.chars().take(200).collect(),
                reason,
            })
        };
        if path.is_empty() {
            return refuse("it is empty");
        }
        if path.len() > Self::MAX_BYTES {
            return refuse("it is longer than 1024 bytes");
        }
        if path.contains('\0') {
            return refuse("it contains NUL");
        }
        let mut depth = 0;
        for part in path.split('/') {
            depth += 1;
            match part {
                "" => return refuse("it has an empty component"),
                "." | ".." => return refuse("it has a `.` or `..` component"),
                _ if part.len() > Self::MAX_COMPONENT_BYTES => {
                    return refuse("a component is longer than 255 bytes");
                }
                _ => {}
            }
        }
        if depth > Self::MAX_DEPTH {
            return refuse("it is deeper than 64 directories");
        }
        Ok(Self(path.to_owned()))
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkspacePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<std::path::Path> for WorkspacePath {
    fn as_ref(&self) -> &std::path::Path {
        self.0.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_ordinary_paths() {
        for path in [
            "a",
            "a/b.txt",
            ".env",
            "..a",
            "sp ace é.txt",
            "node_modules/.bin/x",
        ] {
            assert_eq!(WorkspacePath::parse(path).expect(path).as_str(), path);
        }
    }

    #[test]
    fn refuses_what_leaves_or_confuses() {
        let long = "x".repeat(256);
        let deep = "d/".repeat(64) + "f";
        for path in [
            "",
            "/etc/passwd",
            "..",
            "a/../b",
            "./a",
            "a//b",
            "a/",
            "a\0b",
            &long,
            &deep,
        ] {
            assert!(WorkspacePath::parse(path).is_err(), "{path:?}");
        }
    }
}
