//! Finished sandboxes that wait for their one run.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::backend::{Backend, Slot};
use crate::error::Result;
use crate::spec::Shape;

/// What a waiting sandbox is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolKind {
    /// A Python interpreter, started.
    Python,
    /// A Node process, started, for JavaScript and TypeScript.
    Node,
    /// A Deno process, started.
    Deno,
    /// Empty, for compiled programs.
    Empty,
    /// Empty, with the Go tools mounted.
    GoBuild,
}

impl PoolKind {
    /// Its name in the configuration and in measurements.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Node => "node",
            Self::Deno => "deno",
            Self::Empty => "empty",
            Self::GoBuild => "go_build",
        }
    }
}

/// How many sandboxes wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PoolSizes {
    /// Of each kind, when nothing happens. Zero keeps none until the first use.
    pub idle: BTreeMap<PoolKind, usize>,
    /// Of each kind, at most, however great the demand.
    pub most: usize,
    /// How long a size reached through demand is kept without any.
    pub decay: Duration,
    /// How long a refill gives way to the run that made it necessary.
    pub courtesy: Duration,
}

impl Default for PoolSizes {
    fn default() -> Self {
        use PoolKind::{Deno, Empty, GoBuild, Node, Python};
        Self {
            idle: [(Python, 2), (Node, 2), (Deno, 1), (Empty, 1), (GoBuild, 1)].into(),
            most: 8,
            decay: Duration::from_secs(30),
            courtesy: Duration::from_millis(15),
        }
    }
}

impl PoolSizes {
    /// A pool that keeps nothing: every run starts its interpreter.
    #[must_use]
    pub fn none() -> Self {
        Self {
            idle: BTreeMap::new(),
            most: 0,
            ..Self::default()
        }
    }
}

/// How the pool of one kind is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PoolState {
    /// Waiting now.
    pub waiting: usize,
    /// How many should wait, by configuration and demand.
    pub target: usize,
    /// Runs that found one waiting.
    pub hits: u64,
    /// Runs that did not.
    pub misses: u64,
    /// Sandboxes that could not be made or did not start.
    pub failures: u64,
}

struct Shelf {
    shape: Shape,
    slots: VecDeque<Box<dyn Slot>>,
    state: PoolState,
    idle: usize,
    last_take: Instant,
    /// Not before: after a failure, so that a broken interpreter does not keep the machine busy.
    not_before: Instant,
}

struct State {
    shelves: BTreeMap<PoolKind, Shelf>,
    stop: bool,
    /// Runs under way, to which refills give way.
    running: usize,
}

struct Shared {
    backend: Arc<dyn Backend>,
    sizes: PoolSizes,
    state: Mutex<State>,
    changed: Condvar,
}

/// The pool. A thread refills it; dropping it ends what waits.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    refill: Option<JoinHandle<()>>,
}

/// A run under way, as the pool counts it.
pub(crate) struct Underway(Arc<Shared>);

/// Longest start of an interpreter on a busy machine.
const START: Duration = Duration::from_secs(30);
/// Pause after an interpreter did not start.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

impl Pool {
    pub(crate) fn start(backend: Arc<dyn Backend>, sizes: PoolSizes) -> std::io::Result<Self> {
        let state = State {
            shelves: BTreeMap::new(),
            stop: false,
            running: 0,
        };
        let shared = Arc::new(Shared {
            backend,
            sizes,
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let worker = Arc::clone(&shared);
        let refill = std::thread::Builder::new()
            .name("sandbox-pool".into())
            .spawn(move || worker.keep_filled())?;
        Ok(Self {
            shared,
            refill: Some(refill),
        })
    }

    /// Starts keeping sandboxes of a kind.
    pub(crate) fn keep(&self, kind: PoolKind, shape: Shape) {
        let idle = self
            .shared
            .sizes
            .idle
            .get(&kind)
            .copied()
            .unwrap_or(0)
            .min(self.shared.sizes.most);
        let now = Instant::now();
        let shelf = Shelf {
            shape,
            slots: VecDeque::new(),
            state: PoolState {
                target: idle,
                ..PoolState::default()
            },
            idle,
            last_take: now,
            not_before: now,
        };
        self.shared.lock().shelves.insert(kind, shelf);
        self.shared.changed.notify_all();
    }

    /// A waiting sandbox, or a new one. `None` for a kind that is not kept.
    pub(crate) fn take(&self, kind: PoolKind) -> Option<Result<Box<dyn Slot>>> {
        let shape = {
            let mut state = self.shared.lock();
            let shelf = state.shelves.get_mut(&kind)?;
            shelf.last_take = Instant::now();
            let taken = shelf.slots.pop_front();
            if taken.is_some() {
                shelf.state.hits += 1;
            } else {
                shelf.state.misses += 1;
                shelf.state.target = (shelf.state.target + 1).min(self.shared.sizes.most);
            }
            self.shared.changed.notify_all();
            match taken {
                Some(slot) => return Some(Ok(slot)),
                None => shelf.shape.clone(),
            }
        };
        Some(self.shared.backend.prepare(&shape))
    }

    /// Counts a run as under way until the result is dropped.
    pub(crate) fn underway(&self) -> Underway {
        self.shared.lock().running += 1;
        Underway(Arc::clone(&self.shared))
    }

    pub(crate) fn states(&self) -> BTreeMap<PoolKind, PoolState> {
        let state = self.shared.lock();
        state
            .shelves
            .iter()
            .map(|(kind, shelf)| {
                (
                    *kind,
                    PoolState {
                        waiting: shelf.slots.len(),
                        ..shelf.state
                    },
                )
            })
            .collect()
    }

    /// Waits until every kind has what it should have, at most `timeout`; false when the time was over.
    pub(crate) fn wait_filled(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut state = self.shared.lock();
        while state.shelves.values().any(Shelf::lacks) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self
                .shared
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
        self.0.changed.notify_all();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
        if let Some(refill) = self.refill.take() {
            let _ = refill.join();
        }
        let shelves = std::mem::take(&mut self.shared.lock().shelves);
        drop(shelves);
    }
}

impl Shelf {
    fn lacks(&self) -> bool {
        self.slots.len() < self.state.target
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep_filled(&self) {
        let mut state = self.lock();
        // When the courtesy shown to running programs is over.
        let mut patience = None;
        while !state.stop {
            let now = Instant::now();
            for shelf in state.shelves.values_mut() {
                if shelf.state.target > shelf.idle && now - shelf.last_take > self.sizes.decay {
                    shelf.state.target = shelf.idle;
                    shelf.slots.truncate(shelf.idle);
                }
            }
            let wanted = state
                .shelves
                .iter()
                .filter(|(_, shelf)| shelf.lacks() && shelf.not_before <= now)
                .min_by_key(|(_, shelf)| shelf.slots.len())
                .map(|(kind, shelf)| (*kind, shelf.shape.clone()));
            let Some((kind, shape)) = wanted else {
                patience = None;
                state = self.pause(state, Duration::from_secs(1));
                continue;
            };
            if state.running > 0 {
                let until = *patience.get_or_insert(now + self.sizes.courtesy);
                if now < until {
                    state = self.pause(state, until - now);
                    continue;
                }
            }
            patience = None;
            drop(state);
            let made = self.backend.prepare(&shape).and_then(|mut slot| {
                slot.wait_ready(START)?;
                Ok(slot)
            });
            state = self.lock();
            if let Some(shelf) = state.shelves.get_mut(&kind) {
                match made {
                    // What nobody wants any more is dropped.
                    Ok(slot) if shelf.lacks() => shelf.slots.push_back(slot),
                    Ok(_) => {}
                    Err(_) => {
                        shelf.state.failures += 1;
                        shelf.not_before = Instant::now() + AFTER_FAILURE;
                    }
                }
            }
            self.changed.notify_all();
        }
    }

    fn pause<'a>(&self, state: MutexGuard<'a, State>, most: Duration) -> MutexGuard<'a, State> {
        self.changed
            .wait_timeout(state, most)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }
}
