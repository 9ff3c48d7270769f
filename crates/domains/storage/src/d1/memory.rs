//! How much memory SQLite holds: the library tells, its safe bindings do not.
#![expect(
    unsafe_code,
    reason = "a call into SQLite that has no safe wrapper; it takes nothing and gives a number"
)]

/// Bytes that all of SQLite in this process holds.
pub(super) fn in_use() -> u64 {
    // SAFETY: the function takes no argument, may be called at any time from any thread (sqlite3.h, "Memory
    // Allocator Statistics"), and reads one counter of the library under its own mutex.
    let bytes = unsafe { rusqlite::ffi::sqlite3_memory_used() };
    u64::try_from(bytes).unwrap_or(0)
}
