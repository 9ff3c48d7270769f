//! Python, Ruby, Elixir, Lua, Perl, shell and SQL.

use super::Definition;
use super::cursor::Cursor;

pub(super) fn python(mut line: Cursor<'_>) -> Option<Definition> {
    line.skip_words(&["async", "cdef", "cpdef"]);
    let kind = line.eat_any_word(&["def", "class"])?;
    Definition::new(kind, line.name()?)
}

pub(super) fn ruby(mut line: Cursor<'_>) -> Option<Definition> {
    line.skip_words(&[
        "private",
        "protected",
        "public",
        "private_class_method",
        "module_function",
    ]);
    let kind = line.eat_any_word(&["def", "class", "module"])?;
    if line.eat("<<") {
        return Some(Definition { kind, symbol: None });
    }
    if kind == "def" && line.peek_word().is_none() {
        // Operators: `def ==(other)`, `def [](key)`
        let end = line.rest().find([' ', '(']).unwrap_or(line.rest().len());
        return (end > 0).then(|| Definition::new(kind, &line.rest()[..end]))?;
    }
    let path = line.path(&[".", "::"])?;
    let name = path.rsplit(['.', ':']).next().unwrap_or(path);
    let suffix = line
        .rest()
        .chars()
        .next()
        .filter(|c| kind == "def" && matches!(c, '?' | '!' | '='));
    Definition::new(kind, &name.chars().chain(suffix).collect::<String>())
}

pub(super) fn elixir(mut line: Cursor<'_>) -> Option<Definition> {
    let kind = line.eat_any_word(&[
        "defmodule",
        "def",
        "defp",
        "defmacro",
        "defmacrop",
        "defprotocol",
        "defimpl",
        "defguard",
        "defguardp",
        "defdelegate",
    ])?;
    Definition::new(kind, line.path(&["."])?)
}

pub(super) fn lua(mut line: Cursor<'_>) -> Option<Definition> {
    if line.starts_with("--") {
        return None;
    }
    line.eat_word("local");
    if line.eat_word("function") {
        return Definition::new("function", line.path(&[".", ":"])?);
    }
    let name = line.path(&[".", ":"])?;
    (line.eat("=") && line.eat_word("function")).then(|| Definition::new("function", name))?
}

pub(super) fn perl(mut line: Cursor<'_>) -> Option<Definition> {
    let kind = line.eat_any_word(&["sub", "package"])?;
    Definition::new(kind, line.path(&["::"])?)
}

pub(super) fn shell(mut line: Cursor<'_>) -> Option<Definition> {
    let shell_name = |line: Cursor<'_>| {
        let end = line
            .rest()
            .find(|c: char| !(c.is_alphanumeric() || "_-.:+".contains(c)))
            .unwrap_or(line.rest().len());
        (end > 0).then(|| (line.rest()[..end].to_string(), line.rest()[end..].to_string()))
    };
    if line.eat_word("function") {
        return Definition::new("function", &shell_name(line)?.0);
    }
    let (name, rest) = shell_name(line)?;
    let mut rest = Cursor::new(&rest);
    let parentheses = rest.eat("(") && rest.eat(")");
    (parentheses && (rest.is_at_end() || rest.starts_with_any(&["{", "("])))
        .then(|| Definition::new("function", &name))?
}

/// `CREATE … TABLE name`, in any case.
pub(super) fn sql(mut line: Cursor<'_>) -> Option<Definition> {
    const KINDS: &[&str] = &[
        "table",
        "view",
        "function",
        "index",
        "trigger",
        "procedure",
        "type",
        "schema",
        "sequence",
        "domain",
        "database",
    ];
    if !line.word()?.eq_ignore_ascii_case("create") {
        return None;
    }
    for _ in 0..6 {
        let word = line.word()?.to_ascii_lowercase();
        let Some(kind) = KINDS.iter().find(|kind| **kind == word) else {
            continue;
        };
        for filler in ["concurrently", "if", "not", "exists"] {
            if line
                .peek_word()
                .is_some_and(|word| word.eq_ignore_ascii_case(filler))
            {
                line.word();
            }
        }
        let quoted = line.rest().trim_start_matches(['"', '`', '[']);
        return Definition::new(kind, Cursor::new(quoted).path(&[".", "\".\"", "`.`", "].["])?);
    }
    None
}
