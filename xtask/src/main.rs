//! Developer commands: `cargo xtask run`, `cargo xtask test` and their parts.

mod distill_embedder;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("distill-embedder") => distill_embedder::distill_embedder(),
        other => bail!("unknown command {other:?}; there is: distill-embedder"),
    }
}
