//! Private user ids: one for every sandbox, so that limits the kernel keeps per user are the sandbox's own
//! and two sandboxes never share an owner.

use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

/// Most ids one backend uses at a time.
const COUNT: u32 = 1024;
/// Preferred first id, far above what distributions hand out.
const PREFERRED: u32 = 0x7000_0000;

/// The ids not in use.
#[derive(Debug)]
pub(crate) struct Uids {
    free: Mutex<Vec<u32>>,
}

/// One id, given back when dropped.
#[derive(Debug)]
pub(crate) struct Uid {
    pub(crate) number: u32,
    uids: Arc<Uids>,
}

impl Uids {
    /// Chooses a range that is mapped in the caller's user namespace; `None` where there is none.
    pub(crate) fn choose() -> Option<Arc<Self>> {
        let map = fs::read_to_string("/proc/self/uid_map").ok()?;
        let (first, count) = range(&map, std::process::id())?;
        Some(Arc::new(Self {
            free: Mutex::new((first..first + count).rev().collect()),
        }))
    }

    /// An id that nothing else uses; the most recently returned last.
    pub(crate) fn lease(self: &Arc<Self>) -> Option<Uid> {
        let number = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        Some(Uid {
            number,
            uids: Arc::clone(self),
        })
    }
}

impl Drop for Uid {
    fn drop(&mut self) {
        self.uids
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(0, self.number);
    }
}

/// A range within what `map` (`/proc/self/uid_map`) covers: apart from other processes' where there is
/// room, else the upper end.
fn range(map: &str, process: u32) -> Option<(u32, u32)> {
    let mut best = None;
    for line in map.lines() {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(inside)), Some(Ok(_)), Some(Ok(length))) =
            (numbers.next(), numbers.next(), numbers.next())
        else {
            continue;
        };
        best = best.max(Some((inside + length, inside)));
    }
    let (end, start) = best?;
    let own = PREFERRED + (process % 4096) * COUNT;
    if u64::from(own) >= start && u64::from(own + COUNT) <= end {
        return Some((own, COUNT));
    }
    // Leave the lower half, and everything below 1000, to real users.
    let first = start
        .max(end.saturating_sub(u64::from(COUNT)))
        .max(start + (end - start) / 2)
        .max(1000);
    let count = end.checked_sub(first).filter(|count| *count > 0)?;
    Some((u32::try_from(first).ok()?, u32::try_from(count).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(
            range("0 0 4294967295", 1),
            Some((0x7000_0400, 1024)),
            "the whole host"
        );
        assert_eq!(
            range("0 100000 65536", 1),
            Some((64512, 1024)),
            "a container with a small map"
        );
        assert_eq!(range("0 1000 1", 1), None, "a user namespace with one user");
    }

    #[test]
    fn an_id_is_used_once_at_a_time() {
        let uids = Arc::new(Uids {
            free: Mutex::new(vec![2, 1]),
        });
        let (first, second) = (uids.lease().expect("one"), uids.lease().expect("two"));
        assert_ne!(first.number, second.number);
        assert!(uids.lease().is_none());
        drop(first);
        assert!(uids.lease().is_some());
    }
}
