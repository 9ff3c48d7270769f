//! `cargo xtask configuration`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::workspace::{Workspace, output};

/// Write the generated parts of docs/configuration.md: commands and options from the program, the tables of
/// pentad.toml from the types that they are read into.
///
/// Run it after every change of an option or a setting, and commit what it wrote.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only compare, and fail when code and document differ.
    #[arg(long)]
    check: bool,
}

const DOCUMENT: &str = "docs/configuration.md";

/// What `pentad.toml` is read into.
const FILE: (&str, &str) = ("bin/pentad/src/config.rs", "File");

/// The tables within a table, each with its type.
type Inner = &'static [(&'static str, &'static str)];

/// Where the types of its tables are declared, and which tables lie in them.
const TABLES: &[(&str, &str, Inner)] = &[
    ("Waits", "bin/pentad/src/cli.rs", &[]),
    ("Plan", "crates/base/identity/src/plan.rs", &[]),
    (
        "MemoryFile",
        "bin/pentad/src/memory.rs",
        &[
            ("embedder", "EmbedderFile"),
            ("llm", "LlmFile"),
            ("byo", "ByoFile"),
        ],
    ),
    (
        "pentad_storage::Limits",
        "crates/domains/storage/src/limits.rs",
        &[],
    ),
    ("ExecFile", "bin/pentad/src/exec.rs", &[]),
    ("RunsFile", "bin/pentad/src/runs.rs", &[]),
];

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    crate::openapi::build(workspace)?;
    if arguments.check {
        return check_built(workspace);
    }
    let path = workspace.path(DOCUMENT);
    std::fs::write(path, generate(workspace)?)?;
    println!("{DOCUMENT}");
    Ok(())
}

/// Fails when the document is not that of the program that was built last.
pub(crate) fn check_built(workspace: &Workspace) -> anyhow::Result<()> {
    if std::fs::read_to_string(workspace.path(DOCUMENT))? != generate(workspace)? {
        bail!("{DOCUMENT} is not what the code says: run `cargo xtask configuration` and commit");
    }
    println!("{DOCUMENT} is what the code says");
    Ok(())
}

/// The document as it is, with its generated parts made anew.
fn generate(workspace: &Workspace) -> anyhow::Result<String> {
    let pentad = workspace.target().join("debug/pentad");
    let commands = String::from_utf8(output(Command::new(pentad).arg("reference"))?)?;
    let tables = tables(workspace, &commands)?;
    let text = std::fs::read_to_string(workspace.path(DOCUMENT))?;
    let text = replace(&text, "commands", &commands)?;
    replace(&text, "tables", &tables)
}

/// Puts a text between `<!-- NAME -->` and `<!-- end of NAME -->`.
fn replace(text: &str, name: &str, with: &str) -> anyhow::Result<String> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let parts = text
        .split_once(&begin)
        .and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = parts.with_context(|| format!("{DOCUMENT} has no place for {name}"))?;
    Ok(format!("{before}{begin}{with}\n{end}{after}"))
}

/// The tables of the configuration file, as Markdown.
fn tables(workspace: &Workspace, commands: &str) -> anyhow::Result<String> {
    let read = |path: &str| {
        std::fs::read_to_string(workspace.path(path)).with_context(|| format!("cannot read {path}"))
    };
    let mut text = String::new();
    let top = settings(&read(FILE.0)?, FILE.1)?;
    let (names, tables): (Vec<&Setting>, Vec<&Setting>) = top
        .iter()
        .partition(|setting| setting.kind.starts_with("Option<"));
    let names: Vec<String> = names
        .iter()
        .map(|setting| format!("`{}`", setting.name))
        .collect();
    writeln!(
        text,
        "\nOutside of tables, each as the option of the same name: {}.",
        names.join(", ")
    )?;
    for table in tables {
        let kind = table
            .kind
            .trim_start_matches("BTreeMap<String, ")
            .trim_end_matches('>');
        let place = TABLES.iter().find(|(name, ..)| *name == kind);
        let Some((kind, path, inner)) = place else {
            bail!(
                "{}: tell xtask/src/configuration.rs where {kind} is declared",
                Path::new(FILE.0).display()
            );
        };
        let source = read(path)?;
        let title = if table.kind.starts_with("BTreeMap") {
            format!("{}.NAME", table.name)
        } else {
            table.name.clone()
        };
        let kind = kind.rsplit("::").next().unwrap_or(kind);
        write_table(
            &mut text,
            &title,
            &table.meaning,
            &settings(&source, kind)?,
            commands,
        )?;
        for (name, kind) in *inner {
            let title = format!("{title}.{name}");
            write_table(
                &mut text,
                &title,
                &meaning(&source, kind),
                &settings(&source, kind)?,
                commands,
            )?;
        }
    }
    Ok(text)
}

fn write_table(
    text: &mut String,
    title: &str,
    about: &str,
    settings: &[Setting],
    commands: &str,
) -> anyhow::Result<()> {
    write!(text, "\n### `[{title}]`\n\n{about}\n\n| setting | |\n|---|---|\n")?;
    for setting in settings {
        let option = format!("--{}-{}", title, setting.name).replace('_', "-");
        let meaning = if commands.contains(&format!("`{option} ")) {
            format!("as `{option}`")
        } else if setting.meaning.is_empty() {
            bail!(
                "the setting {title}.{} has no meaning: document its field",
                setting.name
            );
        } else {
            setting.meaning.clone()
        };
        writeln!(text, "| `{}` | {} |", setting.name, meaning.replace('|', "\\|"))?;
    }
    Ok(())
}

/// A field that is read from the file.
#[derive(Debug, PartialEq, Eq)]
struct Setting {
    name: String,
    kind: String,
    meaning: String,
}

/// The fields of a type, in the order of the source. A table within a table is left to its own type.
fn settings(source: &str, kind: &str) -> anyhow::Result<Vec<Setting>> {
    let body = source
        .split_once(&format!("struct {kind} {{\n"))
        .or_else(|| source.split_once(&format!("enum {kind} {{\n")))
        .and_then(|(_, rest)| rest.split_once("\n}"))
        .with_context(|| format!("the source has no {kind}"))?;
    let (mut settings, mut meaning) = (Vec::new(), Vec::new());
    for line in body.0.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            meaning.push(words.trim());
            continue;
        }
        if line.starts_with("#[") {
            continue;
        }
        if let Some((name, kind)) = line.trim_end_matches(',').split_once(": ") {
            let name = name.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
            settings.push(Setting {
                name: name.to_owned(),
                kind: kind.to_owned(),
                meaning: without_links(&meaning.join(" ")),
            });
        }
        meaning.clear();
    }
    settings.retain(|setting| !setting.meaning.starts_with("Table:"));
    Ok(settings)
}

/// Links between items are for rustdoc.
fn without_links(words: &str) -> String {
    let mut text = String::new();
    let mut rest = words;
    while let Some((before, after)) = rest.split_once("](Self::") {
        text.push_str(before);
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text.replace("[`", "`")
}

/// What is said of a type.
fn meaning(source: &str, kind: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in source.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            lines.push(words.trim());
        } else if line.ends_with(&format!(" {kind} {{")) {
            break;
        } else if !line.starts_with("#[") {
            lines.clear();
        }
    }
    lines.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "/// How it is.\n/// Really.\n#[derive(Debug)]\npub struct Limits {\n    /// How\n    /// much.\n    \
                          #[serde(default)]\n    pub bytes: Option<u64>,\n    time_s: u64,\n}\n\nstruct Other {\n    x: u8,\n}\n";

    #[test]
    fn fields_are_read_with_their_comments() {
        let read = settings(SOURCE, "Limits").unwrap();
        let expected = [("bytes", "Option<u64>", "How much."), ("time_s", "u64", "")];
        assert_eq!(
            read,
            expected.map(|(name, kind, meaning)| Setting {
                name: name.into(),
                kind: kind.into(),
                meaning: meaning.into()
            })
        );
        assert_eq!(meaning(SOURCE, "Limits"), "How it is. Really.");
        assert!(settings(SOURCE, "Absent").is_err());
    }

    #[test]
    fn a_setting_means_what_its_comment_or_its_option_says() {
        let (mut text, fields) = (String::new(), settings(SOURCE, "Limits").unwrap());
        write_table(&mut text, "exec", "", &fields, "| `--exec-time-s N` |").unwrap();
        assert!(
            text.ends_with("| `bytes` | How much. |\n| `time_s` | as `--exec-time-s` |\n"),
            "{text}"
        );
        assert!(write_table(&mut text, "exec", "", &fields, "").is_err());
    }

    #[test]
    fn only_generated_parts_are_replaced() {
        let text = "a\n<!-- x -->\nold\n<!-- end of x -->\nb\n";
        assert_eq!(
            replace(text, "x", "new").unwrap(),
            "a\n<!-- x -->\nnew\n<!-- end of x -->\nb\n"
        );
        assert!(replace(text, "y", "new").is_err());
    }
}
