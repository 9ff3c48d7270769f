//! What waits to be written, within bounds.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pentad_kernel::OrganisationId;
use rand::Rng as _;
use tokio::sync::Notify;

use super::{Admission, Operation};
use crate::{Error, Limits, Result};

/// The longest that a client is asked to wait.
const LONGEST_RETRY: u64 = 30;
/// How much one more batch says about the speed of the disk.
const SMOOTHING: f64 = 0.2;

pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Notify,
    limits: Arc<Limits>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Operation>,
    bytes: usize,
    shares: HashMap<OrganisationId, Share>,
    /// Records written in a second, smoothed; zero before the first batch.
    speed: f64,
    closed: bool,
}

#[derive(Clone, Copy, Default)]
struct Share {
    records: usize,
    bytes: usize,
}

impl Queue {
    pub(crate) fn new(limits: Arc<Limits>) -> Self {
        Self {
            state: Mutex::default(),
            wake: Notify::new(),
            limits,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, operation: Operation, admission: Admission) -> Result<()> {
        let mut state = self.state();
        if state.closed {
            return Err(Error::ShuttingDown);
        }
        let bytes = operation.submission.bytes;
        let share = state
            .shares
            .get(&operation.organisation)
            .copied()
            .unwrap_or_default();
        if admission == Admission::Bounded
            && let Some(limit) = self.full(&state, share, bytes)
        {
            return Err(Error::Overloaded {
                limit,
                retry_after: retry_after(state.expected_wait()),
            });
        }
        state.bytes += bytes;
        let entry = state.shares.entry(operation.organisation.clone()).or_default();
        entry.records += 1;
        entry.bytes += bytes;
        state.waiting.push_back(operation);
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// The name of the limit that one more record of this size would break.
    fn full(&self, state: &State, share: Share, bytes: usize) -> Option<&'static str> {
        let limits = &self.limits;
        if state.waiting.len() >= limits.queued_records || share.records >= limits.queued_records.div_ceil(2)
        {
            Some("limit queued_records")
        } else if share.bytes > 0
            && (state.bytes + bytes > limits.queued_bytes || share.bytes + bytes > limits.queued_bytes / 2)
        {
            // A record as large as the share goes in alone; otherwise it never could.
            Some("limit queued_bytes")
        } else if state.expected_wait() > limits.longest_wait {
            Some("limit longest_wait")
        } else {
            None
        }
    }

    /// What is to be written next, when there is something; `None` when there never will be.
    pub(crate) async fn next_batch(&self) -> Option<Vec<Operation>> {
        loop {
            {
                let mut state = self.state();
                if !state.waiting.is_empty() {
                    return Some(state.take(&self.limits));
                }
                if state.closed {
                    return None;
                }
            }
            self.wake.notified().await;
        }
    }

    pub(crate) fn measured(&self, count: usize, took: Duration) {
        let speed = count as f64 / took.as_secs_f64().max(1e-6);
        let mut state = self.state();
        // A lone record says how long a flush takes, not how many could have shared it: only a batch that
        // left others waiting shows the speed that matters here.
        if state.waiting.is_empty() {
            state.speed = state.speed.max(speed);
        } else if state.speed == 0.0 {
            state.speed = speed;
        } else {
            state.speed += SMOOTHING * (speed - state.speed);
        }
    }

    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.wake.notify_one();
    }

    pub(crate) fn waiting(&self) -> usize {
        self.state().waiting.len()
    }
}

impl State {
    fn take(&mut self, limits: &Limits) -> Vec<Operation> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < limits.batch_records
            && let Some(next) = self.waiting.front()
        {
            let size = next.submission.bytes;
            if !batch.is_empty() && bytes + size > limits.batch_bytes {
                break;
            }
            bytes += size;
            batch.extend(self.waiting.pop_front());
        }
        for operation in &batch {
            let size = operation.submission.bytes;
            self.bytes -= size;
            if let Some(share) = self.shares.get_mut(&operation.organisation) {
                share.records -= 1;
                share.bytes -= size;
                if share.records == 0 {
                    self.shares.remove(&operation.organisation);
                }
            }
        }
        batch
    }

    fn expected_wait(&self) -> Duration {
        if self.speed > 0.0 {
            Duration::from_secs_f64(self.waiting.len() as f64 / self.speed)
        } else {
            Duration::ZERO
        }
    }
}

/// A whole number of seconds between the expected wait and twice that: clients that were refused
/// together must not come back together.
fn retry_after(expected: Duration) -> Duration {
    let least = expected.as_secs_f64().ceil().clamp(1.0, LONGEST_RETRY as f64) as u64;
    let most = (2 * least).min(LONGEST_RETRY);
    Duration::from_secs(rand::rng().random_range(least..=most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Json;
    use crate::names::RunId;
    use crate::record::Submission;
    use pentad_kernel::Timestamp;

    fn operation(organisation: &str, text: &str) -> Operation {
        let (reply, _) = tokio::sync::oneshot::channel();
        let body = Json::parse(format!(r#"{{"text":"{text}"}}"#).as_bytes()).unwrap();
        Operation {
            organisation: OrganisationId::new(organisation),
            submission: Submission::log(RunId::parse("run").unwrap(), &body, false, &Limits::default())
                .unwrap(),
            at: Timestamp::from_micros(0),
            reply,
        }
    }

    fn queue(limits: Limits) -> Queue {
        Queue::new(Arc::new(limits))
    }

    #[test]
    fn one_organisation_fills_half_and_leaves_the_rest_to_the_others() {
        let queue = queue(Limits {
            queued_records: 4,
            ..Limits::default()
        });
        for _ in 0..2 {
            queue.push(operation("one", "x"), Admission::Bounded).unwrap();
        }
        let refused = queue.push(operation("one", "x"), Admission::Bounded).unwrap_err();
        assert!(
            matches!(
                refused,
                Error::Overloaded {
                    limit: "limit queued_records",
                    ..
                }
            ),
            "{refused}"
        );
        queue.push(operation("two", "x"), Admission::Bounded).unwrap();
        queue.push(operation("one", "x"), Admission::Always).unwrap();
        assert_eq!(queue.waiting(), 4);
    }

    #[test]
    fn bytes_are_bounded_but_a_large_record_goes_in_alone() {
        let queue = queue(Limits {
            queued_bytes: 1_000,
            ..Limits::default()
        });
        let large = "x".repeat(2_000);
        queue.push(operation("one", &large), Admission::Bounded).unwrap();
        let refused = queue.push(operation("one", "x"), Admission::Bounded).unwrap_err();
        assert!(
            matches!(
                refused,
                Error::Overloaded {
                    limit: "limit queued_bytes",
                    ..
                }
            ),
            "{refused}"
        );
    }

    #[tokio::test]
    async fn a_slow_disk_refuses_with_a_time_to_come_back() {
        let queue = queue(Limits {
            batch_records: 1,
            ..Limits::default()
        });
        for _ in 0..10 {
            queue.push(operation("one", "x"), Admission::Bounded).unwrap();
        }
        assert_eq!(queue.next_batch().await.unwrap().len(), 1);
        queue.measured(1, Duration::from_secs(1));
        match queue.push(operation("two", "x"), Admission::Bounded).unwrap_err() {
            Error::Overloaded {
                limit: "limit longest_wait",
                retry_after,
            } => {
                assert!((9..=18).contains(&retry_after.as_secs()), "{retry_after:?}");
            }
            other => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn a_closed_queue_is_written_to_its_end() {
        let queue = queue(Limits::default());
        queue.push(operation("one", "x"), Admission::Bounded).unwrap();
        queue.close();
        assert!(matches!(
            queue.push(operation("one", "x"), Admission::Always),
            Err(Error::ShuttingDown)
        ));
        assert_eq!(queue.next_batch().await.unwrap().len(), 1);
        assert!(queue.next_batch().await.is_none());
    }
}
