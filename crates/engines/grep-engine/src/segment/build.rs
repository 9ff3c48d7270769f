//! Laying files out in a segment.

use std::sync::Arc;

use super::{Layout, Reader, Segment, Text};
use crate::Threads;
use crate::bits::Bits;

/// Lays `files`, sorted by path and each path once, out in a new segment without index.
///
/// The files are freed one by one as they are copied, so that the peak is little more
/// than the text itself.
pub(crate) fn build(files: Vec<(String, Vec<u8>)>, block_bytes: usize, threads: Threads) -> Segment {
    let mut table = FileTable::with_capacity(files.len(), files.iter().map(|(path, _)| path.len()).sum());
    for (path, bytes) in &files {
        table.push(path, stored_len(bytes), stored_len(bytes) != bytes.len());
    }
    let text = concatenate(files, table.text_len, threads);
    table.finish(text, block_bytes)
}

/// Lays the files of other segments, sorted by path and each path once, out in a new one.
pub(crate) fn merge(files: &[(&Segment, usize)], block_bytes: usize) -> Segment {
    let path = |&(segment, file): &(&Segment, usize)| segment.layout.path(file).len();
    let mut table = FileTable::with_capacity(files.len(), files.iter().map(path).sum());
    let mut readers: Vec<(&Segment, Reader<'_>)> = Vec::new();
    for &(segment, file) in files {
        let layout = &segment.layout;
        table.push(
            layout.path(file),
            layout.file_range(file).len(),
            layout.unterminated.contains(file),
        );
    }
    let mut text = Vec::with_capacity(table.text_len);
    for &(segment, file) in files {
        let known = readers
            .iter()
            .position(|(known, _)| std::ptr::eq(*known, segment));
        let at = known.unwrap_or_else(|| {
            readers.push((segment, Reader::new(segment)));
            readers.len() - 1
        });
        readers[at].1.copy(segment.layout.file_range(file), &mut text);
    }
    table.finish(text, block_bytes)
}

/// The table of files while it grows.
struct FileTable {
    layout: Layout,
    text_len: usize,
}

impl FileTable {
    fn with_capacity(files: usize, path_bytes: usize) -> Self {
        let layout = Layout {
            paths: String::with_capacity(path_bytes),
            path_ends: Vec::with_capacity(files),
            file_starts: Vec::with_capacity(files + 1),
            unterminated: Bits::new(files),
            ..Layout::default()
        };
        Self { layout, text_len: 0 }
    }

    /// Adds a file that takes `stored` bytes of the arena.
    fn push(&mut self, path: &str, stored: usize, unterminated: bool) {
        let layout = &mut self.layout;
        let file = layout.path_ends.len();
        debug_assert!(
            file == 0 || layout.path(file - 1) < path,
            "paths are sorted and distinct"
        );
        layout.paths.push_str(path);
        layout.path_ends.push(layout.paths.len());
        layout.file_starts.push(self.text_len);
        if unterminated {
            layout.unterminated.insert(file);
        }
        self.text_len += stored;
    }

    fn finish(self, text: Vec<u8>, block_bytes: usize) -> Segment {
        let mut layout = self.layout;
        layout.file_starts.push(self.text_len);
        cut_blocks(&text, block_bytes, &mut layout);
        number_files(&text, &mut layout);
        layout.folds_into_ascii = ["\u{17F}", "\u{212A}"]
            .iter()
            .any(|character| memchr::memmem::find(&text, character.as_bytes()).is_some());
        Segment {
            text: Arc::new(Text::Raw(text)),
            layout: Arc::new(layout),
            signature: None,
        }
    }
}

/// What a file takes in the arena: it ends with a line feed there, unless it is empty.
fn stored_len(bytes: &[u8]) -> usize {
    bytes.len() + usize::from(bytes.last().is_some_and(|&last| last != b'\n'))
}

/// Below this many bytes a second thread costs more than it saves.
const PARALLEL_COPY_BYTES: usize = 64 << 20;

fn concatenate(files: Vec<(String, Vec<u8>)>, len: usize, threads: Threads) -> Vec<u8> {
    if len >= PARALLEL_COPY_BYTES && threads == Threads::Rayon {
        let mut text = vec![0; len];
        copy_halves(files, &mut text);
        return text;
    }
    let mut text = Vec::with_capacity(len);
    for (_, bytes) in files {
        text.extend_from_slice(&bytes);
        if bytes.last().is_some_and(|&last| last != b'\n') {
            text.push(b'\n');
        }
    }
    text
}

/// Copies in parallel, halving the work until a piece is small.
fn copy_halves(mut files: Vec<(String, Vec<u8>)>, text: &mut [u8]) {
    if files.len() < 2 || text.len() < PARALLEL_COPY_BYTES / 8 {
        let mut at = 0;
        for (_, bytes) in files {
            let end = at + stored_len(&bytes);
            text[at..at + bytes.len()].copy_from_slice(&bytes);
            text[at + bytes.len()..end].fill(b'\n');
            at = end;
        }
        return;
    }
    let (mut middle, mut split) = (0, 0);
    while split < files.len() - 1 && middle < text.len() / 2 {
        middle += stored_len(&files[split].1);
        split += 1;
    }
    let right_files = files.split_off(split);
    let (left, right) = text.split_at_mut(middle);
    rayon::join(|| copy_halves(files, left), || copy_halves(right_files, right));
}

/// Cuts the arena into blocks of about `block_bytes` that end with a line. A longer line
/// makes a longer block.
fn cut_blocks(text: &[u8], block_bytes: usize, layout: &mut Layout) {
    let mut start = 0;
    let mut lines = 0;
    while start < text.len() {
        let mut end = (start + block_bytes).min(text.len());
        if end < text.len() {
            end = match memchr::memrchr(b'\n', &text[start..end]) {
                Some(feed) => start + feed + 1,
                None => memchr::memchr(b'\n', &text[end..]).map_or(text.len(), |feed| end + feed + 1),
            };
        }
        layout.block_starts.push(start);
        layout.block_lines.push(lines);
        lines += memchr::memchr_iter(b'\n', &text[start..end]).count();
        start = end;
    }
    layout.block_starts.push(start);
    layout.block_lines.push(lines);
    layout.block_starts.shrink_to_fit();
    layout.block_lines.shrink_to_fit();
}

/// Counts the lines before each file: those before its block, and the rest in it.
fn number_files(text: &[u8], layout: &mut Layout) {
    let mut lines = Vec::with_capacity(layout.file_starts.len());
    let (mut at, mut before) = (0, 0);
    let mut block = 0;
    for &start in &layout.file_starts {
        while block + 1 < layout.block_starts.len() && layout.block_starts[block + 1] <= start {
            block += 1;
            (at, before) = (layout.block_starts[block], layout.block_lines[block]);
        }
        before += memchr::memchr_iter(b'\n', &text[at..start]).count();
        at = start;
        lines.push(before);
    }
    layout.file_lines = lines;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(files: &[(&str, &str)], block_bytes: usize) -> Segment {
        let files = files
            .iter()
            .map(|(path, text)| (path.to_string(), text.as_bytes().to_vec()))
            .collect();
        build(files, block_bytes, Threads::One)
    }

    #[test]
    fn every_file_ends_with_a_line_feed_and_knows_its_own_length() {
        let built = segment(&[("a", "one\ntwo"), ("b", ""), ("c", "three\n")], 16);
        let layout = &built.layout;
        let Text::Raw(text) = &*built.text else {
            panic!("raw")
        };
        assert_eq!(text, b"one\ntwo\nthree\n");
        assert_eq!(
            (0..3).map(|f| layout.file_bytes(f)).collect::<Vec<_>>(),
            [7, 0, 6]
        );
        assert_eq!(
            (0..3).map(|f| layout.file_line_count(f)).collect::<Vec<_>>(),
            [2, 0, 1]
        );
        assert_eq!(layout.file_at(7, 0), 0);
        assert_eq!(layout.file_at(8, 0), 2);
        assert_eq!(layout.find("b"), Some(1));
        assert_eq!(layout.find("bb"), None);
    }

    #[test]
    fn blocks_end_with_lines_and_long_lines_stretch_them() {
        let long = "x".repeat(40);
        let built = segment(&[("a", &format!("1\n2\n3\n{long}\n4\n"))], 8);
        let layout = &built.layout;
        let blocks: Vec<_> = (0..layout.block_count()).map(|b| layout.block_range(b)).collect();
        assert_eq!(blocks, [0..6, 6..47, 47..49]);
        assert_eq!(
            (0..3).map(|b| layout.lines_before_block(b)).collect::<Vec<_>>(),
            [0, 3, 4]
        );
        assert_eq!([0, 2, 3, 4].map(|line| layout.block_of_line(line)), [0, 0, 1, 2]);
    }

    #[test]
    fn a_prefix_is_a_range_of_files() {
        let built = segment(&[("a/x", ""), ("b/x", ""), ("b/y", ""), ("b0", "")], 8);
        assert_eq!(built.layout.with_prefix("b/"), 1..3);
        assert_eq!(built.layout.with_prefix(""), 0..4);
        assert_eq!(built.layout.with_prefix("c"), 4..4);
    }

    #[test]
    fn copying_in_parallel_gives_the_same_arena() {
        let files: Vec<_> = (0..20)
            .map(|n| (format!("{n:02}"), vec![b'a' + n; 1 << 20]))
            .collect();
        let len = files.len() * ((1 << 20) + 1);
        let mut text = vec![0; len];
        copy_halves(files.clone(), &mut text);
        assert!(text == concatenate(files, len, Threads::One));
    }
}
