//! Rust, Go, Zig and protocol buffers.

use super::Definition;
use super::cursor::Cursor;

pub(super) fn rust(mut line: Cursor<'_>) -> Option<Definition> {
    while line.starts_with("#[") || line.starts_with("#![") {
        line.eat("#");
        line.eat("!");
        line.skip_brackets('[', ']');
    }
    loop {
        if line.eat_word("pub") {
            line.skip_brackets('(', ')');
        } else if line.eat_word("extern") {
            if line.eat("\"") {
                let abi = line.rest().find('"')?;
                line = Cursor::new(&line.rest()[abi + 1..]);
            }
        } else if line.peek_word() == Some("const") {
            let mut after = line;
            after.word();
            if !matches!(after.peek_word(), Some("fn" | "unsafe" | "async" | "extern")) {
                break;
            }
            line = after;
        } else if line
            .eat_any_word(&["default", "async", "unsafe", "safe", "auto"])
            .is_none()
        {
            break;
        }
    }
    if line.eat("macro_rules!") {
        return Definition::new("macro_rules!", line.name()?);
    }
    let kind = line.eat_any_word(&[
        "fn", "struct", "enum", "union", "trait", "impl", "mod", "type", "const", "static",
    ])?;
    match kind {
        "impl" => {
            line.skip_brackets('<', '>');
            let target = line
                .rest()
                .rsplit_once(" for ")
                .map_or(line.rest(), |(_, target)| target);
            let mut target = Cursor::new(target.trim_start_matches(['&', '!', '*']));
            target.skip_words(&["dyn", "mut"]);
            let path = target.path(&["::"])?;
            Definition::new(kind, path.rsplit("::").next().unwrap_or(path))
        }
        "static" => {
            line.eat_word("mut");
            Definition::new(kind, line.name()?)
        }
        _ => {
            line.eat("r#");
            Definition::new(kind, line.name()?)
        }
    }
}

pub(super) fn go(mut line: Cursor<'_>) -> Option<Definition> {
    let top_level = line.at_column_zero();
    let kind = line.eat_any_word(&["func", "type", "var", "const"])?;
    match kind {
        "func" if line.skip_brackets('(', ')') => Definition::new("method", line.name()?),
        "func" | "type" => Definition::new(kind, line.name()?),
        _ if top_level => Definition::new(kind, line.name()?),
        _ => None,
    }
}

pub(super) fn zig(mut line: Cursor<'_>) -> Option<Definition> {
    line.skip_words(&["pub", "export", "extern", "inline", "noinline", "threadlocal"]);
    let top_level = line.at_column_zero();
    match line.eat_any_word(&["fn", "const", "var"])? {
        "fn" => Definition::new("fn", line.name()?),
        kind => {
            let name = line.name()?;
            let is_type = line.eat("=") && {
                line.skip_words(&["packed", "extern"]);
                line.eat_any_word(&["struct", "enum", "union", "opaque", "error"])
                    .is_some()
            };
            if is_type || top_level {
                Definition::new(kind, name)
            } else {
                None
            }
        }
    }
}

pub(super) fn proto(mut line: Cursor<'_>) -> Option<Definition> {
    let kind = line.eat_any_word(&["message", "service", "enum", "rpc", "extend"])?;
    let name = line.path(&["."])?;
    (line.is_at_end() || line.starts_with_any(&["{", "("])).then(|| Definition::new(kind, name))?
}
