//! Acceptance scripts, run against all gateways in turn: once in peace, where each passes whole, and once while
//! everything fails that can.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::balancer::Balancer;
use crate::faults::Faults;
use crate::gateways::{Gateways, PASSWORD};

/// A command as the file has it, and with its values.
pub struct Script {
    line: String,
    command: String,
}

/// How a script ended.
struct End {
    status: ExitStatus,
    /// Its last line.
    said: String,
    /// The checks that failed, and when each was said to.
    failed: Vec<(Instant, String)>,
    complaint: String,
    took: Duration,
}

/// The commands of a file, with their values.
pub fn read(file: &Path, gateways: &Gateways, base: &str) -> Vec<Script> {
    let key = |family| gateways.pentad(&["keys", "create", "--org", "default", "--family", family]);
    let dsn = gateways.pentad(&[
        "admin",
        "dsn-issue",
        "--tenant",
        "default",
        "--label",
        "scripts",
        "--public-url",
        base,
    ]);
    let values = [
        ("{base}", base.to_owned()),
        ("{key}", gateways.key.clone()),
        ("{exec_key}", key("exec")),
        ("{memory_key}", key("memory")),
        ("{grep_key}", key("grep")),
        ("{dsn}", dsn),
        ("{admin_email}", "admin@localhost".to_owned()),
        ("{admin_password}", format!("'{PASSWORD}'")),
        ("{set_tier}", gateways.set_tier_program().display().to_string()),
    ];
    let text = std::fs::read_to_string(file).expect("the file of scripts");
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| Script {
            line: line.to_owned(),
            command: values
                .iter()
                .fold(line.to_owned(), |line, (name, value)| line.replace(name, value)),
        })
        .collect()
}

impl Script {
    fn run(&self) -> End {
        let begun = Instant::now();
        let mut child = Command::new("sh")
            .args(["-c", &self.command])
            // What a check says is read when it is said.
            .env("PYTHONUNBUFFERED", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut stderr = child.stderr.take().expect("a pipe");
        let complaint = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stderr.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let (mut said, mut failed) = ("nothing said".to_owned(), Vec::new());
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).split(b'\n');
        while let Some(Ok(line)) = lines.next() {
            said = String::from_utf8_lossy(&line).into_owned();
            if said.trim_start().starts_with("FAIL") {
                failed.push((Instant::now(), said.clone()));
            }
        }
        End {
            status: child.wait().expect("a shell"),
            said,
            failed,
            complaint: complaint.join().expect("a reader"),
            took: begun.elapsed(),
        }
    }
}

impl End {
    fn problems(&self, line: &str) -> Vec<String> {
        let mut problems = vec![format!("{line}: {}", self.status)];
        problems.extend(self.failed.iter().map(|(_, check)| check.clone()));
        problems.extend(self.complaint.lines().rev().take(5).map(str::to_owned));
        problems
    }
}

/// Runs each script once; what failed.
pub fn in_peace(scripts: &[Script]) -> Vec<String> {
    let mut problems = Vec::new();
    for script in scripts {
        let end = script.run();
        println!("{}: {} in {:?}", script.line, end.said, end.took);
        if !end.status.success() {
            problems.extend(end.problems(&script.line));
        }
    }
    problems
}

/// Runs each script while faults happen. A check may fail only after a request of its script was told to come back or
/// lost its answer; whatever a script was not told of has to be as in peace.
pub fn in_storm(
    scripts: &[Script],
    gateways: &Gateways,
    balancer: &Balancer,
    faults: &mut Faults,
) -> Vec<String> {
    let over = AtomicBool::new(false);
    let mut problems = Vec::new();
    balancer.send_writes_again(true);
    let done = std::thread::scope(|scope| {
        let raging = scope.spawn(|| faults.rage(|| over.load(Ordering::Relaxed)));
        for script in scripts {
            balancer.forget();
            let end = script.run();
            let told = balancer.told();
            println!(
                "in the storm, {}: {} in {:?}; {}",
                script.line,
                end.said,
                end.took,
                told.as_ref()
                    .map_or("told nothing".to_owned(), |told| told.to_string())
            );
            let first = told.map(|told| told.first);
            let untold = |(at, _): &&(Instant, String)| first.is_none_or(|first| *at < first);
            let checks: Vec<_> = end.failed.iter().filter(untold).collect();
            if !checks.is_empty() || (first.is_none() && !end.status.success()) {
                problems.extend(end.problems(&script.line));
            }
            for (at, check) in &end.failed {
                let since = first.and_then(|first| at.checked_duration_since(first));
                println!(
                    "  {:?} after it was told first: {check}",
                    since.unwrap_or_default()
                );
            }
        }
        over.store(true, Ordering::Relaxed);
        raging.join().expect("the faults")
    });
    println!("faults during scripts: {done}");
    balancer.send_writes_again(false);
    problems.extend(gateways.recover());
    problems
}
