//! JavaScript and TypeScript.

use super::Definition;
use super::cursor::Cursor;

/// `name(…) {` that begins with one of these is a statement, not a method.
const STATEMENTS: &[&str] = &[
    "if", "for", "while", "switch", "catch", "with", "function", "return", "do", "else", "try", "throw",
    "new", "await", "yield", "typeof", "case", "default", "delete", "void", "super", "import", "describe",
    "it", "test",
];

pub(super) fn classify(mut line: Cursor<'_>) -> Option<Definition> {
    while line.eat("@") {
        line.path(&["."])?;
        line.skip_brackets('(', ')');
    }
    let before_modifiers = line;
    line.skip_words(&["export", "default", "declare", "abstract", "async", "global"]);
    if line.peek_word() == Some("const") {
        let mut after = line;
        after.word();
        if after.peek_word() == Some("enum") {
            line = after;
        }
    }
    let mut after = line;
    match after.eat_any_word(&[
        "function",
        "class",
        "interface",
        "enum",
        "namespace",
        "module",
        "type",
        "const",
        "let",
        "var",
    ]) {
        Some("function") => {
            after.eat("*");
            return Some(Definition {
                kind: "function",
                symbol: after.name().map(str::to_string),
            });
        }
        Some("type") => {
            let name = after.name();
            after.skip_brackets('<', '>');
            if let Some(name) = name.filter(|_| after.starts_with("=") || after.is_at_end()) {
                return Definition::new("type", name);
            }
        }
        Some("class") => {
            let symbol = after.name().filter(|name| *name != "extends").map(str::to_string);
            if symbol.is_some() || after.starts_with_any(&["{", "extends"]) {
                return Some(Definition {
                    kind: "class",
                    symbol,
                });
            }
        }
        Some(kind @ ("const" | "let" | "var")) => return function_value(after, kind),
        Some(kind) => {
            // `module.exports` and `enum` as a property are no definitions.
            if let Some(name) = after
                .path(&["."])
                .filter(|_| after.is_at_end() || after.starts_with_any(&["{", "<", "extends"]))
            {
                return Definition::new(kind, name);
            }
        }
        None => {}
    }
    method(before_modifiers)
}

/// `X = (…) =>`, `X = x =>` or `X = function`, after the keyword `kind`.
fn function_value(mut line: Cursor<'_>, kind: &'static str) -> Option<Definition> {
    let name = line.name()?;
    let text = line.rest();
    let assigned = text.char_indices().find(|&(at, character)| {
        let (before, after) = (&text[..at], &text[at + character.len_utf8()..]);
        character == '=' && !after.starts_with(['=', '>']) && !before.ends_with(['=', '!', '<', '>'])
    });
    let mut value = Cursor::new(&text[assigned?.0 + 1..]);
    value.eat_word("async");
    if value.eat_word("function") {
        return Definition::new(kind, name);
    }
    value.skip_brackets('<', '>');
    if value.skip_brackets('(', ')') {
        // What follows the parameters may be a return type.
        let arrow = value
            .rest()
            .find("=>")
            .is_some_and(|_| value.starts_with("=>") || value.starts_with(":"));
        return arrow.then(|| Definition::new(kind, name))?;
    }
    value.name()?;
    value.starts_with("=>").then(|| Definition::new(kind, name))?
}

/// A member of a class or an object: `name(…) {`.
fn method(mut line: Cursor<'_>) -> Option<Definition> {
    if !line.rest().ends_with('{') {
        return None;
    }
    loop {
        let mut after = line;
        let modifier = after.eat_any_word(&[
            "public",
            "private",
            "protected",
            "static",
            "readonly",
            "override",
            "abstract",
            "async",
            "get",
            "set",
        ]);
        // `get() {` is a method called get.
        if modifier.is_none() || after.starts_with("(") {
            break;
        }
        line = after;
    }
    line.eat("*");
    line.eat("#");
    let name = line.name().filter(|name| !STATEMENTS.contains(name))?;
    line.skip_brackets('<', '>');
    if !line.starts_with("(") {
        return None;
    }
    line.skip_brackets('(', ')');
    // Behind the parameters: the body, or a return type and the body. `f(() => {` is a call.
    let body = line.starts_with("{") || line.starts_with(":");
    body.then(|| Definition::new("method", name))?
}
