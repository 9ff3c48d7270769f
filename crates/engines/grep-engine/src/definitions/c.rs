//! C, C++ and Objective-C.

use super::Definition;
use super::cursor::{Cursor, is_word};

/// A line that begins with one of these is a statement.
const STATEMENTS: &[&str] = &[
    "return",
    "else",
    "if",
    "for",
    "while",
    "do",
    "switch",
    "case",
    "default",
    "goto",
    "break",
    "continue",
    "throw",
    "new",
    "delete",
    "using",
    "sizeof",
    "co_return",
    "co_await",
    "co_yield",
    "public",
    "private",
    "protected",
];

pub(super) fn classify(mut line: Cursor<'_>) -> Option<Definition> {
    if line.eat("#") {
        return line
            .eat_word("define")
            .then(|| Definition::new("#define", line.name()?))?;
    }
    let top_level = line.at_column_zero();
    if line.eat_word("typedef") {
        return typedef(line);
    }
    if line.eat_word("template") {
        line.skip_brackets('<', '>');
    }
    aggregate(line).or_else(|| if top_level { function(line) } else { None })
}

/// `struct name {`, and the same with the brace on the next line.
fn aggregate(mut line: Cursor<'_>) -> Option<Definition> {
    line.skip_words(&["static", "const", "inline", "extern"]);
    let kind = line.eat_any_word(&["struct", "union", "enum", "class", "namespace"])?;
    if kind == "enum" {
        line.skip_words(&["class", "struct"]);
    }
    while line.skip_brackets('[', ']') {}
    let mut name = line.path(&["::"])?;
    // `struct __packed name {`, `class EXPORT name {`
    while let Some(next) = line.peek_word().filter(|&word| word != "final") {
        name = next;
        line.word();
    }
    line.skip_brackets('<', '>');
    line.eat_word("final");
    let opens = line.is_at_end() || line.starts_with("{") || line.starts_with(":") && !line.starts_with("::");
    opens.then(|| Definition::new(kind, name))?
}

/// The new name is the last one, or the one in `(*name)`.
fn typedef(line: Cursor<'_>) -> Option<Definition> {
    let text = line.rest();
    if let Some((_, after)) = text.split_once("(*") {
        return Definition::new("typedef", Cursor::new(after).name()?);
    }
    let declared = text
        .split([';', '['])
        .next()
        .unwrap_or(text)
        .trim_end_matches(['{', ' ']);
    let declared = if declared.ends_with(')') {
        declared.split('(').next().unwrap_or(declared)
    } else {
        declared
    };
    let end = declared.trim_end();
    let start = end.trim_end_matches(is_word).len();
    let symbol = Some(end[start..].to_string()).filter(|name| !name.is_empty());
    Some(Definition {
        kind: "typedef",
        symbol,
    })
}

/// Type words, a name and an opening parenthesis, and not a declaration.
fn function(line: Cursor<'_>) -> Option<Definition> {
    let text = line.rest();
    if text.ends_with(';') || line.peek_word().is_none_or(|word| STATEMENTS.contains(&word)) {
        return None;
    }
    let head = match text.find("operator") {
        Some(at) => &text[..at + text[at..].find('(')?],
        None => text.split_once('(')?.0.trim_end(),
    };
    let operator = head.find("operator").filter(|_| head.contains("operator"));
    let start = operator.unwrap_or_else(|| {
        head.trim_end_matches(|c: char| is_word(c) || c == ':' || c == '~')
            .len()
    });
    let (types, name) = head.split_at(start);
    let is_type = |c: char| is_word(c) || " \t*&:<>,\"[]".contains(c);
    let qualified = name.contains("::");
    if name.is_empty()
        || types.contains("<<")
        || !types.chars().all(is_type)
        || types.trim().is_empty() && !qualified
    {
        return None;
    }
    Definition::new("function", name.rsplit("::").next().unwrap_or(name))
}
