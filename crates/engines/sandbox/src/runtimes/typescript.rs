//! The TypeScript files of a workspace, transpiled before the run so that they can be imported.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::transpiler::{JavaScript, transpile, with_deep_stack};
use crate::error::Result;
use crate::spec::{InputContent, Workspace};

/// Most files of a base directory looked at, and most bytes of one.
const MOST_FILES: usize = 2000;
const MOST_BYTES: u64 = 1 << 20;

/// The name of the program itself.
const MAIN: &str = "main.ts";

/// JavaScript made for a run.
pub(crate) struct Made {
    /// The program itself.
    pub(crate) main: JavaScript,
    /// By path, every TypeScript file outside `node_modules`. A file in error throws its error when it is imported.
    pub(crate) modules: BTreeMap<String, String>,
    /// By path, those that are modules in the form in which they can be required, when anything requires.
    pub(crate) commonjs: BTreeMap<String, String>,
}

/// What is made of a program and its workspace, or the message of a syntax error in the program.
pub(crate) fn program(code: &str, workspace: &Workspace) -> Result<std::result::Result<Made, String>> {
    with_deep_stack(|| {
        let mut made = Made {
            main: transpile(MAIN, code)?,
            modules: BTreeMap::new(),
            commonjs: BTreeMap::new(),
        };
        let requires = |code: &str| code.contains("require") || code.contains("import(");
        let mut any = requires(&made.main.code);
        for (path, javascript) in modules(workspace) {
            any |= requires(&javascript.code);
            if let Some(commonjs) = javascript.commonjs {
                made.commonjs.insert(path.clone(), commonjs);
            }
            made.modules.insert(path, javascript.code);
        }
        if !any {
            made.commonjs.clear();
        }
        Ok(made)
    })
}

fn modules(workspace: &Workspace) -> BTreeMap<String, JavaScript> {
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

fn from_base(base: &Path, made: &mut BTreeMap<String, JavaScript>) {
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

fn transpiled(path: &str, source: &str) -> JavaScript {
    transpile(path, source).unwrap_or_else(|message| JavaScript {
        code: format!("throw new SyntaxError({});", serde_json::Value::from(message)),
        commonjs: None,
    })
}
