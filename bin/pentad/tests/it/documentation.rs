//! Every command block of the README and of docs/, run as it is written against a first start of the
//! program.
//!
//! The blocks of one file run one after the other in one shell, in the folder that the server was started
//! in, with `pentad` in PATH. Two things are put in: the server's address where a document says
//! `http://127.0.0.1:8080`, and the key that the first start printed where it says `KEY=…`. A `text` or
//! `json` block below commands is their output and is compared (`output.rs` says how).

use std::fmt::Write as _;
use std::path::Path;

use crate::blocks::{self, Block, Language, Mark};
use crate::{output, python, server::Server};

/// The documented clients, as their registry names them. Of sessionfs the newest whose own dependencies the
/// registry has.
const CLIENTS: &[&str] = &[
    "httpx==0.28.1",
    "aurra==0.8.1",
    "augur-sdk==0.6.1",
    "sessionfs==0.18.0",
];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Every documented file, and a test for each.
macro_rules! documents {
    ($($name:ident = $file:literal),* $(,)?) => {
        const DOCUMENTS: &[&str] = &[$($file),*];
        $(#[test] fn $name() { run($file); })*
    };
}

documents! {
    readme = "README.md",
    configuration = "docs/configuration.md",
    execution = "docs/execution.md",
    grep = "docs/grep.md",
    memories = "docs/memories.md",
    operations = "docs/operations.md",
    projects = "docs/projects.md",
    runs = "docs/runs.md",
    security = "docs/security.md",
    sessions = "docs/sessions.md",
    storage = "docs/storage.md",
}

#[test]
fn no_document_with_commands_is_left_out() {
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let name = format!("docs/{}", entry.unwrap().file_name().display());
        let Some(text) = std::fs::read_to_string(root().join(&name))
            .ok()
            .filter(|_| name.ends_with(".md"))
        else {
            continue;
        };
        let run_here = blocks::parse(&text)
            .iter()
            .any(|block| !matches!(block.mark, Mark::ByHand(_)));
        assert!(
            !run_here || DOCUMENTS.contains(&name.as_str()),
            "{name} is not in the list of documents"
        );
    }
}

fn run(name: &str) {
    let text = std::fs::read_to_string(root().join(name)).unwrap();
    let mut blocks = blocks::parse(&text);
    let server = Server::start();
    blocks.retain(|block| is_run(name, block));
    link_repository(&server.work());
    let script = script(&blocks, &server);
    let ended = server
        .command("bash", &[])
        .args(["-eu", "-o", "pipefail", "-c", &script])
        .output()
        .unwrap();
    for (number, block) in blocks.iter().enumerate() {
        let read = |end: &str| {
            let bytes = std::fs::read(server.beside(&format!("{number}.{end}"))).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace(&server.base, "http://127.0.0.1:8080")
        };
        let (printed, complaints) = (read("out"), read("err"));
        let place = format!("{name}:{}", block.line);
        assert!(
            server.beside(&format!("{number}.done")).exists(),
            "{place}: the commands fail ({})\n{}{printed}{complaints}",
            ended.status,
            block.commands
        );
        if let Some(shown) = &block.shown {
            assert!(
                output::matches(shown, &printed),
                "{place}: the document shows\n{shown}\nand the commands print\n{printed}{complaints}"
            );
        }
    }
}

/// The package of this name, with its version.
fn client(name: &str) -> &'static str {
    let known = CLIENTS
        .iter()
        .find(|client| client.split("==").next() == Some(name));
    known.unwrap_or_else(|| panic!("needs={name} is none of the clients"))
}

/// Whether the block can be run here: a package that the registry does not give is no failure of ours.
fn is_run(document: &str, block: &Block) -> bool {
    let missing = match &block.mark {
        Mark::None => return true,
        Mark::ByHand(_) => return false,
        Mark::Needs(package) => python::with(&[client(package)]).err(),
    };
    if let Some(missing) = &missing {
        eprintln!("SKIPPED {document}:{}: {missing}", block.line);
    }
    missing.is_none()
}

/// The folder looks like the root of the repository, for commands that use its files.
fn link_repository(work: &Path) {
    for entry in std::fs::read_dir(root()).unwrap() {
        let entry = entry.unwrap();
        if !matches!(
            entry.file_name().to_str(),
            Some("target" | "pentad-data" | "pentad.toml")
        ) {
            std::os::unix::fs::symlink(entry.path().canonicalize().unwrap(), work.join(entry.file_name()))
                .unwrap();
        }
    }
}

/// One program for the shell: what each block prints goes to a file of its own, and so does that it ended well.
fn script(blocks: &[Block], server: &Server) -> String {
    let mut script = String::new();
    for (number, block) in blocks.iter().enumerate() {
        let commands = block
            .commands
            .replace("http://127.0.0.1:8080", &server.base)
            .replace("KEY=…", &format!("KEY={}", server.key));
        let commands = match block.language {
            Language::Shell => commands,
            Language::Python => {
                let program = server.beside(&format!("{number}.py"));
                std::fs::write(&program, commands).unwrap();
                format!("python3 {}\n", program.display())
            }
        };
        // Each client has a Python of its own: they do not agree on what they depend on.
        let path = match &block.mark {
            Mark::Needs(package) => Some(python::with(&[client(package)]).unwrap()),
            Mark::None | Mark::ByHand(_) => None,
        };
        let path = path.map_or_else(String::new, |bin| format!("PATH={}:$PATH\n", bin.display()));
        let file = server.beside(&number.to_string());
        let file = file.display();
        write!(
            script,
            "{path}{{\n{commands}}} >{file}.out 2>{file}.err\ntouch {file}.done\n"
        )
        .unwrap();
    }
    script
}
