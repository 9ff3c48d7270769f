//! PostgreSQL's own tools for its own data.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, bail};
use tokio::process::Command;
use url::Url;

/// Writes the database, as a snapshot sees it, into a file.
pub(super) async fn dump(database_url: &str, snapshot: &str, file: &Path) -> anyhow::Result<()> {
    let mut command = tool("pg_dump", database_url)?;
    command
        .args([
            "--format=custom",
            "--no-owner",
            "--no-privileges",
            "--snapshot",
            snapshot,
            "--file",
        ])
        .arg(file);
    run(command, "pg_dump").await
}

/// Fills an empty database, wholly or not at all.
pub(super) async fn restore(database_url: &str, file: &Path) -> anyhow::Result<()> {
    let mut command = tool("pg_restore", database_url)?;
    command
        .args([
            "--no-owner",
            "--no-privileges",
            "--exit-on-error",
            "--single-transaction",
        ])
        .arg(file);
    run(command, "pg_restore").await
}

/// A tool that is told which database it works on. The password goes where other users cannot see it.
fn tool(name: &str, database_url: &str) -> anyhow::Result<Command> {
    let mut url = Url::parse(database_url).context("the database URL is not understood")?;
    let mut command = Command::new(name);
    if let Some(password) = url.password() {
        let password = percent_encoding::percent_decode_str(password)
            .decode_utf8_lossy()
            .into_owned();
        command.env("PGPASSWORD", password);
        if url.set_password(None).is_err() {
            bail!("the database URL names no server");
        }
    }
    command.arg("--dbname").arg(url.as_str()).stdin(Stdio::null());
    Ok(command)
}

async fn run(mut command: Command, name: &str) -> anyhow::Result<()> {
    let status = command.status().await.with_context(|| {
        format!(
            "{name} cannot be started: install PostgreSQL's client programs, of the server's version or later"
        )
    })?;
    if status.success() {
        return Ok(());
    }
    bail!("{name} failed ({status}); what it says is above");
}
