//! `cargo xtask bench all`: every benchmark, one after the other, into one document.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use clap::ValueEnum as _;

use super::What;
use crate::workspace::{Workspace, output};

/// Where the tables are kept.
const DOCUMENT: &str = "docs/benchmarks.md";

/// What is measured, under which heading, and whether it prints a plain table, which Markdown must not touch.
const MEASURED: [(What, &str, bool); 6] = [
    (What::Grep, "The engine of grep sessions", false),
    (What::GrepHttp, "Grep sessions over HTTP", false),
    (What::Memories, "Memories", true),
    (What::Exec, "Code execution", false),
    (What::Runs, "Recording runs", false),
    (What::Sync, "Session sync and projects", false),
];

/// Runs all, each as a program of its own, and writes down what they print. One that fails leaves the document
/// as it was.
pub(super) fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let mut document = "# Benchmarks\n\nWhat `cargo xtask bench all` measured: each product beside what people \
                        would use instead, in the same run on the same machine. The ratios travel; the times are \
                        those of this machine.\n"
        .to_owned();
    document += &machine()?;
    for (what, heading, is_plain) in MEASURED {
        let name = what.to_possible_value().context("every benchmark has a name")?;
        let printed = measured(name.get_name())?;
        let (open, close) = if is_plain {
            ("```text\n", "```\n")
        } else {
            ("", "")
        };
        write!(
            document,
            "\n## {heading}\n\n`cargo xtask bench {}`\n\n{open}{printed}{close}",
            name.get_name()
        )?;
    }
    std::fs::write(workspace.path(DOCUMENT), document)?;
    println!("\n{DOCUMENT} is written.");
    Ok(())
}

/// What one benchmark prints; it is shown as it comes.
fn measured(name: &str) -> anyhow::Result<String> {
    println!("\n=== {name}");
    let mut command = Command::new(std::env::current_exe()?);
    let mut child = command
        .args(["bench", name])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = Vec::new();
    for line in BufReader::new(child.stdout.take().context("its output is a pipe")?).lines() {
        let line = line?;
        println!("{line}");
        lines.push(line);
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("the benchmark {name} ended with {status}");
    }
    Ok(tables(&lines))
}

/// Without what this program says of its own doings, and with headings one level lower.
fn tables(lines: &[String]) -> String {
    let is_ours = |line: &str| {
        ["$ ", "present: ", "missing: "]
            .iter()
            .any(|start| line.starts_with(start))
    };
    let kept: Vec<String> = lines
        .iter()
        .filter(|line| !is_ours(line))
        .map(|line| match line.strip_prefix('#') {
            Some(heading) => format!("##{heading}"),
            None => line.trim_end().to_owned(),
        })
        .collect();
    let text = kept.join("\n");
    text.trim_matches('\n').to_owned() + "\n"
}

/// The machine and the versions that the figures belong to.
fn machine() -> anyhow::Result<String> {
    let field = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_once(':'));
        value.map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let printed = |program: &str, arguments: &[&str]| -> anyhow::Result<String> {
        let bytes = output(Command::new(program).args(arguments))?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    let cores = std::thread::available_parallelism()?;
    Ok(format!(
        "\n| | |\n|---|---|\n| processor | {}, {cores} cores |\n| memory | {} |\n| kernel | {} |\n| compiler | {} |\n\
         | Pentad | {} |\n| day | {} |\n",
        field("/proc/cpuinfo", "model name"),
        field("/proc/meminfo", "MemTotal"),
        printed("uname", &["-sr"])?,
        printed("rustc", &["--version"])?,
        env!("CARGO_PKG_VERSION"),
        printed("date", &["-u", "+%Y-%m-%d"])?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_measured_is_written_down() {
        let lines = [
            "$ cargo run",
            "present: rg",
            "## Queries",
            "",
            "| query | p50 |",
            "|---|---|",
            "",
        ];
        let lines: Vec<String> = lines.map(str::to_owned).to_vec();
        assert_eq!(tables(&lines), "### Queries\n\n| query | p50 |\n|---|---|\n");
    }
}
