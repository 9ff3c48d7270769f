//! Runs one program in each language found, cold and then from the pool.
//!
//! ```text
//! cargo run -p pentad-sandbox --example languages
//! ```
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use pentad_sandbox::{
    Discard, Executor, ExecutorOptions, Job, Language, LinuxBackend, LinuxOptions, RuntimeSearch, Runtimes,
};

const PROGRAMS: [(Language, &str); 5] = [
    (
        Language::Python,
        "import sys; print('hello from', sys.version.split()[0])",
    ),
    (Language::Node, "console.log('hello from', process.version)"),
    (
        Language::TypeScript,
        "enum Level { Low = 1, High }\nconst f = async (): Promise<number> => Level.High;\nconsole.log('hello from', await f())",
    ),
    (
        Language::Go,
        "package main\nimport (\"fmt\"; \"runtime\")\nfunc main() { fmt.Println(\"hello from\", runtime.Version()) }",
    ),
    (
        Language::Deno,
        "const version: string = Deno.version.deno;\nconsole.log('hello from', version)",
    ),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let backend = Arc::new(LinuxBackend::start(&LinuxOptions::default())?);
    let runtimes = Runtimes::discover(&RuntimeSearch::default());
    print!("{runtimes}");
    let state = std::env::var_os("PENTAD_STATE")
        .map_or_else(|| std::env::temp_dir().join("pentad-example"), Into::into);
    let options = ExecutorOptions {
        state: Some(state),
        ..ExecutorOptions::default()
    };
    let executor = Executor::start(backend, runtimes, options)?;
    for round in ["first", "waiting"] {
        if round == "waiting" {
            println!("filled: {}", executor.wait_filled(Duration::from_secs(20)));
        }
        for (language, code) in PROGRAMS {
            let started = Instant::now();
            match executor.execute(Job::new(language, code), &mut Discard) {
                Ok(outcome) => println!(
                    "{round} {language}: {:?} exit {} {:?} in {:.1?} (run {:.1?}, build {:.1?}, cpu {:.1?}) {}",
                    outcome.stdout.text.trim(),
                    outcome.exit_code,
                    outcome.killed_by,
                    started.elapsed(),
                    outcome.duration,
                    outcome.build,
                    outcome.usage.cpu,
                    outcome.stderr.text,
                ),
                Err(error) => println!(
                    "{round} {language}: {error}: {:?}",
                    std::error::Error::source(&error)
                ),
            }
        }
    }
    println!("{:?}", executor.pools());
    Ok(())
}
