//! Changes to a corpus.

use std::collections::BTreeMap;

/// Changes to make together. Of several changes to one path the last one counts.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The text of a file to insert or replace; nothing for one to remove.
    changes: BTreeMap<String, Option<Vec<u8>>>,
    text_bytes: usize,
    path_bytes: usize,
}

/// What a batch changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// Files inserted under a new path.
    pub added: usize,
    /// Files inserted over an existing one.
    pub replaced: usize,
    /// Files removed; removals of paths that were not there do not count.
    pub removed: usize,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Inserts a file, or replaces the one at `path`. `text` is searched as it is; see
    /// [`decode_text`](crate::decode_text) for making text of a file's bytes. The path is
    /// a name like any other here: it is sorted by its bytes and matched by globs, with
    /// `/` between folders.
    pub fn insert(&mut self, path: impl Into<String>, text: impl Into<Vec<u8>>) {
        let text = text.into();
        self.text_bytes += text.len();
        self.change(path.into(), Some(text));
    }

    /// Removes the file at `path`, if there is one.
    pub fn remove(&mut self, path: impl Into<String>) {
        self.change(path.into(), None);
    }

    fn change(&mut self, path: String, change: Option<Vec<u8>>) {
        let path_bytes = path.len();
        match self.changes.insert(path, change) {
            Some(overtaken) => self.text_bytes -= overtaken.map_or(0, |text| text.len()),
            None => self.path_bytes += path_bytes,
        }
    }

    /// Number of changes.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing is to change.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Bytes of text to insert.
    pub fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// About how many bytes of memory the batch takes: text, paths and what holds them together.
    pub fn memory_bytes(&self) -> usize {
        let entries = self.changes.len() * size_of::<(String, Option<Vec<u8>>)>();
        self.text_bytes + self.path_bytes + 2 * entries
    }

    /// The files to insert, in the order of their paths, each with its text.
    pub fn inserts(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.changes
            .iter()
            .filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// The files to insert, in the order of their paths, and the paths to remove.
    pub(super) fn into_parts(self) -> (Vec<(String, Vec<u8>)>, Vec<String>) {
        let mut files = Vec::with_capacity(self.changes.len());
        let mut removals = Vec::new();
        for (path, change) in self.changes {
            match change {
                Some(text) => files.push((path, text)),
                None => removals.push(path),
            }
        }
        (files, removals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_change_to_a_path_counts() {
        let mut batch = Batch::new();
        batch.insert("b", "first");
        batch.insert("a", "text");
        batch.insert("b", "second!");
        batch.remove("c");
        batch.insert("d", "gone");
        batch.remove("d");
        assert_eq!((batch.len(), batch.text_bytes()), (4, 11));
        assert_eq!(
            batch.inserts().collect::<Vec<_>>(),
            [("a", &b"text"[..]), ("b", b"second!")]
        );
        let (files, removals) = batch.into_parts();
        assert_eq!(
            files,
            [("a".into(), b"text".to_vec()), ("b".into(), b"second!".to_vec())]
        );
        assert_eq!(removals, ["c", "d"]);
    }
}
