//! The tools people would use instead.

use std::path::Path;
use std::process::{Command, Stdio};

use pentad_grep_engine::Mode;

use crate::queries::Asked;
use crate::timing::{once, show};

/// Counts the files that match, or says that it cannot answer this kind of query.
pub struct Peer {
    pub name: &'static str,
    count: Box<dyn Fn(&Asked) -> Option<usize>>,
}

impl Peer {
    pub fn count(&self, asked: &Asked) -> Option<usize> {
        (self.count)(asked)
    }
}

pub fn ripgrep(program: &str, tree: &Path) -> Peer {
    let (program, tree) = (program.to_string(), tree.to_path_buf());
    Peer {
        name: "rg",
        count: Box::new(move |asked| {
            let mut command = Command::new(&program);
            command.args(["--no-config", "--no-ignore", "--hidden", "--crlf", "-s", "-l"]);
            match asked.mode {
                Mode::Plain => command.arg("-F"),
                Mode::Regex => &mut command,
                Mode::Fuzzy => return None,
            };
            Some(output_lines(
                command.args(["-e", &asked.pattern]).arg(".").current_dir(&tree),
            ))
        }),
    }
}

pub fn csearch(tree: &Path) -> Peer {
    let index = std::env::temp_dir().join(format!("pentad-bench-{}.csearchindex", std::process::id()));
    let (_, time) = once(|| {
        let mut command = Command::new("cindex");
        command
            .arg(tree)
            .env("CSEARCHINDEX", &index)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().expect("cindex runs")
    });
    let bytes = std::fs::metadata(&index).map_or(0, |file| file.len());
    println!(
        "csearch: indexed in {}, index {:.1} MB",
        show(time),
        bytes as f64 / 1e6
    );
    Peer {
        name: "csearch",
        count: Box::new(move |asked| {
            let pattern = match asked.mode {
                Mode::Plain => escape(&asked.pattern),
                Mode::Regex => asked.pattern.clone(),
                Mode::Fuzzy => return None,
            };
            Some(output_lines(
                Command::new("csearch")
                    .args(["-l", &pattern])
                    .env("CSEARCHINDEX", &index),
            ))
        }),
    }
}

fn output_lines(command: &mut Command) -> usize {
    let output = command.stderr(Stdio::null()).output().expect("the program runs");
    output.stdout.iter().filter(|&&byte| byte == b'\n').count()
}

fn escape(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            (!c.is_alphanumeric() && c != '_')
                .then_some('\\')
                .into_iter()
                .chain([c])
        })
        .collect()
}
