//! Speed of each part, without a harness: median and 99th percentile of repeated runs.
//!
//! `cargo bench -p pentad-retrieval` (or `cargo xtask bench memories`); `-- --quick` leaves out the million.

fn main() {}
