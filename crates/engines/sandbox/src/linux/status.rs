//! The page through which the first process of a sandbox reports, without holding any descriptor.
#![allow(unsafe_code, reason = "promises that the page consists of atomics")]

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::MemfdFlags;
use rustix::thread::futex;

use super::sys::{AllAtomic, Shared};

/// What the page holds. Only process 1 writes it; programs in the sandbox never have it mapped.
#[repr(C)]
#[derive(Default)]
pub(crate) struct Status {
    /// 0 until every process is gone, then 1: the word both sides sleep on.
    done: AtomicU32,
    /// As `waitpid` reports it.
    wait_status: AtomicU32,
    cpu_micros: AtomicU64,
    max_memory_bytes: AtomicU64,
    /// Monotonic clock, nanoseconds: the program was let go, and it ended.
    started: AtomicU64,
    ended: AtomicU64,
}

// SAFETY: every field is an atomic integer, for which all bytes are valid.
unsafe impl AllAtomic for Status {}

/// What the page says at the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) wait_status: i32,
    pub(crate) cpu: Duration,
    pub(crate) max_memory_bytes: u64,
    pub(crate) duration: Duration,
}

/// The page.
pub(crate) struct StatusPage(Shared<Status>);

impl StatusPage {
    /// A fresh page and the descriptor by which the sandbox maps it.
    pub(crate) fn create() -> io::Result<(Self, OwnedFd)> {
        let memory = rustix::fs::memfd_create("status", MemfdFlags::CLOEXEC)?;
        rustix::fs::ftruncate(&memory, 4096)?;
        Ok((Self(Shared::map(memory.as_fd())?), memory))
    }

    pub(crate) fn open(memory: &OwnedFd) -> io::Result<Self> {
        Ok(Self(Shared::map(memory.as_fd())?))
    }

    pub(crate) fn program_started(&self) {
        self.0.started.store(monotonic_nanos(), Ordering::Relaxed);
    }

    pub(crate) fn program_ended(&self, wait_status: i32) {
        self.0.ended.store(monotonic_nanos(), Ordering::Relaxed);
        self.0.wait_status.store(wait_status as u32, Ordering::Relaxed);
    }

    /// Publishes the report and wakes the supervisor.
    pub(crate) fn all_gone(&self, cpu_micros: u64, max_memory_bytes: u64) {
        self.0.cpu_micros.store(cpu_micros, Ordering::Relaxed);
        self.0.max_memory_bytes.store(max_memory_bytes, Ordering::Relaxed);
        self.0.done.store(1, Ordering::Release);
        let _ = futex::wake(&self.0.done, futex::Flags::empty(), 1);
    }

    /// The report, once every process is gone.
    pub(crate) fn report(&self) -> Option<Report> {
        if self.0.done.load(Ordering::Acquire) == 0 {
            return None;
        }
        let started = self.0.started.load(Ordering::Relaxed);
        let ended = self.0.ended.load(Ordering::Relaxed);
        Some(Report {
            wait_status: self.0.wait_status.load(Ordering::Relaxed) as i32,
            cpu: Duration::from_micros(self.0.cpu_micros.load(Ordering::Relaxed)),
            max_memory_bytes: self.0.max_memory_bytes.load(Ordering::Relaxed),
            duration: Duration::from_nanos(ended.saturating_sub(started)),
        })
    }

    /// Sleeps until the report is there, at most `timeout`.
    pub(crate) fn wait(&self, timeout: Duration) {
        let timeout = rustix::time::Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        let _ = futex::wait(&self.0.done, futex::Flags::empty(), 0, Some(&timeout));
    }
}

fn monotonic_nanos() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
