//! The programs that seed 000 prints, run as they are printed but for the base URL.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pentad_identity::{KeyFamily, PlanName};
use pentad_testkit::TestGateway;

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

/// Runs a program against a gateway of its own, with a key of the family that the seed names.
async fn run(program: &str, arguments: &[&str]) -> Output {
    let gateway = TestGateway::start().await;
    let (user, key) = gateway.tenant(KeyFamily::Grep, PlanName::Unlimited).await;
    let tree = tree();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(tree.path())
        .env("BASE_URL", gateway.base())
        .env("JURAS_KEY", key);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap();
    let output = output.unwrap_or_else(|error| panic!("{program} cannot be started: {error}"));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let left = gateway
        .client()
        .get(gateway.url("/api/v1/sessions"))
        .bearer_auth(
            gateway
                .mint(&user, pentad_identity::NewKey::of(KeyFamily::Grep))
                .await,
        )
        .send()
        .await
        .unwrap()
        .json::<serde_json::Value>()
        .await
        .unwrap();
    assert_eq!(
        left["sessions"],
        serde_json::json!([]),
        "the program stopped its session"
    );
    output
}

fn program(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/programs")
        .join(name)
        .display()
        .to_string()
}

#[tokio::test]
async fn curl() {
    let output = run("bash", &[&program("session.sh")]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for expected in [
        "\"path\": \"src/loop.ts\"",
        "\"files_added\":1",
        "\"deleted\":true",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[tokio::test]
async fn node() {
    let output = run("node", &[&program("session.mjs")]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("path: 'src/loop.ts'"), "{text}");
}

#[tokio::test]
async fn python() {
    let python = tokio::task::spawn_blocking(python_with_httpx).await.unwrap();
    let output = run(&python.display().to_string(), &[&program("session.py")]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("'path': 'src/loop.ts'") && text.contains("'total': 1"),
        "{text}"
    );
}

/// A Python that has httpx, made once per build directory.
fn python_with_httpx() -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-httpx");
    let python = home.join("bin/python");
    let has_httpx = || Command::new(&python).args(["-c", "import httpx"]).output();
    if has_httpx().is_ok_and(|output| output.status.success()) {
        return python;
    }
    let check = |command: &mut Command| {
        let output = command
            .output()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert!(
            output.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    check(Command::new("python3").args(["-m", "venv"]).arg(&home));
    check(Command::new(&python).args(["-m", "pip", "install", "--quiet", "httpx==0.28.1"]));
    python
}
