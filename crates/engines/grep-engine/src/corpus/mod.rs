//! A corpus: the files, changed by whole batches, read through snapshots.

mod batch;
mod upkeep;

pub use batch::{Applied, Batch};
pub use upkeep::Upkeep;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::segment::{self, Segment};
use crate::snapshot::{Snapshot, State, View};
use crate::{Cancel, Page, Query, QueryError, Threads};

/// How a corpus lays out its text. The defaults are right for source code.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The unit of indexing and compression, in bytes of text: 16 KiB.
    pub block_bytes: usize,
    /// Segments of less text than this are not indexed but scanned: 1 MiB, which takes
    /// about 35 µs.
    pub index_from_bytes: usize,
    /// How many queries' matching files each snapshot remembers, for their next page: 16.
    pub cached_queries: usize,
    /// Whether indexing, compressing and long searches use several threads.
    pub threads: Threads,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            block_bytes: 16 << 10,
            index_from_bytes: 1 << 20,
            cached_queries: 16,
            threads: Threads::default(),
        }
    }
}

/// Files held in memory for searching. A handle: clones share one corpus.
///
/// Changes come as a [`Batch`] and are visible all at once. Readers work on a
/// [`Snapshot`], which later changes do not touch. A batch is searchable as soon as it is
/// applied; [`Corpus::index_pending`] makes searching it fast, at any later time and from
/// any thread.
///
/// ```
/// use pentad_grep_engine::{Batch, Cancel, Corpus, Query};
///
/// let corpus = Corpus::default();
/// let mut batch = Batch::new();
/// batch.insert("src/main.rs", b"fn main() {\n    run();\n}\n".to_vec());
/// assert_eq!(corpus.apply(batch).added, 1);
///
/// let page = corpus.snapshot().grep(&Query::plain("run").build()?, &Cancel::never())?;
/// assert_eq!(page.total, 1);
/// assert_eq!(page.hits[0].matches[0].line, 2);
/// # Ok::<(), pentad_grep_engine::QueryError>(())
/// ```
#[derive(Clone)]
pub struct Corpus {
    inner: Arc<Inner>,
}

struct Inner {
    options: Options,
    current: ArcSwap<State>,
    /// Held while a new state is derived from the current one: briefly.
    writing: Mutex<()>,
    /// Held while segments are indexed, merged, compressed: long.
    upkeep: Mutex<()>,
}

impl Corpus {
    /// An empty corpus.
    pub fn new(options: Options) -> Self {
        let state = State::new(Vec::new(), &options);
        Self {
            inner: Arc::new(Inner {
                options,
                current: ArcSwap::from_pointee(state),
                writing: Mutex::default(),
                upkeep: Mutex::default(),
            }),
        }
    }

    /// The files as they are now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.inner.current.load_full())
    }

    /// Searches the files as they are now; see [`Snapshot::grep`].
    ///
    /// # Errors
    ///
    /// [`QueryError::Cancelled`] if `cancel` was raised.
    pub fn grep(&self, query: &Query, cancel: &Cancel) -> Result<Page, QueryError> {
        self.snapshot().grep(query, cancel)
    }

    /// Makes all of a batch's changes, at once and at once visible.
    ///
    /// The costs are those of copying the batch's text, and do not depend on how much
    /// the corpus holds.
    pub fn apply(&self, batch: Batch) -> Applied {
        let options = &self.inner.options;
        let (files, removals) = batch.into_parts();
        let mut applied = Applied {
            added: files.len(),
            ..Applied::default()
        };
        let view = (!files.is_empty())
            .then(|| View::new(segment::build(files, options.block_bytes, options.threads)));

        let _writing = lock(&self.inner.writing);
        let mut views = self.inner.current.load().views.clone();
        for path in &removals {
            applied.removed += usize::from(bury(&mut views, path));
        }
        if let Some(view) = view {
            let layout = &view.segment.layout;
            applied.replaced = (0..layout.file_count())
                .filter(|&file| bury(&mut views, layout.path(file)))
                .count();
            applied.added -= applied.replaced;
            views.push(view);
        }
        views.retain(|view| view.live_files > 0);
        self.store(views);
        applied
    }

    /// Number of files.
    pub fn file_count(&self) -> usize {
        self.inner.current.load().file_count()
    }

    /// Bytes of text in all files.
    pub fn text_bytes(&self) -> usize {
        self.inner.current.load().text_bytes()
    }

    /// Bytes of memory held: the text as stored, indexes, tables and cached results. Text
    /// of files that were replaced or removed counts until [`Corpus::index_pending`] has
    /// reclaimed it; what only older snapshots still hold does not.
    pub fn memory_bytes(&self) -> usize {
        self.inner.current.load().heap_bytes()
    }

    /// The number of separate runs of files, each of which a search looks at by itself.
    pub fn segment_count(&self) -> usize {
        self.inner.current.load().views.len()
    }

    fn store(&self, views: Vec<View>) {
        self.inner
            .current
            .store(Arc::new(State::new(views, &self.inner.options)));
    }

    /// Puts `with` where `segment` is in the current state, if it is still there.
    fn replace(&self, segment: &Segment, with: Segment) {
        let _writing = lock(&self.inner.writing);
        let mut views = self.inner.current.load().views.clone();
        if let Some(view) = views
            .iter_mut()
            .find(|view| Arc::ptr_eq(&view.segment.layout, &segment.layout))
        {
            view.segment = with;
            self.store(views);
        }
    }
}

impl Default for Corpus {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl std::fmt::Debug for Corpus {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Corpus")
            .field("files", &self.file_count())
            .field("text_bytes", &self.text_bytes())
            .field("segments", &self.segment_count())
            .finish_non_exhaustive()
    }
}

/// Marks the file at `path` as gone, wherever it lives; tells whether there was one.
fn bury(views: &mut [View], path: &str) -> bool {
    views.iter_mut().any(|view| match view.segment.layout.find(path) {
        Some(file) => view.bury(file),
        None => false,
    })
}

/// The guarded values are `()`: a panic elsewhere cannot have left them half-changed.
fn lock(mutex: &Mutex<()>) -> MutexGuard<'_, ()> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
