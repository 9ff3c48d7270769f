//! An S3 server for whoever tries several gateways on one machine: prints the variables that lead to it and an
//! empty line, and serves until its standard input ends. What it stores goes with it.

#![expect(clippy::print_stdout, reason = "it tells where it is")]

use std::io::Read as _;

use pentad_blob::testing::S3Server;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let server = S3Server::start().await;
    for (name, value) in &server.env {
        println!("{name}={value}");
    }
    println!("BUCKET={}", server.bucket);
    println!("DIRECTORY={}\n", server.directory().display());
    let waiting = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    waiting.await??;
    Ok(())
}
