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

/// The engine of fff, in this process: its index of the tree and the files mapped into memory.
#[cfg(feature = "fff")]
pub fn fff(tree: &Path) -> Peer {
    use fff_search::{
        Casing, FilePicker, FilePickerOptions, GrepMode, GrepSearchOptions, SharedFilePicker, SharedFrecency,
        parse_grep_query,
    };

    let picker = SharedFilePicker::default();
    let patience = std::time::Duration::from_secs(600);
    let (_, time) = once(|| {
        let options = FilePickerOptions {
            base_path: tree.display().to_string(),
            enable_mmap_cache: true,
            enable_content_indexing: true,
            watch: false,
            ..FilePickerOptions::default()
        };
        FilePicker::new_with_shared_state(picker.clone(), SharedFrecency::default(), options)
            .expect("fff starts");
        assert!(
            picker.wait_for_scan(patience) && picker.wait_for_indexing_complete(patience),
            "fff indexes"
        );
    });
    println!("fff: indexed in {}", show(time));
    Peer {
        name: "fff",
        count: Box::new(move |asked| {
            let options = GrepSearchOptions {
                // Its default leaves files of more than 10 MB out.
                max_file_size: u64::MAX,
                max_matches_per_file: 1,
                page_limit: usize::MAX,
                casing: Some(Casing::Sensitive),
                mode: match asked.mode {
                    Mode::Plain => GrepMode::PlainText,
                    Mode::Regex => GrepMode::Regex,
                    Mode::Fuzzy => return None,
                },
                ..GrepSearchOptions::default()
            };
            let picker = picker.read().expect("not poisoned");
            let picker = picker.as_ref().expect("started");
            Some(
                picker
                    .grep(&parse_grep_query(&asked.pattern), &options)
                    .files_with_matches,
            )
        }),
    }
}
