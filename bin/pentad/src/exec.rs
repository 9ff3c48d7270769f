//! How code is executed: the sandbox, its limits and its runtimes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use pentad_exec::{Engine, Settings};
use pentad_sandbox::{
    ExecutorOptions, Language, Limits, LinuxBackend, LinuxOptions, PoolKind, PoolSizes, RuntimeSearch,
};
use serde::Deserialize;

use crate::cli::{ExecArguments, StorageArguments};
use crate::config::Storage;

/// The table `[exec]` of the configuration file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ExecFile {
    /// Whether code is executed, as `--exec`.
    on: Option<bool>,
    unguarded: Option<bool>,
    runtimes: Vec<PathBuf>,
    memory_mb: Option<u64>,
    processes: Option<u32>,
    cpu_millis: Option<u32>,
    timeout: Option<u64>,
    max_timeout: Option<u64>,
    concurrent: Option<usize>,
    queue: Option<usize>,
    pool: Option<BTreeMap<PoolKind, usize>>,
    pool_most: Option<usize>,
    registries: Option<Vec<String>>,
    egress_hosts: Option<Vec<String>>,
}

impl ExecArguments {
    /// Whether code is executed at all.
    pub(crate) fn is_on(&self, file: &ExecFile) -> bool {
        self.exec.or(file.on).unwrap_or(true)
    }

    /// Where to look for runtimes.
    pub(crate) fn search(&self, file: &ExecFile) -> RuntimeSearch {
        let split = |given: &OsString| std::env::split_paths(given).collect();
        RuntimeSearch {
            directories: self
                .exec_runtimes
                .as_ref()
                .map_or_else(|| file.runtimes.clone(), split),
            ..RuntimeSearch::default()
        }
    }

    /// Starts the sandbox. Where there can be none, the engine says why and the gateway serves all the rest.
    pub(crate) fn start(&self, storage: &StorageArguments) -> anyhow::Result<Engine> {
        let storage = storage.resolve()?;
        let file = &storage.exec;
        if !self.is_on(file) {
            return Ok(Engine::unavailable(
                "code execution is turned off: start the gateway with --exec true",
            ));
        }
        let options = self.options(&storage)?;
        let backend = LinuxBackend::start(&LinuxOptions {
            allow_missing_guards: self.exec_unguarded.or(file.unguarded).unwrap_or(false),
            ..LinuxOptions::default()
        });
        Ok(match backend {
            Ok(backend) => Engine::start(backend, &self.search(file), options),
            Err(error) => Engine::unavailable(format!(
                "{error} (`pentad doctor` shows all guards; --exec-unguarded true does without, for code that is trusted)"
            )),
        })
    }

    fn options(&self, storage: &Storage) -> anyhow::Result<ExecutorOptions> {
        let file = &storage.exec;
        let usual = Limits::default();
        let mut pool = PoolSizes::default();
        if let Some(sizes) = &self.exec_pool {
            pool.idle = pool_sizes(sizes)?;
        } else if let Some(sizes) = &file.pool {
            pool.idle.clone_from(sizes);
        }
        pool.most = self.exec_pool_most.or(file.pool_most).unwrap_or(pool.most);
        Ok(ExecutorOptions {
            pool,
            limits: Limits {
                memory_bytes: self
                    .exec_memory_mb
                    .or(file.memory_mb)
                    .map_or(usual.memory_bytes, |megabytes| megabytes << 20),
                processes: self.exec_processes.or(file.processes).unwrap_or(usual.processes),
                cpu_millis: self
                    .exec_cpu_millis
                    .or(file.cpu_millis)
                    .unwrap_or(usual.cpu_millis),
                ..usual
            },
            state: Some(storage.data_dir.join("sandbox")),
            ..ExecutorOptions::default()
        })
    }

    /// The bounds of runs and sessions.
    pub(crate) fn settings(&self, storage: &Storage) -> Settings {
        let file = &storage.exec;
        let usual = Settings::default();
        let seconds = |given: Option<u64>, usual| given.map_or(usual, Duration::from_secs);
        let names = |given: &Option<String>, file: &Option<Vec<String>>| match (given, file) {
            (Some(given), _) => given.split(',').map(|host| host.trim().to_owned()).collect(),
            (None, Some(file)) => file.clone(),
            (None, None) => Vec::new(),
        };
        Settings {
            default_timeout: seconds(self.exec_timeout.or(file.timeout), usual.default_timeout),
            max_timeout: seconds(self.exec_max_timeout.or(file.max_timeout), usual.max_timeout),
            concurrent_runs: self
                .exec_concurrent
                .or(file.concurrent)
                .unwrap_or(usual.concurrent_runs),
            queued_runs: self.exec_queue.or(file.queue).unwrap_or(usual.queued_runs),
            cache: Some(storage.data_dir.join("cache")),
            registries: names(&self.exec_registries, &file.registries),
            egress_hosts: names(&self.exec_egress_hosts, &file.egress_hosts),
            ..usual
        }
    }
}

/// Reads `python=2,node=1`; `0` is none of any.
fn pool_sizes(text: &str) -> anyhow::Result<BTreeMap<PoolKind, usize>> {
    if text.trim() == "0" {
        return Ok(BTreeMap::new());
    }
    let one = |part: &str| {
        let (kind, number) = part.split_once('=')?;
        let kind = serde_json::from_value(serde_json::Value::from(kind.trim())).ok()?;
        Some((kind, number.trim().parse().ok()?))
    };
    text.split(',')
        .map(|part| one(part).with_context(|| format!("--exec-pool: {part:?} is not like python=2")))
        .collect()
}

/// Says which guards and runtimes are active.
pub(crate) fn announced(engine: &Engine) -> String {
    let executor = match engine.executor() {
        Ok(executor) => executor,
        Err(error) => {
            tracing::warn!("{error}");
            return format!("  sandbox      none: {error}\n");
        }
    };
    let guards = &executor.guards().guards;
    let active = guards.iter().filter(|guard| guard.works);
    let active: Vec<String> = active.map(|guard| format!("{:?}", guard.guard)).collect();
    let mut text = format!("  sandbox      {}\n", active.join(", "));
    for guard in guards.iter().filter(|guard| !guard.works) {
        let instead = guard.guard.fallback().unwrap_or("nothing");
        text += &format!("               without {:?}; instead: {instead}\n", guard.guard);
    }
    for language in Language::ALL {
        text += &match executor.runtimes().of(language) {
            Ok(runtime) => format!("  {language:<12} {}\n", runtime.version),
            Err(error) => format!("  {error}\n"),
        };
    }
    text
}
