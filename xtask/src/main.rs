//! Developer commands. `cargo xtask --help` lists them; each is a module of the same name.
#![expect(
    clippy::print_stdout,
    reason = "a command line program speaks to its terminal"
)]

mod assets;
mod bench;
mod check;
mod clients;
mod cluster_test;
mod configuration;
mod distill_embedder;
mod layers;
mod openapi;
mod postgres;
mod programs;
mod python;
mod run;
mod runtimes;
mod schemathesis;
mod server;
mod steps;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Pentad's developer commands.
///
/// `cargo xtask run` and `cargo xtask test` do all their own set-up on a machine that has only the Rust
/// toolchain, and say what they do.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Arguments),
    Test(test::Arguments),
    Check(check::Arguments),
    Layers(layers::Arguments),
    Openapi(openapi::Arguments),
    Schemathesis(schemathesis::Arguments),
    Clients(clients::Arguments),
    Configuration(configuration::Arguments),
    Postgres(postgres::Arguments),
    Bench(bench::Arguments),
    ClusterTest(cluster_test::Arguments),
    Assets(assets::Arguments),
    /// Make the table of word vectors again from the packages that it comes from.
    DistillEmbedder,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = Workspace::find().and_then(|workspace| match &cli.command {
        Command::Run(arguments) => run::run(&workspace, arguments),
        Command::Test(arguments) => test::run(&workspace, arguments),
        Command::Check(arguments) => check::run(&workspace, arguments),
        Command::Layers(arguments) => layers::run(&workspace, arguments),
        Command::Openapi(arguments) => openapi::run(&workspace, arguments),
        Command::Schemathesis(arguments) => schemathesis::run(&workspace, arguments),
        Command::Clients(arguments) => clients::run_all(&workspace, arguments),
        Command::Configuration(arguments) => configuration::run(&workspace, arguments),
        Command::ClusterTest(arguments) => cluster_test::run(&workspace, arguments),
        Command::Postgres(arguments) => postgres::run(&workspace, arguments),
        Command::Bench(arguments) => bench::run(&workspace, arguments),
        Command::Assets(arguments) => assets::run(&workspace, arguments),
        Command::DistillEmbedder => distill_embedder::distill_embedder(),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
