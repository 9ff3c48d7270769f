//! The TypeScript files of a workspace, transpiled before the run so that they can be imported.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::transpiler::{Transpiled, transpile, with_deep_stack};
use crate::error::Result;
use crate::spec::{InputContent, Workspace};

/// Most files of a base directory looked at, and most bytes of one.
const MOST_FILES: usize = 2000;
const MOST_BYTES: u64 = 1 << 20;

/// The program itself, and JavaScript by path for every TypeScript file outside `node_modules`. A file in error
/// throws its error when it is imported.
pub(crate) fn program(code: &str, workspace: &Workspace) -> Result<(Transpiled, BTreeMap<String, String>)> {
    with_deep_stack(|| (transpile("main.ts", code), modules(workspace)))
}

fn modules(workspace: &Workspace) -> BTreeMap<String, String> {
    let mut made = BTreeMap::new();
    if let Some(base) = &workspace.base {
        from_base(base, &mut made);
    }
    for file in &workspace.files {
        let path = file.path.as_str();
        if let InputContent::File { bytes, .. } = &file.content
            && is_typescript(path)
            && let Ok(source) = std::str::from_utf8(bytes)
        {
            made.insert(path.to_owned(), transpiled(path, source));
        }
    }
    made
}

fn from_base(base: &Path, made: &mut BTreeMap<String, String>) {
    let mut pending = vec![String::new()];
    let mut seen = 0;
    while let Some(prefix) = pending.pop() {
        let Ok(entries) = fs::read_dir(base.join(&prefix)) else {
            continue;
        };
        for entry in entries.flatten() {
            let (Ok(kind), Ok(name)) = (entry.file_type(), entry.file_name().into_string()) else {
                continue;
            };
            let path = format!("{prefix}{name}");
            seen += 1;
            if seen > MOST_FILES {
                return;
            }
            if kind.is_dir() && name != "node_modules" {
                pending.push(path + "/");
            } else if kind.is_file()
                && is_typescript(&path)
                && entry.metadata().is_ok_and(|found| found.len() <= MOST_BYTES)
                && let Ok(source) = fs::read_to_string(entry.path())
            {
                let code = transpiled(&path, &source);
                made.insert(path, code);
            }
        }
    }
}

fn is_typescript(path: &str) -> bool {
    [".ts", ".mts", ".cts", ".tsx"]
        .iter()
        .any(|ending| path.ends_with(ending))
        && !path.ends_with(".d.ts")
}

fn transpiled(path: &str, source: &str) -> String {
    match transpile(path, source) {
        Ok(code) => code,
        Err(message) => {
            format!("throw new SyntaxError({});", serde_json::Value::from(message))
        }
    }
}
