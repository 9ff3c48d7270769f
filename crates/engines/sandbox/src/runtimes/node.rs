use std::fs;

use super::find::{ask, at_least, candidates, first, placed};
use super::{Runtime, RuntimeKind, RuntimeSearch};
use crate::Limits;

const BOOT: &str = include_str!("boot/node.js");

pub(super) fn discover(search: &RuntimeSearch) -> Result<Runtime, String> {
    first(
        candidates(search, RuntimeKind::Node, &["node", "nodejs"]),
        |candidate| {
            let answer = ask(
                candidate,
                &["-p", "process.execPath + '\\n' + process.versions.node"],
            )?;
            let (executable, version) = answer
                .split_once('\n')
                .ok_or_else(|| format!("{} answers oddly", candidate.display()))?;
            at_least(version, 18, 0)?;
            let host = fs::canonicalize(executable).map_err(|error| format!("{executable}: {error}"))?;
            // With npm beside it the whole prefix is shown, else the executable alone.
            let prefix = host
                .ancestors()
                .nth(2)
                .filter(|prefix| prefix.join("lib/node_modules").is_dir())
                .unwrap_or(&host);
            let (program, mounts) = placed(&host, prefix, "/opt/node")?;
            Ok(Runtime {
                kind: RuntimeKind::Node,
                version: version.to_owned(),
                mounts,
                program,
                host: host.clone(),
            })
        },
    )
}

pub(super) fn command(runtime: &Runtime, limits: &Limits) -> (Vec<String>, Vec<(&'static str, String)>) {
    // No lower than the sandbox's own limit, whose end is the one that is reported.
    let heap = limits.memory_bytes / (1 << 20);
    let argv = vec![
        runtime.program.clone(),
        format!("--max-old-space-size={}", heap.max(64)),
        "--experimental-vm-modules".into(),
        "-e".into(),
        BOOT.into(),
    ];
    (argv, vec![])
}
