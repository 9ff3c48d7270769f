//! Asks ripgrep and the engine the same generated questions about a tree, and compares
//! every matching line.
//!
//! ```text
//! differential TREE [--queries N] [--seed N] [--rg PROGRAM] [--max-bytes N]
//! ```

#[path = "../tree.rs"]
mod tree;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use pentad_grep_engine::{Batch, Cancel, Case, Corpus, Decoded, Mode, QueryBuilder, decode_text};

fn main() {
    let mut words = std::env::args().skip(1);
    let (mut root, mut count, mut seed, mut rg) = (PathBuf::new(), 1000, 1, "rg".to_string());
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
        match word.as_str() {
            "--queries" => count = value().parse().expect("a number"),
            "--seed" => seed = value().parse().expect("a number"),
            "--rg" => rg = value(),
            _ => root = word.into(),
        }
    }
    let corpus = Corpus::default();
    let mut texts = Vec::new();
    let mut batch = Batch::new();
    for (at, (path, bytes)) in tree::read(&root).into_iter().enumerate() {
        let Decoded::Text(text) = decode_text(bytes) else {
            continue;
        };
        texts.push(String::from_utf8_lossy(&text).into_owned());
        batch.insert(path, text);
        if at % 1000 == 999 {
            // Several segments, some indexed, some not.
            corpus.apply(std::mem::take(&mut batch));
            if at % 3000 == 2999 {
                corpus.index_pending(&Cancel::never());
            }
        }
    }
    corpus.apply(batch);
    println!(
        "{} files, {} bytes, {} segments",
        corpus.file_count(),
        corpus.text_bytes(),
        corpus.segment_count()
    );

    let mut generator = Generator::new(&texts, seed);
    let (mut lines, mut different, mut refused) = (0, 0, 0);
    for n in 0..count {
        if n == count / 3 {
            corpus.index_pending(&Cancel::never());
        }
        if n == count * 2 / 3 {
            corpus.compress();
        }
        let (mode, pattern, smart, word) = generator.query(n);
        let expected = ripgrep(&rg, &root, mode, &pattern, smart, word);
        let builder = QueryBuilder::new(mode)
            .pattern(pattern.as_str())
            .word(word)
            .page_bytes(usize::MAX);
        let found = builder
            .case(if smart { Case::Smart } else { Case::Sensitive })
            .build()
            .ok()
            .map(|query| {
                let query = query.page(usize::MAX, 0);
                let page = corpus.grep(&query, &Cancel::never()).expect("not cancelled");
                assert_eq!(page.total, page.hits.len(), "{pattern}: nothing is cut");
                page.hits
                    .into_iter()
                    .flat_map(|hit| {
                        hit.matches
                            .into_iter()
                            .map(move |found| (hit.path.clone(), found.line))
                    })
                    .collect::<BTreeSet<_>>()
            });
        lines += expected.as_ref().map_or(0, BTreeSet::len);
        refused += usize::from(expected.is_none());
        if found != expected {
            different += 1;
            let sample = match (&found, &expected) {
                (Some(found), Some(expected)) => format!(
                    "missing {:?} extra {:?}",
                    expected.difference(found).take(3).collect::<Vec<_>>(),
                    found.difference(expected).take(3).collect::<Vec<_>>()
                ),
                (found, _) => format!("refused by {}", if found.is_none() { "us" } else { "ripgrep" }),
            };
            println!("DIFFERENT {mode:?} {pattern:?} smart {smart} word {word}: {sample}");
        }
    }
    println!("{count} queries, {refused} refused by ripgrep, {lines} lines, {different} different");
    std::process::exit(i32::from(different > 0));
}

fn ripgrep(
    program: &str,
    root: &Path,
    mode: Mode,
    pattern: &str,
    smart: bool,
    word: bool,
) -> Option<BTreeSet<(String, usize)>> {
    let mut command = Command::new(program);
    command.args([
        "--no-config",
        "--no-ignore",
        "--hidden",
        "--crlf",
        "-n",
        "-H",
        "--null",
        "--no-heading",
        "--color=never",
    ]);
    command.arg(if smart { "-S" } else { "-s" });
    if mode == Mode::Plain {
        command.arg("-F");
    }
    if word {
        command.arg("-w");
    }
    let output = command
        .args(["-e", pattern, "."])
        .current_dir(root)
        .output()
        .expect("ripgrep runs");
    if output.status.code() == Some(2) {
        return None;
    }
    let line = |line: &[u8]| {
        // Binary files are announced without a line number.
        let zero = line.iter().position(|&byte| byte == 0)?;
        let path = std::str::from_utf8(&line[..zero])
            .ok()?
            .strip_prefix("./")?
            .to_string();
        let number = line[zero + 1..].split(|&byte| byte == b':').next()?;
        Some((path, std::str::from_utf8(number).ok()?.parse().ok()?))
    };
    Some(
        output
            .stdout
            .split(|&byte| byte == b'\n')
            .filter_map(line)
            .collect(),
    )
}

/// Makes queries out of what the tree holds.
struct Generator<'a> {
    words: Vec<&'a str>,
    lines: Vec<&'a str>,
    state: u64,
}

impl<'a> Generator<'a> {
    fn new(texts: &'a [String], seed: u64) -> Self {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let words: BTreeSet<&str> = texts
            .iter()
            .flat_map(|text| text.split(|c| !is_word(c)))
            .filter(|word| (3..30).contains(&word.len()))
            .collect();
        let lines = texts
            .iter()
            .flat_map(|text| text.lines().step_by(37))
            .filter(|line| (6..300).contains(&line.trim().len()) && !line.contains(['\0', '\r']))
            .collect();
        Self {
            words: words.into_iter().collect(),
            lines,
            state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state % limit as u64) as usize
    }

    fn word(&mut self) -> &'a str {
        let at = self.below(self.words.len());
        self.words[at]
    }

    fn prefix(&mut self, length: usize) -> String {
        self.word().chars().take(length).collect()
    }

    fn suffix(&mut self, length: usize) -> String {
        let word = self.word();
        word.chars()
            .skip(word.chars().count().saturating_sub(length))
            .collect()
    }

    /// A piece of a line.
    fn piece(&mut self) -> String {
        let at = self.below(self.lines.len());
        let line = self.lines[at];
        let count = line.chars().count();
        let (start, length) = (self.below(count), 1 + self.below(14));
        line.chars().skip(start).take(length).collect()
    }

    fn query(&mut self, n: usize) -> (Mode, String, bool, bool) {
        let smart = self.below(3) == 0;
        let word = self.below(12) == 0;
        if n % 2 == 0 {
            let pattern = match n / 2 % 6 {
                0 => self.word().to_string(),
                1 => self.piece(),
                2 => self.word().to_lowercase(),
                3 => format!("{}(", self.word()),
                4 => self.prefix(3),
                _ => format!("{}Qzx", self.word()),
            };
            return (Mode::Plain, pattern, smart, word);
        }
        let pattern = match n / 2 % 28 {
            0 => escape(&self.piece()),
            1 => format!(r"{}\w+", self.prefix(4)),
            2 => format!(r"\w+{}\b", self.suffix(4)),
            3 => (0..5).map(|_| self.word()).collect::<Vec<_>>().join("|"),
            4 => format!(r"\b{}\b", self.word()),
            5 => format!("^{}", escape(&self.piece())),
            6 => format!("{}$", escape(&self.piece())),
            7 => format!("(?i){}", self.word()),
            8 => format!("{}.{{0,12}}{}", self.prefix(3), self.suffix(3)),
            9 => r"[A-Z]{3}_\w+".to_string(),
            10 => r"\d{4}-\d{2}".to_string(),
            11 => format!(r"^\s*(def|class|fn|pub|static)\s+{}", self.prefix(2)),
            12 => r"[^\x00-\x7F]{2,}".to_string(),
            13 => format!(r"{}\s*\(", self.word()),
            14 => format!(r"({})?\s{{2,}}{}", self.word(), self.prefix(2)),
            15 => "^$".to_string(),
            16 => format!("[{}]{}", self.prefix(2), self.suffix(4)),
            17 => format!(r"\.{}[a-z]*\(", self.prefix(3)),
            18 => "0x[0-9a-fA-F]{6,}".to_string(),
            19 => format!(r"{}\W+{}", self.prefix(5), self.prefix(2)),
            20 => format!(r"\S+{}", escape(&self.piece())),
            21 => "[0-9a-f]{32,}".to_string(),
            22 => format!("(?i){}.*{}", self.prefix(3), self.suffix(3)),
            23 => format!("({}|{})+", self.prefix(3), self.prefix(4)),
            24 => r"\w{40,}".to_string(),
            25 => format!("(?i:{})[^a-z]", self.word()),
            26 => format!("{}[^x]", escape(&self.piece())),
            _ => format!("(?-u:{}.)", self.prefix(5)),
        };
        (Mode::Regex, pattern, smart, word)
    }
}

fn escape(text: &str) -> String {
    text.chars()
        .flat_map(|c| (c.is_ascii_punctuation()).then_some('\\').into_iter().chain([c]))
        .collect()
}
