//! Telling those who wait that a run changed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pentad_store::{Db, with_reader};
use tokio::sync::broadcast;
use tokio::time::Instant;

use crate::Result;

/// How many changes a slow listener may be behind before it has to look for itself.
const BACKLOG: usize = 256;
/// How many files one change names. All of a backlog is held for the slowest listener, so neither may be long.
const MOST_PATHS: usize = 64;

/// A run changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunChanged {
    pub(crate) run: i64,
    pub(crate) rev: i64,
    paths: Arc<[String]>,
}

impl RunChanged {
    /// A change of these files, each named once; of more than a few files none is named.
    pub(crate) fn new(run: i64, rev: i64, paths: BTreeSet<String>) -> Self {
        let few = paths.len() <= MOST_PATHS;
        Self {
            run,
            rev,
            paths: paths.into_iter().filter(|_| few).collect(),
        }
    }
}

/// Where changes made by this process are announced. What other processes change is found by asking
/// the database once in a while.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    records: broadcast::Sender<RunChanged>,
    commands: broadcast::Sender<i64>,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self {
            records: broadcast::channel(BACKLOG).0,
            commands: broadcast::channel(BACKLOG).0,
        }
    }

    pub(crate) fn announce(&self, change: RunChanged) {
        // Without listeners nobody needs to know.
        let _ = self.records.send(change);
    }

    /// What is recorded, run by run.
    pub(crate) fn records(&self) -> broadcast::Receiver<RunChanged> {
        self.records.subscribe()
    }

    /// Tells the agent of a run that there is a command. Agents that wait are not woken by what is recorded.
    pub(crate) fn announce_command(&self, run: i64) {
        let _ = self.commands.send(run);
    }

    /// The runs that were given a command.
    pub(crate) fn commands(&self) -> broadcast::Receiver<i64> {
        self.commands.subscribe()
    }
}

/// How often a follower asks the database for what another gateway wrote.
const LOOK: Duration = Duration::from_secs(1);

/// A change of a run that somebody follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The run's revision after it.
    pub rev: i64,
    /// The files that changed; empty when that is not known, or when there are many.
    pub paths: Arc<[String]>,
}

/// Follows a run from the moment it was made.
#[derive(Debug)]
pub struct Follower {
    db: Db,
    run: i64,
    seen: i64,
    changes: broadcast::Receiver<RunChanged>,
    /// When the database is asked next. Kept over calls, of which many end before it comes.
    look: Instant,
}

const REV: &str = "SELECT rev FROM runs WHERE id = $1";

impl Follower {
    pub(crate) fn new(db: Db, run: i64, seen: i64, watch: &Watch) -> Self {
        Self {
            db,
            run,
            seen,
            changes: watch.records(),
            look: Instant::now() + LOOK,
        }
    }

    /// The next change; `None` when the run is gone.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next(&mut self) -> Result<Option<Change>> {
        loop {
            tokio::select! {
                change = self.changes.recv() => match change {
                    Ok(change) if change.run == self.run && change.rev > self.seen => {
                        self.seen = change.rev;
                        return Ok(Some(Change { rev: change.rev, paths: change.paths }));
                    }
                    Ok(_) => {}
                    // What was missed may have been about this run.
                    Err(_) => self.look = Instant::now(),
                },
                () = tokio::time::sleep_until(self.look) => {
                    let rev: Option<i64> = with_reader!(self.db, |conn| sqlx::query_scalar(REV)
                        .bind(self.run)
                        .fetch_optional(conn)
                        .await)?;
                    let Some(rev) = rev else { return Ok(None) };
                    self.look = Instant::now() + LOOK;
                    if rev > self.seen {
                        self.seen = rev;
                        return Ok(Some(Change { rev, paths: Arc::default() }));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_each_file_once_and_never_many() {
        let of = |count: usize| -> BTreeSet<String> { (0..count).map(|at| at.to_string()).collect() };
        assert_eq!(RunChanged::new(1, 1, of(2)).paths.len(), 2);
        assert_eq!(RunChanged::new(1, 1, of(MOST_PATHS)).paths.len(), MOST_PATHS);
        assert!(RunChanged::new(1, 1, of(MOST_PATHS + 1)).paths.is_empty());
    }
}
