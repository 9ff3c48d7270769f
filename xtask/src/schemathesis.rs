//! `cargo xtask schemathesis`.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::bail;

use crate::server::FreshServer;
use crate::workspace::{Workspace, shown};
use crate::{openapi, python};

/// What finds requests that the documents allow and the server does not answer as they say.
const PACKAGE: &str = "schemathesis==4.32.5";

/// No fault of the server, no status, media type, header or shape that the document does not have.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";

/// A stream of events never ends by itself; three of them show what they look like.
const CONFIGURATION: &str = r#"request-timeout = 60

[[operations]]
include-path-regex = "/stream$"
request-timeout = 2
max-stream-events = 3
"#;

/// The documents, and of the whole gateway's one the operations that no other document has.
const DOCUMENTS: [(&str, &[&str]); 6] = [
    ("grep", &[]),
    ("memories", &[]),
    ("exec", &[]),
    ("runs", &[]),
    ("sync", &[]),
    (
        "openapi",
        &[
            "--include-tag",
            "gateway",
            "--include-path-regex",
            "^/api/v1/(sessions(/{id})?|auth/me)$",
        ],
    ),
];

/// The same requests each time; nothing is remembered then, which it does not like to be told.
const DETERMINISTIC: &str = "--generation-deterministic";

/// Send requests made up from the OpenAPI documents to a fresh server, and compare every answer with them.
///
/// Starts `pentad serve` on an empty store, with the key of its first start, and runs schemathesis (from PyPI)
/// over all documents. A fault of the server, or a status, media type or shape that a document does not have,
/// fails. Any extra arguments are schemathesis's own, for example `-- --seed 42`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only these documents: grep, memories, exec, runs, sync, openapi.
    documents: Vec<String>,
    /// Made-up requests for each operation, beyond those that cover its parameters one by one.
    #[arg(long, default_value_t = 20, value_name = "N")]
    examples: u32,
    /// What follows goes to schemathesis.
    #[arg(last = true)]
    further: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    openapi::build(workspace)?;
    let wanted = |name: &str| {
        arguments.documents.is_empty() || arguments.documents.iter().any(|document| document == name)
    };
    let mut further: Vec<&str> = arguments.further.iter().map(String::as_str).collect();
    if !further.contains(&DETERMINISTIC) {
        further.extend(["--generation-database", "none"]);
    }
    check(workspace, wanted, arguments.examples, &further)
}

/// The same requests each time, and few of them: for `cargo xtask test`. The program is built.
pub(crate) fn check_built(workspace: &Workspace) -> anyhow::Result<()> {
    check(workspace, |_| true, 3, &[DETERMINISTIC])
}

fn check(
    workspace: &Workspace,
    wanted: impl Fn(&str) -> bool,
    examples: u32,
    further: &[&str],
) -> anyhow::Result<()> {
    let programs = python::with(workspace, "schemathesis", &[PACKAGE])?;
    let server = FreshServer::start(workspace, "debug")?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("schemathesis.toml"), CONFIGURATION)?;
    let mut failed = Vec::new();
    for (document, selection) in DOCUMENTS {
        if !wanted(document) {
            continue;
        }
        let mut command = schemathesis(&programs, folder.path());
        command
            .arg(match document {
                "openapi" => format!("{}/api/v1/openapi.json", server.base),
                surface => format!("{}/api/v1/openapi/{surface}.json", server.base),
            })
            .args(["--max-examples", &examples.to_string()])
            .args(selection)
            .args(further);
        println!("$ {}", shown(&command));
        // After what is shown: the key is nobody's business.
        command.args(["--header", &format!("Authorization: Bearer {}", server.key)]);
        if !command.status()?.success() {
            failed.push(document);
        }
    }
    let errors = server.errors();
    if !errors.is_empty() {
        println!("The server logged:\n{errors}");
    }
    if !failed.is_empty() {
        bail!(
            "the server does not do what these documents say: {}",
            failed.join(", ")
        );
    }
    Ok(())
}

fn schemathesis(programs: &Path, folder: &Path) -> Command {
    let mut command = Command::new(programs.join("schemathesis"));
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .args(["run", "--no-color", "--continue-on-failure", "--warnings", "off"])
        .args(["--checks", CHECKS])
        .args(["--phases", "examples,coverage,fuzzing"]);
    command
}
