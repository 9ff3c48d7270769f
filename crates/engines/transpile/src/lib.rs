//! TypeScript to JavaScript in process.
//!
//! What of TypeScript has a run-time meaning is translated (enums, namespaces, parameter properties), types are
//! erased, modules stay modules. Decorators are left as they are, and nothing is type-checked. A small
//! program takes some ten microseconds, against half a second for a compiler in a process of its own.
//! [`commonjs`] makes of a module what can be required.
//!
//! ```
//! let js = pentad_transpile::transpile("main.ts", "enum Level { Low = 1, High }\nconsole.log(Level.High as number)")?;
//! assert!(js.code.contains("High"));
//! assert!(!js.code.contains("as number"));
//! # Ok::<(), pentad_transpile::TranspileError>(())
//! ```

mod commonjs;

use std::path::Path;

pub use commonjs::commonjs;
use oxc::allocator::Allocator;
use oxc::codegen::{Codegen, CodegenOptions};
use oxc::diagnostics::OxcDiagnostic;
use oxc::parser::Parser;
use oxc::semantic::SemanticBuilder;
use oxc::span::SourceType;
use oxc::transformer::{TransformOptions, Transformer};

/// JavaScript made from TypeScript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JavaScript {
    /// The code, ending in a source map comment, so that stack traces name the lines of the source.
    pub code: String,
}

/// The source is not TypeScript; the message names line and column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TranspileError {
    message: String,
}

/// Translates one file. `name` decides by its ending between TypeScript (`.ts`, `.mts`, `.cts`) and TSX (`.tsx`)
/// and appears in error messages.
///
/// # Errors
/// When the source has syntax errors.
pub fn transpile(name: &str, source: &str) -> Result<JavaScript, TranspileError> {
    let path = Path::new(name);
    let source_type = SourceType::from_path(path).unwrap_or_else(|_| SourceType::ts());
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, source, source_type).parse();
    refuse(parsed.diagnostics.iter(), name, source)?;
    let mut program = parsed.program;
    let semantic = SemanticBuilder::new().with_enum_eval(true).build(&program);
    refuse(semantic.diagnostics.iter(), name, source)?;
    let scoping = semantic.semantic.into_scoping();
    let options = TransformOptions::default();
    let transformed = Transformer::new(&allocator, path, &options).build_with_scoping(scoping, &mut program);
    refuse(transformed.diagnostics.iter(), name, source)?;
    let options = CodegenOptions {
        source_map_path: Some(path.to_owned()),
        ..CodegenOptions::default()
    };
    let printed = Codegen::new().with_options(options).build(&program);
    let mut code = printed.code;
    if let Some(map) = printed.map {
        code.push_str("\n//# sourceMappingURL=");
        code.push_str(&map.to_data_url());
        code.push('\n');
    }
    Ok(JavaScript { code })
}

/// Turns the first diagnostics that are errors into one, in the manner of `tsc`.
fn refuse<'a>(
    diagnostics: impl Iterator<Item = &'a OxcDiagnostic>,
    name: &str,
    source: &str,
) -> Result<(), TranspileError> {
    let messages: Vec<String> = diagnostics
        .filter(|diagnostic| diagnostic.severity == oxc::diagnostics::Severity::Error)
        .take(10)
        .map(|diagnostic| {
            let offset = diagnostic
                .labels
                .first()
                .map_or(0, |label| label.offset() as usize);
            let before = source.get(..offset).unwrap_or("");
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
            format!("{name}:{line}:{column} - SyntaxError: {}", diagnostic.message)
        })
        .collect();
    if messages.is_empty() {
        Ok(())
    } else {
        Err(TranspileError {
            message: messages.join("\n"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(source: &str) -> String {
        transpile("main.ts", source).expect(source).code
    }

    #[test]
    fn translates_what_has_a_meaning_at_run_time() {
        assert!(code("enum C { A = 1, B }").contains("C[C[\"B\"] = 2] = \"B\""));
        assert!(code("namespace N { export const x: number = 3 } N.x").contains("N.x = 3"));
        assert!(code("class P { constructor(private v: number) {} }").contains("this.v = v"));
    }

    #[test]
    fn erases_types_and_keeps_the_rest() {
        let made =
            code("interface U { n: string }\nconst f = <T,>(x: T): T => x;\nlet y = f(1) satisfies number;");
        for gone in ["interface", "satisfies", ": T"] {
            assert!(!made.split("//#").next().expect("code").contains(gone), "{made}");
        }
    }

    #[test]
    fn modules_and_top_level_await_stay() {
        let made = code(
            "import { createHash } from 'node:crypto';\nimport type { X } from './x';\nawait createHash('md5');",
        );
        assert!(made.contains("import { createHash } from \"node:crypto\""));
        assert!(!made.contains("./x"));
        assert!(made.contains("await"));
    }

    #[test]
    fn names_the_place_of_an_error() {
        let error = transpile("main.ts", "const a = 1;\nconst x: = 3").expect_err("a syntax error");
        assert!(
            error.to_string().starts_with("main.ts:2:10 - SyntaxError"),
            "{error}"
        );
    }

    #[test]
    fn carries_a_source_map() {
        assert!(code("let a: number = 1").contains("//# sourceMappingURL=data:application/json"));
    }
}
