//! What somebody sees who waits.

use std::time::{Duration, Instant};

/// How long nothing is said.
const PAUSE: Duration = Duration::from_secs(2);

/// Says on standard error how far the work is, every few seconds.
pub(super) struct Progress {
    said: Instant,
}

impl Progress {
    pub(super) fn start() -> Self {
        Self { said: Instant::now() }
    }

    /// Says what is being done now.
    pub(super) fn begin(&mut self, what: &str) {
        eprintln!("{what}");
        self.said = Instant::now();
    }

    /// Says how far it is, unless it was said a moment ago.
    pub(super) fn at(&mut self, how_far: impl FnOnce() -> String) {
        if self.said.elapsed() >= PAUSE {
            self.begin(&how_far());
        }
    }
}
