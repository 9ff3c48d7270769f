//! Searches a folder: `grep TREE PATTERN [--regex | --fuzzy] [--smart-case]`.

use std::path::Path;
use std::time::Instant;

use pentad_grep_engine::{Batch, Cancel, Case, Corpus, Decoded, Mode, QueryBuilder, decode_text};

#[expect(clippy::print_stdout, reason = "it is a command-line program")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (options, words): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let [tree, pattern] = words.as_slice() else {
        return Err("usage: grep TREE PATTERN [--regex | --fuzzy] [--smart-case]".into());
    };
    let has = |name: &str| options.iter().any(|option| option == name);
    let mode = match () {
        () if has("--regex") => Mode::Regex,
        () if has("--fuzzy") => Mode::Fuzzy,
        () => Mode::Plain,
    };
    let case = if has("--smart-case") {
        Case::Smart
    } else {
        Case::Default
    };
    let query = QueryBuilder::new(mode)
        .pattern(pattern)
        .case(case)
        .classify_definitions(true)
        .build()?;

    let corpus = Corpus::default();
    let mut batch = Batch::new();
    read_tree(Path::new(tree), Path::new(tree), &mut batch)?;
    corpus.apply(batch);
    corpus.index_pending(&Cancel::never());

    let started = Instant::now();
    let page = corpus.grep(&query, &Cancel::never())?;
    let time = started.elapsed();
    for hit in &page.hits {
        for found in &hit.matches {
            let mark = if found.definition.is_some() { '*' } else { ' ' };
            println!("{}:{}:{mark}{}", hit.path, found.line, found.snippet);
        }
    }
    println!("{} of {} files in {time:?}", page.hits.len(), page.total);
    Ok(())
}

fn read_tree(root: &Path, folder: &Path, batch: &mut Batch) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        if kind.is_dir() {
            read_tree(root, &path, batch)?;
        } else if kind.is_file()
            && let Decoded::Text(text) = decode_text(std::fs::read(&path)?)
        {
            let name = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .to_string_lossy()
                .replace('\\', "/");
            batch.insert(name, text);
        }
    }
    Ok(())
}
