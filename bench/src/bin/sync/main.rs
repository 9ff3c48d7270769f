//! Measures session sync and projects beside the original server of seed 002, in one run.
//!
//! ```text
//! sync --pentad PROGRAM --python PYTHON [--postgres URL] [--sessions N] [--only NAME]
//! ```
//!
//! Both servers are started empty, get the same accounts, sessions, entries and tickets, and are then sent the same
//! requests, one after the other. Measured is the processor time of the server's processes, which hardly depends on
//! what else the machine does; work that a server puts off until after its answer counts. The time of the database
//! is part of it for SQLite, which runs inside the process, and is not for PostgreSQL. Prints markdown.

mod archive;
mod caller;
mod operations;
mod server;

use std::path::PathBuf;

use pentad_bench::timing::load_average;

use operations::{AIMS, World};
use server::Server;

struct Arguments {
    pentad: PathBuf,
    python: PathBuf,
    postgres: Option<String>,
    sessions: usize,
    only: Option<String>,
}

fn main() {
    let arguments = arguments();
    println!("load average at the start: {}", load_average());
    let mut databases = vec![("SQLite", None)];
    if let Some(url) = &arguments.postgres {
        databases.push(("PostgreSQL", Some(url.as_str())));
    }
    for (name, postgres) in databases {
        let original = Server::original(&arguments.python, postgres);
        let pentad = Server::pentad(&arguments.pentad, postgres);
        let mut worlds = [original, pentad].map(|server| World::fill(server, arguments.sessions));
        println!("\n### {name}, {} sessions\n", arguments.sessions);
        println!("| request | original, ms | Pentad, ms | ratio | aim |");
        println!("|---|---:|---:|---:|---:|");
        for (operation, aim) in AIMS {
            if arguments
                .only
                .as_ref()
                .is_some_and(|only| !operation.name().contains(only.as_str()))
            {
                continue;
            }
            let [original, pentad] = worlds.each_mut().map(|world| world.measure(*operation));
            println!(
                "| {} | {:.3} | {:.4} | {:.0} | {aim} |",
                operation.name(),
                original * 1e3,
                pentad * 1e3,
                original / pentad
            );
        }
    }
    println!("\nload average at the end: {}", load_average());
}

/// The servers run in directories of their own.
fn absolute(path: &str) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn arguments() -> Arguments {
    let mut arguments = Arguments {
        pentad: PathBuf::new(),
        python: PathBuf::new(),
        postgres: None,
        sessions: 1_000,
        only: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
        match word.as_str() {
            "--pentad" => arguments.pentad = absolute(&value()),
            "--python" => arguments.python = absolute(&value()),
            "--postgres" => arguments.postgres = Some(value()),
            "--sessions" => arguments.sessions = value().parse().expect("--sessions takes a number"),
            "--only" => arguments.only = Some(value()),
            _ => panic!("{word} is no option"),
        }
    }
    assert!(arguments.pentad.is_file(), "--pentad names the program");
    assert!(
        arguments.python.is_file(),
        "--python names an interpreter that has the original server"
    );
    arguments
}
