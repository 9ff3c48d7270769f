//! Acceptance scripts, run against all gateways in turn.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::gateways::{Gateways, PASSWORD};

/// Runs the commands of a file, one after the other; what failed.
pub fn run(file: &Path, gateways: &Gateways, base: &str) -> Vec<String> {
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
    let lines = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let mut failed = Vec::new();
    for line in lines {
        let command = values
            .iter()
            .fold(line.to_owned(), |line, (name, value)| line.replace(name, value));
        let begun = Instant::now();
        let output = Command::new("sh")
            .args(["-c", &command])
            .output()
            .expect("a shell");
        let printed = String::from_utf8_lossy(&output.stdout);
        println!(
            "{line}: {} in {:?}",
            printed.lines().last().unwrap_or("nothing said"),
            begun.elapsed()
        );
        if !output.status.success() {
            failed.push(format!("{line}: {}", output.status));
            let checks = printed.lines().filter(|line| line.contains("FAIL"));
            failed.extend(checks.map(str::to_owned));
            let said = String::from_utf8_lossy(&output.stderr);
            failed.extend(said.lines().rev().take(5).map(str::to_owned));
        }
    }
    failed
}
