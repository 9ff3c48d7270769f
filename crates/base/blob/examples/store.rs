//! Stores the files named on standard input, one a line, and prints the id of each when it is
//! durable.
//!
//! ```sh
//! ls -d src/* | cargo run --example store -- file:./objects
//! ```

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::io::{BufRead, stdin};

use pentad_blob::{Blobs, Prefix};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args()
        .nth(1)
        .ok_or("usage: store URL < names-of-files")?;
    #[cfg(feature = "s3")]
    pentad_blob::install_crypto_provider();
    let blobs = Blobs::open(&url)?;
    let files = Prefix::parse("files")?;
    for name in stdin().lock().lines() {
        let content = tokio::fs::read(name?).await?;
        let id = blobs.put_addressed(&files, content.into()).await?;
        println!("{id}");
    }
    Ok(())
}
