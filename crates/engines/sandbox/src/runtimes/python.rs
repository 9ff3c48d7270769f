use std::fs;
use std::path::{Path, PathBuf};

use super::find::{ask, at_least, candidates, first, placed};
use super::{Runtime, RuntimeKind, RuntimeSearch};
use crate::spec::Mount;

const BOOT: &str = include_str!("boot/python.py");
/// The real interpreter and its prefix, through version managers' shims and virtual environments.
const WHO: &str = "import sys
print(getattr(sys, '_base_executable', None) or sys.executable)
print(sys.base_prefix)
print('.'.join(map(str, sys.version_info[:3])))
for line in open('/proc/self/maps'):
    if '/libpython' in line: print(line.split(maxsplit=5)[5].strip()); break
";

pub(super) fn discover(search: &RuntimeSearch) -> Result<Runtime, String> {
    first(
        candidates(search, RuntimeKind::Python, &["python3"]),
        |candidate| {
            let answer = ask(candidate, &["-I", "-c", WHO])?;
            let mut lines = answer.lines().map(str::to_owned);
            let (Some(executable), Some(prefix), Some(version)) = (lines.next(), lines.next(), lines.next())
            else {
                return Err(format!("{} answers oddly", candidate.display()));
            };
            at_least(&version, 3, 8)?;
            let real = |path: &str| fs::canonicalize(path).map_err(|error| format!("{path}: {error}"));
            let (host, prefix): (PathBuf, PathBuf) = (real(&executable)?, real(&prefix)?);
            let (program, mut mounts) = placed(&host, Path::new(&prefix), "/opt/python")?;
            // An interpreter in a shared library names that library by its path on the host.
            if let Some(library) = lines.next().filter(|_| !mounts.is_empty()) {
                mounts.push(Mount {
                    source: (&library).into(),
                    target: library,
                });
            }
            Ok(Runtime {
                kind: RuntimeKind::Python,
                version,
                host,
                mounts,
                program,
            })
        },
    )
}

/// Isolated from the environment, unless that is what the caller sets.
pub(super) fn command(
    runtime: &Runtime,
    env: &[(String, String)],
) -> (Vec<String>, Vec<(&'static str, String)>) {
    let mut argv = vec![runtime.program.clone()];
    if !env.iter().any(|(name, _)| name.starts_with("PYTHON")) {
        argv.push("-I".into());
    }
    // Without -B importing a module of the workspace would leave a changed file behind.
    argv.extend(["-B", "-X", "utf8", "-c", BOOT].map(str::to_owned));
    (argv, vec![])
}
