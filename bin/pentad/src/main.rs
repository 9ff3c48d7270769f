//! `pentad`: the five APIs in one program. `pentad --help` lists what it does.
#![allow(
    rustdoc::broken_intra_doc_links,
    rustdoc::invalid_html_tags,
    reason = "the command line shows what is written at its options as it is: it is no Markdown"
)]
#![expect(
    clippy::print_stderr,
    reason = "a command line program speaks to its terminal"
)]

#[macro_use]
mod terminal;

mod accounts;
mod backup;
mod cli;
mod config;
mod demo;
mod doctor;
mod exec;
mod logging;
mod memory;
mod reference;
mod runs;
mod serve;
mod setup;
mod sweep;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser as _};

use crate::cli::{Cli, Command};

/// How long threads that end may hold the sandboxes.
const SANDBOXES_END: Duration = Duration::from_secs(5);

// Sessions are made on one thread and dropped on another for days on end: this allocator gives their memory
// back to the system (`cargo xtask bench grep-soak` holds it to that).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("pentad: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Has a thread of the allocator give unused memory back. Not before main: the process that makes sandboxes is
/// forked by then, and a process of several threads cannot enter a user namespace.
fn give_memory_back() {
    if let Err(error) = tikv_jemalloc_ctl::background_thread::write(true) {
        tracing::warn!(%error, "unused memory goes back to the system only now and then");
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    pentad_blob::install_crypto_provider();
    let collector = match &cli.command {
        Command::Serve(arguments) => arguments.otlp.as_deref(),
        _ => None,
    };
    // Until the end of this function: what it has gathered is sent then.
    let _telemetry = logging::start(&cli.logging, collector)?;
    give_memory_back();
    // Before the runtime and its threads: the sandbox's helper is a copy of a small process.
    let engine = match &cli.command {
        Command::Serve(arguments) => Some(arguments.exec.start(&arguments.storage)?),
        _ => None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let sandboxes = engine.clone();
    let code = runtime.block_on(async {
        match cli.command {
            Command::Serve(arguments) => serve::run(arguments, engine).await?,
            Command::Keys(command) => accounts::keys(command).await?,
            Command::Admin(command) => accounts::admin(command).await?,
            Command::Migrate(storage) => {
                setup::open_database(&storage.resolve()?).await?;
                say!("schema version {}", pentad_store::Db::known_schema_version());
            }
            Command::Sweep(arguments) => sweep::run(&arguments).await?,
            Command::Openapi(arguments) => openapi(&arguments)?,
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), "pentad", &mut script);
                say!("{}", String::from_utf8_lossy(&script).trim_end());
            }
            Command::Reference => say!("{}", reference::markdown().trim_end()),
            Command::Demo(arguments) => demo::run(&arguments).await?,
            Command::Backup(arguments) => return backup::take(&arguments).await,
            Command::Restore(arguments) => return backup::restore(&arguments).await,
            Command::Doctor(arguments) => return doctor::run(&arguments).await,
        }
        Ok(ExitCode::SUCCESS)
    });
    drop(runtime);
    if let Some(sandboxes) = sandboxes {
        sandboxes.close(SANDBOXES_END);
    }
    code
}

/// Prints one document, or writes all of them into a directory.
fn openapi(arguments: &cli::OpenapiArguments) -> anyhow::Result<()> {
    let documents = pentad_gateway::documents();
    let render = |document: &pentad_gateway::Document| serde_json::to_string_pretty(&document.api);
    if let Some(directory) = &arguments.directory {
        std::fs::create_dir_all(directory)?;
        for document in &documents {
            let path = directory.join(format!("{}.json", document.name));
            std::fs::write(&path, render(document)? + "\n")?;
            say!("{}", path.display());
        }
        return Ok(());
    }
    let found = documents
        .iter()
        .find(|document| document.name == arguments.document);
    let document = found.ok_or_else(|| {
        let names: Vec<&str> = documents.iter().map(|document| document.name).collect();
        anyhow::anyhow!(
            "no document {:?}: there are {}",
            arguments.document,
            names.join(", ")
        )
    })?;
    say!("{}", render(document)?);
    Ok(())
}
