//! The files at one moment.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use crate::bits::Bits;
use crate::query::{MatchKey, PathFilter};
use crate::recent::Recent;
use crate::search::Found;
use crate::segment::{Reader, Segment};
use crate::{Options, Threads};

/// The files of a corpus at one moment. Later changes do not touch it. Cheap to clone,
/// and it keeps the text alive.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) state: Arc<State>,
}

/// A file in a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileInfo<'a> {
    /// The path.
    pub path: &'a str,
    /// Length of the text.
    pub bytes: usize,
    /// Number of lines; the last one need not end with a line feed.
    pub lines: usize,
}

/// Lines read from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLines {
    /// Their bytes, with the line terminators the file has.
    pub text: Vec<u8>,
    /// Which lines these are, counted from 1.
    pub lines: Range<usize>,
    /// How many lines the file has.
    pub total_lines: usize,
}

/// Some segments, and which of their files are still there. No path is alive twice.
pub(crate) struct State {
    pub(crate) views: Vec<View>,
    pub(crate) threads: Threads,
    /// The files that matched lately, for the next page. Never out of date: a snapshot
    /// does not change.
    pub(crate) recent: Recent<MatchKey, Found>,
}

/// A segment and which of its files are still there.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) segment: Segment,
    /// Files that were replaced or removed; `None` if none was.
    dead: Option<Arc<Bits>>,
    pub(crate) live_files: usize,
    pub(crate) live_bytes: usize,
}

/// A file by the view it is in and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileRef {
    pub(crate) view: usize,
    pub(crate) file: usize,
}

impl View {
    pub(crate) fn new(segment: Segment) -> Self {
        let layout = &segment.layout;
        let live_bytes = (0..layout.file_count()).map(|file| layout.file_bytes(file)).sum();
        Self {
            live_files: layout.file_count(),
            live_bytes,
            dead: None,
            segment,
        }
    }

    pub(crate) fn is_dead(&self, file: usize) -> bool {
        self.dead.as_ref().is_some_and(|dead| dead.contains(file))
    }

    pub(crate) fn dead_files(&self) -> usize {
        self.segment.layout.file_count() - self.live_files
    }

    pub(crate) fn dead_bytes(&self) -> usize {
        self.segment
            .layout
            .text_len()
            .saturating_sub(self.live_bytes + self.live_files)
    }

    /// The files that are still there.
    pub(crate) fn living(&self) -> Bits {
        let mut living = Bits::full(self.segment.layout.file_count());
        if let Some(dead) = &self.dead {
            dead.iter().for_each(|file| living.remove(file));
        }
        living
    }

    /// Marks a file as gone; tells whether it was there. Other views of the same segment
    /// keep it.
    pub(crate) fn bury(&mut self, file: usize) -> bool {
        let count = self.segment.layout.file_count();
        let dead = Arc::make_mut(self.dead.get_or_insert_with(|| Arc::new(Bits::new(count))));
        let was_there = dead.insert(file);
        if was_there {
            self.live_files -= 1;
            self.live_bytes -= self.segment.layout.file_bytes(file);
        }
        was_there
    }

    fn heap_bytes(&self) -> usize {
        self.segment.heap_bytes() + self.dead.as_ref().map_or(0, |dead| dead.heap_bytes())
    }
}

impl State {
    pub(crate) fn new(views: Vec<View>, options: &Options) -> Self {
        Self {
            views,
            threads: options.threads,
            recent: Recent::new(options.cached_queries),
        }
    }

    pub(crate) fn file_count(&self) -> usize {
        self.views.iter().map(|view| view.live_files).sum()
    }

    pub(crate) fn text_bytes(&self) -> usize {
        self.views.iter().map(|view| view.live_bytes).sum()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.views.iter().map(View::heap_bytes).sum::<usize>()
            + self.views.capacity() * size_of::<View>()
            + self
                .recent
                .heap_bytes(|key, found| key.heap_bytes() + found.heap_bytes())
            + size_of::<Self>()
    }

    fn find(&self, path: &str) -> Option<(&View, usize)> {
        self.views.iter().find_map(|view| {
            let file = view.segment.layout.find(path)?;
            (!view.is_dead(file)).then_some((view, file))
        })
    }
}

/// Merges each view's files, ascending, into the order of all paths.
pub(crate) fn in_path_order<'a, I: Iterator<Item = usize> + 'a>(
    views: &'a [View],
    files: Vec<I>,
) -> impl Iterator<Item = FileRef> + 'a {
    let mut heads: Vec<_> = files.into_iter().map(Iterator::peekable).collect();
    std::iter::from_fn(move || {
        let path = |view: usize, file: usize| views[view].segment.layout.path(file);
        let next = heads
            .iter_mut()
            .enumerate()
            .filter_map(|(view, files)| files.peek().map(|&file| FileRef { view, file }))
            .min_by(|a, b| path(a.view, a.file).cmp(path(b.view, b.file)))?;
        heads[next.view].next();
        Some(next)
    })
}

impl Snapshot {
    pub(crate) fn new(state: Arc<State>) -> Self {
        Self { state }
    }

    /// Number of files.
    pub fn file_count(&self) -> usize {
        self.state.file_count()
    }

    /// Bytes of text in all files.
    pub fn text_bytes(&self) -> usize {
        self.state.text_bytes()
    }

    /// The files that `filter` allows, by path.
    pub fn files<'a>(&'a self, filter: &'a PathFilter) -> impl Iterator<Item = FileInfo<'a>> {
        let views = &self.state.views;
        let allowed = views.iter().map(move |view| {
            let layout = &view.segment.layout;
            let allowed = move |&file: &usize| !view.is_dead(file) && filter.globs_allow(layout.path(file));
            layout.with_prefix(filter.prefix()).filter(allowed)
        });
        in_path_order(views, allowed.collect()).map(|FileRef { view, file }| {
            let layout = &views[view].segment.layout;
            FileInfo {
                path: layout.path(file),
                bytes: layout.file_bytes(file),
                lines: layout.file_line_count(file),
            }
        })
    }

    /// The file at `path`, if there is one.
    pub fn file(&self, path: &str) -> Option<FileInfo<'_>> {
        let (view, file) = self.state.find(path)?;
        let layout = &view.segment.layout;
        Some(FileInfo {
            path: layout.path(file),
            bytes: layout.file_bytes(file),
            lines: layout.file_line_count(file),
        })
    }

    /// Lines of the file at `path`, counted from 1, the end not included; as many of them
    /// as there are. Costs what reading these lines costs, wherever in the file they are.
    ///
    /// ```
    /// # use pentad_grep_engine::{Batch, Corpus};
    /// # let corpus = Corpus::default();
    /// # let mut batch = Batch::new();
    /// batch.insert("poem.txt", "one\ntwo\nthree\n");
    /// # corpus.apply(batch);
    /// let read = corpus.snapshot().read("poem.txt", 2..9).unwrap();
    /// assert_eq!((read.text.as_slice(), read.lines, read.total_lines), (&b"two\nthree\n"[..], 2..4, 3));
    /// ```
    pub fn read(&self, path: &str, lines: Range<usize>) -> Option<FileLines> {
        let (view, file) = self.state.find(path)?;
        let layout = &view.segment.layout;
        let total_lines = layout.file_line_count(file);
        let start = lines.start.clamp(1, total_lines + 1);
        let end = lines.end.clamp(start, total_lines + 1);
        let mut reader = Reader::new(&view.segment);
        let before = layout.lines_before_file(file);
        let range = layout.file_range(file);
        let from = if start == 1 {
            range.start
        } else {
            reader.line_start(before + start - 1)
        };
        let to = if end == start {
            from
        } else if end == total_lines + 1 {
            range.start + layout.file_bytes(file)
        } else {
            reader.line_start(before + end - 1)
        };
        let mut text = Vec::with_capacity(to - from);
        reader.copy(from..to, &mut text);
        Some(FileLines {
            text,
            lines: start..end,
            total_lines,
        })
    }

    /// The whole text of the file at `path`, as it was inserted.
    pub fn contents(&self, path: &str) -> Option<Vec<u8>> {
        self.read(path, 1..usize::MAX).map(|read| read.text)
    }

    /// Hands every file to `visit`, path and text as inserted, in the order that is
    /// cheapest to read, until `visit` breaks. For keeping a copy elsewhere.
    pub fn for_each_file<B>(&self, mut visit: impl FnMut(&str, &[u8]) -> ControlFlow<B>) -> ControlFlow<B> {
        let mut text = Vec::new();
        for view in &self.state.views {
            let layout = &view.segment.layout;
            let mut reader = Reader::new(&view.segment);
            for file in view.living().iter() {
                let start = layout.file_range(file).start;
                text.clear();
                reader.copy(start..start + layout.file_bytes(file), &mut text);
                visit(layout.path(file), &text)?;
            }
        }
        ControlFlow::Continue(())
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Snapshot")
            .field("files", &self.file_count())
            .field("text_bytes", &self.text_bytes())
            .finish_non_exhaustive()
    }
}
