//! Prints a TypeScript file as JavaScript: `cargo run -p pentad-transpile --example strip -- FILE`.
#![allow(clippy::print_stdout, reason = "an example that prints")]

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).ok_or("which file?")?;
    let source = std::fs::read_to_string(&name)?;
    print!("{}", pentad_transpile::transpile(&name, &source)?.code);
    Ok(())
}
