//! The languages of classes and braces: Java, C#, Kotlin, Swift, Scala, PHP, Dart.

use super::Definition;
use super::cursor::{Cursor, is_word};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    CSharp,
    Dart,
    Java,
    Kotlin,
    Php,
    Scala,
    Swift,
}

const MODIFIERS: &[&str] = &[
    "public",
    "private",
    "protected",
    "internal",
    "fileprivate",
    "static",
    "final",
    "abstract",
    "sealed",
    "override",
    "virtual",
    "async",
    "partial",
    "readonly",
    "unsafe",
    "extern",
    "native",
    "synchronized",
    "transient",
    "volatile",
    "default",
    "strictfp",
    "open",
    "data",
    "inline",
    "suspend",
    "operator",
    "infix",
    "tailrec",
    "external",
    "lateinit",
    "companion",
    "inner",
    "value",
    "annotation",
    "implicit",
    "lazy",
    "mutating",
    "nonmutating",
    "indirect",
    "required",
    "convenience",
    "dynamic",
    "expect",
    "actual",
    "ref",
    "new",
    "file",
    "case",
    "opaque",
    "transparent",
    "erased",
];

/// A line that begins with one of these is a statement.
const STATEMENTS: &[&str] = &[
    "return",
    "throw",
    "new",
    "else",
    "await",
    "yield",
    "if",
    "for",
    "foreach",
    "while",
    "do",
    "switch",
    "case",
    "assert",
    "delete",
    "typeof",
    "using",
    "lock",
    "goto",
    "package",
    "import",
    "catch",
    "try",
    "finally",
    "when",
    "match",
    "echo",
    "print",
    "require",
    "include",
    "use",
    "let",
    "var",
    "val",
    "guard",
    "defer",
    "super",
    "this",
    "base",
    "in",
    "is",
    "as",
    "default",
    "checked",
    "unchecked",
    "fixed",
    "synchronized",
];

pub(super) fn classify(line: Cursor<'_>, dialect: Dialect) -> Option<Definition> {
    if dialect == Dialect::Php && line.starts_with("#") && !line.starts_with("#[") {
        return None;
    }
    let mut line = without_attributes(line, dialect);
    if line.eat("@interface") {
        return Definition::new("@interface", line.name()?);
    }
    let before_modifiers = line;
    line.skip_words(MODIFIERS);
    if line.starts_with("-sealed") {
        line = Cursor::new(line.rest().trim_start_matches("-sealed"));
    }
    declaration(line, dialect).or_else(|| method(before_modifiers, dialect))
}

/// Annotations (`@Test`, `@Route("/")`) and attributes (`[Fact]`, `#[Pure]`) on the line.
fn without_attributes(mut line: Cursor<'_>, dialect: Dialect) -> Cursor<'_> {
    loop {
        let mut after = line;
        let skipped = match dialect {
            Dialect::CSharp => after.skip_brackets('[', ']'),
            Dialect::Php => after.eat("#") && after.skip_brackets('[', ']'),
            _ => {
                let annotated =
                    after.eat("@") && after.path(&[".", ":"]).is_some_and(|name| name != "interface");
                if annotated {
                    after.skip_brackets('(', ')');
                }
                annotated
            }
        };
        if !skipped {
            return line;
        }
        line = after;
    }
}

fn declaration(mut line: Cursor<'_>, dialect: Dialect) -> Option<Definition> {
    let mut kind = line.eat_any_word(&[
        "class",
        "interface",
        "enum",
        "record",
        "struct",
        "object",
        "protocol",
        "extension",
        "trait",
        "namespace",
        "actor",
        "fun",
        "func",
        "function",
        "def",
        "typealias",
        "mixin",
    ])?;
    if kind == "fun" && dialect == Dialect::Kotlin && line.eat_word("interface") {
        kind = "interface";
    }
    if matches!(kind, "enum" | "record") && line.eat_any_word(&["class", "struct", "case"]).is_some() {
        // Kotlin `enum class`, C# `record struct`, Swift `indirect enum`.
    }
    line.skip_brackets('<', '>');
    line.eat("&");
    let name = match kind {
        "func" if line.peek_word().is_none() => {
            // Swift operators: `static func == (a: A, b: A)`
            let operator = line.rest().split([' ', '(']).next()?;
            line.eat(operator);
            operator
        }
        "namespace" => line.path(&[".", "\\"])?,
        "fun" => {
            // `fun <T> List<T>.last(): T`
            let head = line.rest().split('(').next().unwrap_or_default().trim_end();
            let start = head.trim_end_matches(is_word).len();
            line = Cursor::new(&line.rest()[head.len()..]);
            Some(&head[start..]).filter(|name| !name.is_empty())?
        }
        "extension" => line.path(&["."])?,
        _ => line.name()?,
    };
    let follows: &[&str] = match kind {
        "fun" | "func" | "function" => &["(", "<"],
        "record" => &["(", "<", "{", ":", ";"],
        _ => &[
            "(",
            "<",
            "{",
            ":",
            ";",
            "[",
            "=",
            "extends",
            "implements",
            "with",
            "where",
            "permits",
            "on",
            "private",
            "derives",
        ],
    };
    let opens = line.is_at_end() || line.starts_with_any(follows);
    opens.then(|| Definition::new(kind, name))?
}

/// Modifiers or a type, a name, parameters, and a body or the end of an abstract method.
fn method(line: Cursor<'_>, dialect: Dialect) -> Option<Definition> {
    if !matches!(dialect, Dialect::Java | Dialect::CSharp | Dialect::Dart) {
        return None;
    }
    let mut after = line;
    after.skip_words(MODIFIERS);
    let modified = after.rest().len() < line.rest().len();
    after.skip_brackets('<', '>');
    if line.peek_word() == Some("new") || after.peek_word().is_none_or(|word| STATEMENTS.contains(&word)) {
        return None;
    }
    let (head, parameters) = after.rest().split_once('(')?;
    let head = head.trim_end();
    let head = if head.ends_with('>') {
        &head[..head.rfind('<')?]
    } else {
        head
    };
    let start = head.trim_end_matches(is_word).len();
    let (types, name) = head.split_at(start);
    let is_type = |c: char| is_word(c) || " \t<>,.?[]&*:".contains(c);
    // `a.b(…)` is a call, and so is `f(…)` without modifiers or a type.
    if name.is_empty() || !types.chars().all(is_type) || types.ends_with(['.', ',', ':']) {
        return None;
    }
    let typed = !types.trim().is_empty();
    let ends = |ends: &[&str]| ends.iter().any(|end| parameters.ends_with(end));
    let opens = ends(&["{", "=", "=>", "{}", "{ }", "}"]) || parameters.contains("=>");
    let declares =
        typed && ends(&[";", "(", ",", ")", ""]) || modified && (ends(&[",", ")"]) || parameters.is_empty());
    let constructs = !typed && opens && parameters.contains(')') && name.starts_with(char::is_uppercase);
    ((typed || modified) && opens || declares || constructs).then(|| Definition::new("method", name))?
}
