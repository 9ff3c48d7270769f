//! The end of used sandboxes, away from the runs: the kernel takes milliseconds to take namespaces and
//! cgroups apart, which no result waits for.

use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use super::slot::LinuxSlot;

/// A thread that drops used sandboxes.
pub(crate) struct Undertaker {
    sender: Option<Sender<Option<Box<LinuxSlot>>>>,
    thread: Option<JoinHandle<()>>,
}

impl Undertaker {
    pub(crate) fn start() -> std::io::Result<Self> {
        let (sender, receiver) = channel::<Option<Box<LinuxSlot>>>();
        let thread = std::thread::Builder::new()
            .name("sandbox-end".into())
            .spawn(move || {
                // `None` ends it, whoever still holds an address.
                while let Ok(Some(slot)) = receiver.recv() {
                    drop(slot);
                }
            })?;
        Ok(Self {
            sender: Some(sender),
            thread: Some(thread),
        })
    }

    /// Where a slot leaves what is left of it.
    pub(crate) fn address(&self) -> Option<Sender<Option<Box<LinuxSlot>>>> {
        self.sender.clone()
    }
}

/// Waits until everything handed over is gone.
impl Drop for Undertaker {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            let _ = sender.send(None);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
