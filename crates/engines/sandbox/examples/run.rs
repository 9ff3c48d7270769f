//! Runs a shell script in a sandbox and prints what came of it.
//!
//! ```text
//! cargo run -p pentad-sandbox --example run -- 'id; ls -la /; echo hi > file'
//! ```
#![allow(clippy::print_stdout, reason = "an example prints")]

use pentad_sandbox::{Backend, Discard, LinuxBackend, LinuxOptions, Program, Run, Shape};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let script = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "id; uname -n; ls /; echo hi > file".into());
    let backend = LinuxBackend::start(&LinuxOptions::default())?;
    print!("{}", backend.guards());
    let slot = backend.prepare(&Shape::default())?;
    let program = Program {
        argv: vec!["/bin/sh".into(), "-c".into(), script],
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
    };
    let outcome = slot.run(
        Run {
            program: Some(program),
            ..Run::default()
        },
        &mut Discard,
    )?;
    println!("{outcome:#?}");
    Ok(())
}
