//! One writer for everything that is recorded.
//!
//! Whatever queued while the previous transaction was being flushed to the disk goes into the next one:
//! under load many records share one flush, without load nothing waits for company. An answer leaves
//! after the commit that holds its record.

mod apply;
mod queue;

use std::sync::Arc;

use pentad_kernel::{OrganisationId, SharedClock, Timestamp};
use pentad_store::Db;
use tokio::sync::oneshot;

use crate::record::Submission;
use crate::watch::Watch;
use crate::{Error, Limits, Result};
use queue::Queue;

/// What became of a submission.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Whether it is the first manifest of the run.
    pub first_manifest: bool,
    /// Whether it counts; `false` for what is older than what is there, or the same.
    pub applied: bool,
    /// The path under which the record is read back.
    pub path: Option<String>,
    /// How many events were taken.
    pub accepted: u64,
    /// What became of log text.
    pub log: Option<LogReceipt>,
}

/// How a log stands after a piece of text came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogReceipt {
    /// The log's size in bytes.
    pub bytes: u64,
    /// Bytes of this piece that had no room.
    pub dropped: u64,
    /// Places of this piece where something that looked like a secret was replaced.
    pub scrubbed: u64,
}

/// A submission on its way to the disk.
pub(crate) struct Operation {
    pub(crate) organisation: OrganisationId,
    pub(crate) submission: Submission,
    pub(crate) at: Timestamp,
    reply: oneshot::Sender<Result<Receipt>>,
}

/// The queue in front of the writer. Clones feed the same one.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: Arc<Queue>,
    clock: SharedClock,
}

impl Writer {
    /// Starts the writing task; it ends when the queue is closed and empty.
    pub(crate) fn start(
        db: Db,
        clock: SharedClock,
        limits: Arc<Limits>,
        watch: Watch,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let queue = Arc::new(Queue::new(Arc::clone(&limits)));
        let task = tokio::spawn(write(db, Arc::clone(&queue), limits, watch));
        (Self { queue, clock }, task)
    }

    /// Writes a submission. The answer means that it is on the disk.
    ///
    /// # Errors
    /// [`Error::Overloaded`] at once when it could not be written soon, and what the database says.
    pub(crate) async fn write(
        &self,
        organisation: &OrganisationId,
        submission: Submission,
    ) -> Result<Receipt> {
        self.send(organisation, submission, Admission::Bounded).await
    }

    /// The same for what is too small and too important to be refused.
    pub(crate) async fn write_always(
        &self,
        organisation: &OrganisationId,
        submission: Submission,
    ) -> Result<Receipt> {
        self.send(organisation, submission, Admission::Always).await
    }

    async fn send(
        &self,
        organisation: &OrganisationId,
        submission: Submission,
        admission: Admission,
    ) -> Result<Receipt> {
        let (reply, answer) = oneshot::channel();
        self.queue.push(
            Operation {
                organisation: organisation.clone(),
                submission,
                at: self.clock.now(),
                reply,
            },
            admission,
        )?;
        answer.await.unwrap_or(Err(Error::ShuttingDown))
    }

    /// Takes no more; what was taken is still written.
    pub(crate) fn close(&self) {
        self.queue.close();
    }

    /// How many submissions wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.waiting()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    Bounded,
    Always,
}

async fn write(db: Db, queue: Arc<Queue>, limits: Arc<Limits>, watch: Watch) {
    while let Some(batch) = queue.next_batch().await {
        let started = tokio::time::Instant::now();
        let count = batch.len();
        let outcome = apply::apply(&db, &batch, &limits).await;
        match outcome {
            Ok(applied) => {
                queue.measured(count, started.elapsed());
                for (operation, receipt) in batch.into_iter().zip(applied.receipts) {
                    // A client that went away has its record all the same.
                    let _ = operation.reply.send(Ok(receipt));
                }
                for change in applied.changes {
                    watch.announce(change);
                }
            }
            Err(error) if count == 1 => {
                tracing::warn!(%error, "a record could not be written");
                if let Some(operation) = batch.into_iter().next() {
                    let _ = operation.reply.send(Err(error));
                }
            }
            // Whether the transaction was committed may not be known: what is appended a second time would be
            // there twice.
            Err(Error::Store(pentad_store::Error::Unavailable(error))) => {
                tracing::warn!(%error, count, "a batch could not be written");
                for operation in batch {
                    let silence = pentad_store::Error::silence();
                    let _ = operation.reply.send(Err(silence.into()));
                }
            }
            Err(error) => {
                // One record that cannot be written must not take the others with it.
                tracing::warn!(%error, count, "a batch could not be written; its records are tried one by one");
                for operation in batch {
                    let alone = [operation];
                    let outcome = apply::apply(&db, &alone, &limits).await;
                    let [operation] = alone;
                    let answer = match outcome {
                        Ok(mut applied) => {
                            for change in applied.changes.drain(..) {
                                watch.announce(change);
                            }
                            applied
                                .receipts
                                .pop()
                                .ok_or(Error::Damaged("a batch without a receipt"))
                        }
                        Err(error) => Err(error),
                    };
                    let _ = operation.reply.send(answer);
                }
            }
        }
    }
}
