//! Telling those who wait that a run changed.

use tokio::sync::broadcast;

/// How many changes a slow listener may be behind before it has to look for itself.
const BACKLOG: usize = 1_024;

/// A run changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunChanged {
    pub(crate) run: i64,
    pub(crate) rev: i64,
    /// The files that changed.
    pub(crate) paths: Vec<String>,
}

/// Where changes made by this process are announced. What other processes change is found by asking
/// the database once in a while.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    sender: broadcast::Sender<RunChanged>,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self {
            sender: broadcast::channel(BACKLOG).0,
        }
    }

    pub(crate) fn announce(&self, change: RunChanged) {
        // Without listeners nobody needs to know.
        let _ = self.sender.send(change);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<RunChanged> {
        self.sender.subscribe()
    }
}
