use std::borrow::Cow;
use std::fs;
use std::path::PathBuf;

use super::find::{ask, at_least, candidates, first, placed};
use super::{Runtime, RuntimeKind, RuntimeSearch, Start};
use crate::Limits;
use crate::path::WorkspacePath;

const BOOT: &str = include_str!("boot/deno.js");

/// The program's own file in the workspace, which Deno needs in order to resolve relative imports.
pub(crate) const MAIN: &str = ".main.ts";

/// The program that a source means. Who uploads a project sends the command by which Deno runs it, as
/// `deno run --allow-read main.ts`, which is no program of any language: it stands for its file. What the project may
/// do is not for the command to say.
pub(crate) fn program(code: &str) -> Cow<'_, str> {
    match commanded(code) {
        Some(path) => format!("await import({});", serde_json::Value::from(format!("./{path}"))).into(),
        None => code.into(),
    }
}

/// The file that a command line of Deno runs.
fn commanded(code: &str) -> Option<WorkspacePath> {
    let mut words = code.trim().split(' ').filter(|word| !word.is_empty());
    let deno = words
        .next()
        .filter(|word| *word == "deno" || word.starts_with('/') && word.ends_with("/deno"));
    deno.and(words.next().filter(|word| *word == "run"))?;
    let file = words.find(|word| !word.starts_with('-'))?;
    let is_module = [".ts", ".tsx", ".mts", ".js", ".mjs"]
        .iter()
        .any(|ending| file.ends_with(ending));
    if !is_module || words.next().is_some() {
        return None;
    }
    WorkspacePath::parse(file.strip_prefix("./").unwrap_or(file)).ok()
}

pub(super) fn discover(search: &RuntimeSearch) -> Result<Runtime, String> {
    first(candidates(search, RuntimeKind::Deno, &["deno"]), |candidate| {
        let answer = ask(
            candidate,
            &[
                "eval",
                "--quiet",
                "console.log(Deno.execPath() + '\\n' + Deno.version.deno)",
            ],
        )?;
        let (executable, version) = answer
            .split_once('\n')
            .ok_or_else(|| format!("{} answers oddly", candidate.display()))?;
        at_least(version, 1, 40)?;
        let host: PathBuf = fs::canonicalize(executable).map_err(|error| format!("{executable}: {error}"))?;
        let (program, mounts) = placed(&host, &host, "/opt/deno")?;
        Ok(Runtime {
            kind: RuntimeKind::Deno,
            version: version.to_owned(),
            host,
            mounts,
            program,
        })
    })
}

pub(super) fn command(
    runtime: &Runtime,
    limits: &Limits,
    listen: &[u16],
    start: Start,
) -> (Vec<String>, Vec<(&'static str, String)>) {
    // No lower than the sandbox's own limit, whose end is the one that is reported.
    let heap = limits.memory_bytes / (1 << 20);
    let v8 = format!("--v8-flags=--max-old-space-size={}", heap.max(64));
    let boot: String = BOOT.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let fixed = [
        "run",
        "--quiet",
        "--no-prompt",
        "--no-lock",
        "--no-config",
        "--allow-read",
        "--allow-write",
        "--allow-env",
    ];
    let mut argv = vec![runtime.program.clone()];
    argv.extend(fixed.map(str::to_owned));
    if start == Start::Online {
        argv.push("--allow-net".to_owned());
    } else {
        argv.push("--no-remote".to_owned());
    }
    if start != Start::Online && !listen.is_empty() {
        let ports: Vec<String> = listen.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        argv.push(format!("--allow-net={}", ports.join(",")));
    }
    argv.push(v8);
    argv.push(format!("data:application/javascript,{boot}"));
    let env = vec![
        ("DENO_DIR", "/tmp/.deno".to_owned()),
        ("DENO_NO_UPDATE_CHECK", "1".into()),
        ("NO_COLOR", "1".into()),
    ];
    (argv, env)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_stands_for_its_file() {
        for command in [
            "deno run main.ts",
            "/usr/local/bin/deno run --allow-read --allow-env=A ./main.ts\n",
        ] {
            assert_eq!(program(command), "await import(\"./main.ts\");", "{command}");
        }
        for code in [
            "console.log('deno run main.ts')",
            "deno",
            "deno run",
            "deno run --allow-all",
            "deno eval main.ts",
            "deno run main.ts with arguments",
            "deno run ../main.ts",
            "deno run /etc/main.ts",
            "deno run https://example.com/main.txt",
            "deno run a.ts\nconsole.log(1)",
        ] {
            assert_eq!(program(code), code);
        }
    }
}
