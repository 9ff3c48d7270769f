//! Whether anybody still wants the result of a run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pentad_sandbox::Control;
use tokio::sync::Notify;

/// What a run knows of those who wait for it. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Interest(Arc<Shared>);

#[derive(Default)]
struct Shared {
    lost: Arc<AtomicBool>,
    changed: Notify,
    control: Mutex<Option<Arc<dyn Control>>>,
}

/// Held by whoever waits; dropped, the run is stopped.
pub(crate) struct Waiting(Interest);

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waiting")
    }
}

impl Interest {
    pub(crate) fn new() -> (Self, Waiting) {
        let interest = Self::default();
        (interest.clone(), Waiting(interest))
    }

    /// The flag that a sandbox looks at.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0.lost)
    }

    /// From now on, losing interest ends this program.
    pub(crate) fn begin(&self, control: Arc<dyn Control>) {
        let mut place = self.0.control.lock().unwrap_or_else(PoisonError::into_inner);
        if self.0.lost.load(Ordering::Acquire) {
            control.cancel();
        }
        *place = Some(control);
    }

    /// Ends the run, wherever it stands.
    pub(crate) fn lose(&self) {
        let place = self.0.control.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.lost.store(true, Ordering::Release);
        if let Some(control) = &*place {
            control.cancel();
        }
        self.0.changed.notify_waiters();
    }

    /// The run is over: there is nothing left to end.
    pub(crate) fn end(&self) {
        self.0
            .control
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    pub(crate) async fn lost(&self) {
        loop {
            let changed = self.0.changed.notified();
            if self.0.lost.load(Ordering::Acquire) {
                return;
            }
            changed.await;
        }
    }

    /// Waits for something, or until nobody wants it any more.
    pub(crate) async fn or_lost<T>(&self, work: impl Future<Output = crate::Result<T>>) -> crate::Result<T> {
        tokio::select! {
            biased;
            () = self.lost() => Err(crate::Error::Cancelled),
            outcome = work => outcome,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.lose();
    }
}
