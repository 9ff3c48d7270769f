//! The reference of the command line, for `docs/configuration.md`.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};

use crate::cli::Cli;

/// Every command with its options, as Markdown. An option that several commands take is described once.
pub(crate) fn markdown() -> String {
    let mut root = Cli::command();
    root.build();
    let mut text = String::new();
    let everywhere: Vec<&Arg> = root
        .get_arguments()
        .filter(|option| option.is_global_set())
        .collect();
    section(&mut text, "Every command", None, &everywhere);
    let storage = stored(&root);
    section(&mut text, "Every command that touches data", None, &storage);
    commands(
        &mut text,
        &root,
        &storage
            .iter()
            .map(|option| option.get_id().as_str())
            .collect::<Vec<_>>(),
    );
    text
}

/// The options of `migrate`, which touches data and does nothing else.
fn stored(root: &Command) -> Vec<&Arg> {
    let migrate = root
        .find_subcommand("migrate")
        .expect("the command line has `migrate`");
    migrate.get_arguments().filter(|option| own(option)).collect()
}

fn own(option: &Arg) -> bool {
    !option.is_global_set()
        && !option.is_hide_set()
        && !matches!(option.get_id().as_str(), "help" | "version")
}

fn commands(text: &mut String, command: &Command, described: &[&str]) {
    for command in command.get_subcommands() {
        if command.is_hide_set() || command.get_name() == "help" {
            continue;
        }
        if command.has_subcommands() {
            commands(text, command, described);
            continue;
        }
        let title = format!("`{}`", command.get_bin_name().unwrap_or(command.get_name()));
        let about = command
            .get_long_about()
            .or(command.get_about())
            .map(ToString::to_string);
        let options: Vec<&Arg> = command
            .get_arguments()
            .filter(|option| own(option) && !described.contains(&option.get_id().as_str()))
            .collect();
        section(text, &title, about.as_deref(), &options);
    }
}

fn section(text: &mut String, title: &str, about: Option<&str>, options: &[&Arg]) {
    let written = (|| {
        write!(text, "\n### {title}\n\n")?;
        if let Some(about) = about {
            write!(text, "{about}\n\n")?;
        }
        if options.is_empty() {
            return Ok(());
        }
        text.push_str("| option | environment | |\n|---|---|---|\n");
        options.iter().try_for_each(|option| row(text, option))
    })();
    let _: std::fmt::Result = written; // A String takes everything.
}

fn row(text: &mut String, option: &Arg) -> std::fmt::Result {
    let value = option
        .get_value_names()
        .and_then(<[_]>::first)
        .map_or_else(String::new, |name| format!(" {name}"));
    let name = match option.get_long() {
        Some(long) if option.get_action().takes_values() => format!("--{long}{value}"),
        Some(long) => format!("--{long}"),
        None => value.trim().to_owned(),
    };
    let environment = option
        .get_env()
        .map_or_else(String::new, |name| format!("`{}`", name.display()));
    let mut help = option
        .get_long_help()
        .or(option.get_help())
        .map(ToString::to_string)
        .unwrap_or_default();
    let possible: Vec<String> = option
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    let yes_or_no = possible == ["`true`", "`false`"];
    if !possible.is_empty() && !yes_or_no && option.get_action().takes_values() {
        write!(help, " ({})", possible.join(", "))?;
    }
    let default: Vec<String> = option
        .get_default_values()
        .iter()
        .map(|value| value.display().to_string())
        .collect();
    if !default.is_empty() && option.get_action().takes_values() {
        write!(help, " [default: {}]", default.join(","))?;
    }
    let help = help.replace('\n', " ").replace('|', "\\|").replace('<', "\\<");
    writeln!(text, "| `{name}` | {environment} | {help} |")
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_option_is_described_once() {
        let text = super::markdown();
        assert_eq!(
            text.matches("| `--data-dir DIR` | `PENTAD_DATA_DIR` |").count(),
            1,
            "{text}"
        );
        assert_eq!(text.matches("| `--listen ADDRESS` |").count(), 1);
        assert!(text.contains("### `pentad keys create`") && text.contains("(`user`, `grep`"));
        assert!(!text.contains("reference"), "what is hidden is not described");
    }
}
