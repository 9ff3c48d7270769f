//! Relative paths that cannot escape.

use std::borrow::Borrow;
use std::fmt;

/// The longest path accepted, in bytes of UTF-8 after normalisation.
pub const MAX_PATH_BYTES: usize = 4096;

/// A normalised, relative, UTF-8 path with `/` between its components.
///
/// Whoever holds one knows that it is not empty, has no empty, `.` or `..` component, does not
/// begin with `/`, holds no control character (so no NUL), and is at most [`MAX_PATH_BYTES`] long.
///
/// There are two ways in, because the two kinds of names deserve different trust:
///
/// | name | [`from_upload`](Self::from_upload) | [`from_entry`](Self::from_entry) |
/// |---|---|---|
/// | `src//./main.rs` | `src/main.rs` | `src/main.rs` |
/// | `src\main.rs` | `src/main.rs` | `src/main.rs` |
/// | `/etc/passwd` | `etc/passwd` | [`Absolute`](PathError::Absolute) |
/// | `C:\boot.ini` | `C:/boot.ini` | [`DriveLetter`](PathError::DriveLetter) |
/// | `a/../b` | [`ParentComponent`](PathError::ParentComponent) | [`ParentComponent`](PathError::ParentComponent) |
///
/// A client that uploads `/home/me/x.rs` wrote down where the file was; an archive that holds
/// such a name wants to be unpacked there, and is refused whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SafePath(String);

/// Why a name cannot become a [`SafePath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// Nothing is left after normalisation: `""`, `"/"`, `"./."`.
    #[error("the path is empty")]
    Empty,
    /// Longer than [`MAX_PATH_BYTES`] after normalisation.
    #[error("the path is {length} bytes long, the limit is {MAX_PATH_BYTES}")]
    TooLong {
        /// Bytes after normalisation.
        length: usize,
    },
    /// A component is `..`.
    #[error("the path has a '..' component")]
    ParentComponent,
    /// NUL or another control character (Unicode category Cc).
    #[error("the path holds a control character")]
    ControlCharacter,
    /// The bytes of the name are not UTF-8.
    #[error("the path is not UTF-8")]
    NotUtf8,
    /// An archive entry named from the root.
    #[error("the path is absolute")]
    Absolute,
    /// An archive entry named with a Windows drive.
    #[error("the path names a drive")]
    DriveLetter,
}

impl SafePath {
    /// The policy for file names that a client sends.
    ///
    /// `\` becomes `/`; empty and `.` components and leading slashes are dropped.
    ///
    /// # Errors
    /// [`PathError::ParentComponent`], [`ControlCharacter`](PathError::ControlCharacter),
    /// [`Empty`](PathError::Empty) or [`TooLong`](PathError::TooLong).
    pub fn from_upload(name: &str) -> Result<Self, PathError> {
        Self::normalise(name)
    }

    /// The policy for the names of archive entries.
    ///
    /// As for uploads, but a name that would leave the directory it is unpacked into is refused,
    /// never cleaned.
    ///
    /// # Errors
    /// As [`from_upload`](Self::from_upload), and [`PathError::Absolute`] or
    /// [`PathError::DriveLetter`].
    pub fn from_entry(name: &str) -> Result<Self, PathError> {
        if name.starts_with(['/', '\\']) {
            return Err(PathError::Absolute);
        }
        if let [letter, b':', ..] = name.as_bytes()
            && letter.is_ascii_alphabetic()
        {
            return Err(PathError::DriveLetter);
        }
        Self::normalise(name)
    }

    /// [`from_upload`](Self::from_upload) for bytes that ought to be UTF-8.
    ///
    /// # Errors
    /// Also [`PathError::NotUtf8`].
    pub fn from_upload_bytes(name: &[u8]) -> Result<Self, PathError> {
        Self::from_upload(std::str::from_utf8(name).map_err(|_| PathError::NotUtf8)?)
    }

    /// [`from_entry`](Self::from_entry) for bytes that ought to be UTF-8.
    ///
    /// # Errors
    /// Also [`PathError::NotUtf8`].
    pub fn from_entry_bytes(name: &[u8]) -> Result<Self, PathError> {
        Self::from_entry(std::str::from_utf8(name).map_err(|_| PathError::NotUtf8)?)
    }

    fn normalise(name: &str) -> Result<Self, PathError> {
        let mut path = String::with_capacity(name.len().min(MAX_PATH_BYTES));
        for component in name.split(['/', '\\']) {
            match component {
                "" | "." => continue,
                ".." => return Err(PathError::ParentComponent),
                _ if component.chars().any(char::is_control) => return Err(PathError::ControlCharacter),
                _ => {}
            }
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(component);
        }
        match path.len() {
            0 => Err(PathError::Empty),
            length if length > MAX_PATH_BYTES => Err(PathError::TooLong { length }),
            _ => Ok(Self(path)),
        }
    }

    /// This path below `directory`: what an entry of `pkg/x.zip` is called outside the archive.
    ///
    /// # Errors
    /// [`PathError::TooLong`].
    pub fn below(&self, directory: &SafePath) -> Result<Self, PathError> {
        let length = directory.0.len() + 1 + self.0.len();
        if length > MAX_PATH_BYTES {
            return Err(PathError::TooLong { length });
        }
        Ok(Self(format!("{directory}/{self}")))
    }

    /// The directory the path lies in, `None` at the top.
    #[must_use]
    pub fn parent(&self) -> Option<SafePath> {
        self.0
            .rsplit_once('/')
            .map(|(directory, _)| Self(directory.to_owned()))
    }

    /// The last component.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(self.0.as_str(), |(_, name)| name)
    }

    /// The components, at least one.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text of the path, without a copy.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for SafePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl AsRef<str> for SafePath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for SafePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<SafePath> for String {
    fn from(path: SafePath) -> Self {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PathError::{Absolute, ControlCharacter, DriveLetter, Empty, ParentComponent, TooLong};

    /// `expected`: the path, or why there is none; for uploads and for archive entries.
    #[track_caller]
    fn check(name: &str, upload: Result<&str, PathError>, entry: Result<&str, PathError>) {
        let text = |path: Result<SafePath, PathError>| path.map(SafePath::into_string);
        assert_eq!(
            text(SafePath::from_upload(name)),
            upload.map(str::to_owned),
            "upload {name:?}"
        );
        assert_eq!(
            text(SafePath::from_entry(name)),
            entry.map(str::to_owned),
            "entry {name:?}"
        );
    }

    #[test]
    fn names_are_normalised_or_refused() {
        for (name, path) in [
            ("a", "a"),
            ("a/b.txt", "a/b.txt"),
            ("./a//b/./c/", "a/b/c"),
            ("a\\b\\c.txt", "a/b/c.txt"),
            ("a..b/...", "a..b/..."),
            ("ünï/日本", "ünï/日本"),
            (" a / b ", " a / b "),
            ("ab:c", "ab:c"),
            ("d/C:/x", "d/C:/x"),
        ] {
            check(name, Ok(path), Ok(path));
        }
        for (name, why) in [
            ("", Empty),
            (".", Empty),
            ("././", Empty),
            ("..", ParentComponent),
            ("../a", ParentComponent),
            ("a/..", ParentComponent),
            ("a/../b", ParentComponent),
            ("..\\evil", ParentComponent),
            ("a\\..\\..\\evil", ParentComponent),
            ("a\0b", ControlCharacter),
            ("a\nb", ControlCharacter),
            ("a\u{7f}", ControlCharacter),
            ("a\u{85}", ControlCharacter),
        ] {
            check(name, Err(why), Err(why));
        }
        check("/", Err(Empty), Err(Absolute));
        check("/etc/passwd", Ok("etc/passwd"), Err(Absolute));
        check("//server/share", Ok("server/share"), Err(Absolute));
        check("\\\\server\\share", Ok("server/share"), Err(Absolute));
        check("C:\\x", Ok("C:/x"), Err(DriveLetter));
        check("c:x", Ok("c:x"), Err(DriveLetter));
        check("/../x", Err(ParentComponent), Err(Absolute));
    }

    #[test]
    fn the_length_counts_after_normalisation() {
        let longest = format!("{}/{}", "d".repeat(2047), "f".repeat(2048));
        let padded = format!(".//{longest}//");
        check(&padded, Ok(&longest), Ok(&longest));
        let long = "x".repeat(MAX_PATH_BYTES + 1);
        check(
            &long,
            Err(TooLong { length: 4097 }),
            Err(TooLong { length: 4097 }),
        );
    }

    #[test]
    fn bytes_must_be_utf8() {
        assert_eq!(SafePath::from_upload_bytes(b"a\xff"), Err(PathError::NotUtf8));
        assert_eq!(SafePath::from_entry_bytes(b"a\xff"), Err(PathError::NotUtf8));
        assert_eq!(SafePath::from_entry_bytes("é".as_bytes()).unwrap().as_str(), "é");
    }

    #[test]
    fn parts_of_a_path() {
        let path = SafePath::from_upload("pkg/lib/x.zip").unwrap();
        let directory = path.parent().unwrap();
        assert_eq!(directory.as_str(), "pkg/lib");
        assert_eq!(path.file_name(), "x.zip");
        assert_eq!(path.components().collect::<Vec<_>>(), ["pkg", "lib", "x.zip"]);
        let top = SafePath::from_upload("x.zip").unwrap();
        assert_eq!((top.parent(), top.file_name()), (None, "x.zip"));
        assert_eq!(top.below(&directory).unwrap(), path);
        let long = SafePath::from_upload(&"l".repeat(4090)).unwrap();
        assert_eq!(long.below(&directory), Err(TooLong { length: 4098 }));
    }
}
