//! Measures the engine on a tree of files, beside the tools people would use instead.
//!
//! ```text
//! pentad-grep-bench TREE [--queries linux|rust|FILE] [--rg PROGRAM] [--csearch] [--fff] [--seconds S]
//! ```
//!
//! Prints markdown. Times are wall-clock; the engine runs on one core unless a column says
//! otherwise, the other tools as they come. Their times include starting their process.

mod engine;
mod peers;
mod queries;
mod timing;
mod tree;

use std::path::PathBuf;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Arguments {
    tree: PathBuf,
    queries: String,
    rg: String,
    csearch: bool,
    fff: bool,
    seconds: f64,
}

fn main() {
    let arguments = arguments();
    println!("load average at the start: {}", timing::load_average());
    let files = tree::read(&arguments.tree);
    let queries = queries::load(&arguments.queries);
    let engine = engine::Engine::build(files);
    let mut peers = vec![peers::ripgrep(&arguments.rg, &arguments.tree)];
    if arguments.csearch {
        peers.push(peers::csearch(&arguments.tree));
    }
    if arguments.fff {
        #[cfg(feature = "fff")]
        peers.push(peers::fff(&arguments.tree));
        #[cfg(not(feature = "fff"))]
        panic!("--fff needs the feature fff");
    }
    engine.measure(&queries, &peers, arguments.seconds);
    println!("\nload average at the end: {}", timing::load_average());
}

fn arguments() -> Arguments {
    let mut words = std::env::args().skip(1);
    let mut arguments = Arguments {
        tree: PathBuf::new(),
        queries: "linux".into(),
        rg: "rg".into(),
        csearch: false,
        fff: false,
        seconds: 1.0,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
        match word.as_str() {
            "--queries" => arguments.queries = value(),
            "--rg" => arguments.rg = value(),
            "--csearch" => arguments.csearch = true,
            "--fff" => arguments.fff = true,
            "--seconds" => arguments.seconds = value().parse().expect("--seconds takes a number"),
            _ => arguments.tree = word.into(),
        }
    }
    assert!(arguments.tree.is_dir(), "give the tree to search");
    arguments
}
