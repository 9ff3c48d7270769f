//! Which lines define something.
//!
//! Decided line by line, by rules for the language that the file's extension tells:
//! indentation, attributes and modifiers are skipped, then the line must begin as a
//! definition does. Comments, imports and strings never are definitions, and prose and
//! data formats have none. Without parsing the file this is a guess, but a good and
//! instant one.

mod c;
mod classes;
mod cursor;
mod javascript;
mod scripts;
mod systems;

use cursor::Cursor;

/// What a line defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The kind, by the language's own word: `fn`, `class`, `#define`, `method`, …
    pub kind: &'static str,
    /// The name, unless it has none or it is on another line.
    pub symbol: Option<String>,
}

impl Definition {
    fn new(kind: &'static str, symbol: &str) -> Option<Self> {
        Some(Self {
            kind,
            symbol: Some(symbol.to_string()),
        })
    }
}

/// Longer lines are looked at up to here.
const LINE_BYTES: usize = 1024;

/// Languages with rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    C,
    Clike(classes::Dialect),
    Elixir,
    Go,
    JavaScript,
    Lua,
    Perl,
    Proto,
    Python,
    Ruby,
    Rust,
    Shell,
    Sql,
    Zig,
}

fn language(path: &str) -> Option<Language> {
    use classes::Dialect::{CSharp, Dart, Java, Kotlin, Php, Scala, Swift};
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name
        .rsplit_once('.')
        .map_or("", |(_, extension)| extension)
        .to_ascii_lowercase();
    Some(match extension.as_str() {
        "c" | "h" | "cc" | "cpp" | "cxx" | "hh" | "hpp" | "hxx" | "inl" | "m" | "mm" | "cu" | "cuh" => {
            Language::C
        }
        "cs" => Language::Clike(CSharp),
        "dart" => Language::Clike(Dart),
        "ex" | "exs" => Language::Elixir,
        "go" => Language::Go,
        "java" | "groovy" | "gradle" => Language::Clike(Java),
        "js" | "jsx" | "mjs" | "cjs" | "ts" | "tsx" | "mts" | "cts" | "vue" | "svelte" => {
            Language::JavaScript
        }
        "kt" | "kts" => Language::Clike(Kotlin),
        "lua" => Language::Lua,
        "php" | "phtml" => Language::Clike(Php),
        "pl" | "pm" => Language::Perl,
        "proto" => Language::Proto,
        "py" | "pyi" | "pyx" => Language::Python,
        "rb" | "rake" | "gemspec" => Language::Ruby,
        "rs" => Language::Rust,
        "scala" | "sbt" => Language::Clike(Scala),
        "sh" | "bash" | "zsh" | "ksh" => Language::Shell,
        "sql" | "psql" => Language::Sql,
        "swift" => Language::Clike(Swift),
        "zig" => Language::Zig,
        _ => return None,
    })
}

/// What the line of the file at `path` defines, if anything.
///
/// ```
/// use pentad_grep_engine::classify_line;
///
/// let definition = classify_line("src/lib.rs", b"    pub(crate) async fn open(&self) {").unwrap();
/// assert_eq!((definition.kind, definition.symbol.as_deref()), ("fn", Some("open")));
/// assert_eq!(classify_line("src/lib.rs", b"    let file = open(path);"), None);
/// assert_eq!(classify_line("notes.md", b"class struggle"), None);
/// ```
pub fn classify_line(path: &str, line: &[u8]) -> Option<Definition> {
    let language = language(path)?;
    let line = String::from_utf8_lossy(&line[..line.len().min(LINE_BYTES)]);
    let cursor = Cursor::new(line.trim_end());
    if cursor.starts_with_any(&["\"", "'", "`", "//", "/*", "* ", "*/"]) {
        return None;
    }
    match language {
        Language::C => c::classify(cursor),
        Language::Clike(dialect) => classes::classify(cursor, dialect),
        Language::Elixir => scripts::elixir(cursor),
        Language::Go => systems::go(cursor),
        Language::JavaScript => javascript::classify(cursor),
        Language::Lua => scripts::lua(cursor),
        Language::Perl => scripts::perl(cursor),
        Language::Proto => systems::proto(cursor),
        Language::Python => scripts::python(cursor),
        Language::Ruby => scripts::ruby(cursor),
        Language::Rust => systems::rust(cursor),
        Language::Shell => scripts::shell(cursor),
        Language::Sql => scripts::sql(cursor),
        Language::Zig => systems::zig(cursor),
    }
}

#[cfg(test)]
mod tests;
