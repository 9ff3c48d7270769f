//! Sandboxes for tests: one engine for all tests of a program.

#![expect(
    clippy::print_stderr,
    reason = "a skipped part has to be seen by whoever runs the tests"
)]

use std::path::PathBuf;
use std::sync::OnceLock;

use pentad_exec::{Engine, Settings};
use pentad_sandbox::{ExecutorOptions, LinuxBackend, LinuxOptions, PoolSizes, RuntimeSearch};

/// The environment variable that names further directories of runtimes, separated as in PATH.
const RUNTIMES: &str = "PENTAD_RUNTIMES";
/// The environment variable that names the directory in which tests keep what is made once.
const STATE: &str = "PENTAD_TEST_STATE";

/// The engine of this test program, or `None`, said aloud, where no sandbox can be made outside CI.
///
/// # Panics
/// When `CI` is set and no sandbox can be made: tests must not vanish unseen.
pub fn engine() -> Option<Engine> {
    static ENGINE: OnceLock<Option<Engine>> = OnceLock::new();
    ENGINE.get_or_init(start).clone()
}

fn start() -> Option<Engine> {
    let backend = match LinuxBackend::start(&LinuxOptions::default()) {
        Ok(backend) => backend,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "no sandbox in CI: {error}");
            eprintln!("SKIPPED: no sandbox can be made here: {error}");
            return None;
        }
    };
    let directories = std::env::var_os(RUNTIMES).unwrap_or_default();
    let search = RuntimeSearch {
        directories: std::env::split_paths(&directories).collect(),
        ..RuntimeSearch::default()
    };
    let state =
        std::env::var_os(STATE).map_or_else(|| std::env::temp_dir().join("pentad-test-state"), PathBuf::from);
    let options = ExecutorOptions {
        // Every test is a process of its own, which should not start what it does not need.
        pool: PoolSizes::none(),
        state: Some(state),
        ..ExecutorOptions::default()
    };
    Some(Engine::start(backend, &search, options))
}

/// Bounds that let a test wait for nothing.
pub fn exec_settings() -> Settings {
    Settings {
        concurrent_runs: 4,
        ..Settings::default()
    }
}
