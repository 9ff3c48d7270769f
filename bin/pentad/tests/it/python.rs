//! Pythons with the packages that documented programs use.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The `bin` folder of a Python with these packages, made once per build directory, or why there is none.
pub(crate) fn with(packages: &[&str]) -> Result<PathBuf, String> {
    let name: Vec<&str> = packages
        .iter()
        .filter_map(|package| package.split("==").next())
        .collect();
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("python-{}", name.join("-")));
    let (bin, complete) = (home.join("bin"), home.join("complete"));
    // Tests run beside each other in processes of their own; one of them makes it.
    let lock = std::fs::File::create(home.with_extension("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let wanted = packages.join(" ");
    if std::fs::read_to_string(&complete).is_ok_and(|has| has == wanted) {
        return Ok(bin);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
    run(Command::new(bin.join("python3"))
        .args(["-m", "pip", "install", "--quiet"])
        .args(packages))?;
    std::fs::write(complete, wanted).map_err(|error| error.to_string())?;
    Ok(bin)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    ))
}
