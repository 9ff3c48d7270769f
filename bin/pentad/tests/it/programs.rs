//! The programs that seed 000 prints, run as they are printed but for the base URL.

use std::path::Path;

use crate::{python, server::Server};

/// What the programs upload.
fn tree() -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    std::fs::create_dir(tree.path().join("src")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(tree.path().join(name), text).unwrap();
    write("src/loop.ts", "export async function runAgentLoop() {}\n");
    write("src/tools.ts", "export const tools = [];\n");
    write("README.md", "# An agent\n");
    tree
}

/// Runs a program against a first start, with a key of the family that the seed names.
fn run(program: &str, arguments: &[&str], first: &[&Path]) -> String {
    let server = Server::start();
    let key = server.pentad(&["keys", "create", "--family", "grep"]);
    let tree = tree();
    let output = server
        .command(program, first)
        .args(arguments)
        .current_dir(tree.path())
        .env("BASE_URL", &server.base)
        .env("JURAS_KEY", &key)
        .output()
        .unwrap_or_else(|error| panic!("{program} cannot be started: {error}"));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let left = server
        .command("curl", &[])
        .args(["-s", "-H", &format!("Authorization: Bearer {key}")])
        .arg(format!("{}/api/v1/sessions", server.base))
        .output()
        .unwrap();
    let left: serde_json::Value = serde_json::from_slice(&left.stdout).unwrap();
    assert_eq!(
        left["sessions"],
        serde_json::json!([]),
        "the program stopped its session"
    );
    String::from_utf8(output.stdout).unwrap()
}

fn program(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/programs")
        .join(name)
        .display()
        .to_string()
}

#[test]
fn curl() {
    let text = run("bash", &[&program("session.sh")], &[]);
    for expected in [
        "\"path\": \"src/loop.ts\"",
        "\"files_added\":1",
        "\"deleted\":true",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn node() {
    let text = run("node", &[&program("session.mjs")], &[]);
    assert!(text.contains("path: 'src/loop.ts'"), "{text}");
}

#[test]
fn python() {
    let bin = python::with(&["httpx==0.28.1"]).unwrap();
    let text = run("python3", &[&program("session.py")], &[&bin]);
    assert!(
        text.contains("'path': 'src/loop.ts'") && text.contains("'total': 1"),
        "{text}"
    );
}
