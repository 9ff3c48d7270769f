//! Finding executables and asking them about themselves.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{RuntimeKind, RuntimeSearch};
use crate::spec::Mount;

/// Longest wait for a candidate's answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Executables named `name`, in the order of preference.
pub(super) fn candidates(search: &RuntimeSearch, kind: RuntimeKind, names: &[&str]) -> Vec<PathBuf> {
    if let Some(fixed) = search.fixed.get(&kind) {
        return vec![fixed.clone()];
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/local/bin", "/usr/bin", "/usr/local/go/bin"].map(PathBuf::from);
    let mut found = Vec::new();
    let directories = search
        .directories
        .iter()
        .cloned()
        .chain(std::env::split_paths(&path))
        .chain(usual);
    for directory in directories {
        for name in names {
            let candidate = directory.join(name);
            if candidate.is_file() && !found.contains(&candidate) {
                found.push(candidate);
            }
        }
    }
    found
}

/// Starts a candidate and returns what it prints.
pub(super) fn ask(program: &Path, arguments: &[&str]) -> Result<String, String> {
    let shown = program.display();
    let keep = [
        "PATH",
        "HOME",
        "PYENV_ROOT",
        "NVM_DIR",
        "LANG",
        "GOROOT",
        "DENO_DIR",
    ];
    let env = keep
        .iter()
        .filter_map(|name| Some((*name, std::env::var_os(name)?)));
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(env)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{shown}: {error}"))?;
    let deadline = Instant::now() + PATIENCE;
    // The answers are shorter than a pipe, so waiting before reading cannot block the candidate.
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{shown} does not answer"));
            }
            Err(error) => return Err(format!("{shown}: {error}")),
        }
    };
    let text = |stream: Option<&mut dyn Read>| {
        let mut text = String::new();
        if let Some(stream) = stream {
            let _ = stream.take(1 << 16).read_to_string(&mut text);
        }
        text
    };
    let answer = text(child.stdout.as_mut().map(|stream| stream as &mut dyn Read));
    if status.success() {
        return Ok(answer.trim().to_owned());
    }
    let complaint = text(child.stderr.as_mut().map(|stream| stream as &mut dyn Read));
    Err(format!(
        "{shown} {status}: {}",
        complaint.lines().last().unwrap_or_default()
    ))
}

/// Tries candidates until one answers to `accept`.
pub(super) fn first<T>(
    candidates: Vec<PathBuf>,
    mut accept: impl FnMut(&Path) -> Result<T, String>,
) -> Result<T, String> {
    let mut reason = "not found".to_owned();
    for candidate in candidates {
        match accept(&candidate) {
            Ok(found) => return Ok(found),
            Err(why) => reason = why,
        }
    }
    Err(reason)
}

/// How an executable below `prefix` appears inside: as it is when the system's `/usr` shows it anyway, else
/// under `inside`. The host's own path stays hidden.
pub(super) fn placed(executable: &Path, prefix: &Path, inside: &str) -> Result<(String, Vec<Mount>), String> {
    let text = |path: &Path| {
        path.to_str()
            .map(str::to_owned)
            .ok_or_else(|| "a path that is not UTF-8".to_owned())
    };
    if executable.starts_with("/usr") {
        return Ok((text(executable)?, vec![]));
    }
    let relative = executable
        .strip_prefix(prefix)
        .map_err(|_| format!("{} is not in its prefix", executable.display()))?;
    let program = if relative.as_os_str().is_empty() {
        inside.to_owned()
    } else {
        format!("{inside}/{}", text(relative)?)
    };
    Ok((
        program,
        vec![Mount {
            source: prefix.to_owned(),
            target: inside.to_owned(),
        }],
    ))
}

/// Whether a version such as `v20.1.0` or `3.11` is at least `major.minor`.
pub(super) fn at_least(version: &str, major: u32, minor: u32) -> Result<(), String> {
    let mut numbers = version
        .trim_start_matches(|c: char| !c.is_ascii_digit())
        .split('.')
        .map(|part| {
            part.chars()
                .take_while(char::is_ascii_digit)
                .collect::<String>()
                .parse()
                .unwrap_or(0)
        });
    let found: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found >= (major, minor) {
        Ok(())
    } else {
        Err(format!("version {version} is older than {major}.{minor}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert!(at_least("v20.1.0", 18, 0).is_ok());
        assert!(at_least("3.11.7", 3, 8).is_ok());
        assert!(at_least("go1.27.3", 1, 21).is_ok());
        assert!(at_least("go1.9", 1, 21).is_err());
    }

    #[test]
    fn places() {
        let placed = |executable: &str, prefix: &str| {
            placed(executable.as_ref(), prefix.as_ref(), "/opt/x").expect("placed")
        };
        assert_eq!(placed("/usr/bin/node", "/usr"), ("/usr/bin/node".into(), vec![]));
        let (program, mounts) = placed("/home/u/py/bin/python3", "/home/u/py");
        assert_eq!(program, "/opt/x/bin/python3");
        assert_eq!(
            mounts,
            [Mount {
                source: "/home/u/py".into(),
                target: "/opt/x".into()
            }]
        );
        assert_eq!(placed("/x/deno", "/x/deno").0, "/opt/x");
    }
}
