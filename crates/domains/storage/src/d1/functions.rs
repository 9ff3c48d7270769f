//! Functions of SQLite whose own versions take time that grows with the product of their arguments.
//!
//! SQLite looks at the clock between instructions, and a call of a function is one instruction: two texts of a
//! megabyte keep its `instr`, `replace`, `trim` or `unhex` busy for minutes. These give the same answers in time that
//! grows with the sum.

use std::collections::HashSet;

use memchr::memmem;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error, Result, ffi};

#[derive(Clone, Copy)]
enum Side {
    Both,
    Left,
    Right,
}

pub(super) fn install(connection: &Connection, longest: usize) -> Result<()> {
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("instr", 2, flags, instr)?;
    connection.create_scalar_function("replace", 3, flags, move |context: &Context<'_>| {
        replace(context, longest)
    })?;
    for (name, side) in [
        ("trim", Side::Both),
        ("ltrim", Side::Left),
        ("rtrim", Side::Right),
    ] {
        for arguments in [1, 2] {
            connection.create_scalar_function(name, arguments, flags, move |context: &Context<'_>| {
                trim(context, side)
            })?;
        }
    }
    connection.create_scalar_function("unhex", 2, flags, unhex)?;
    Ok(())
}

/// The bytes of a value as text, or `None` for NULL.
fn bytes(value: ValueRef<'_>) -> Option<Vec<u8>> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string().into_bytes()),
        ValueRef::Real(number) => Some(real(number).into_bytes()),
        ValueRef::Text(text) | ValueRef::Blob(text) => Some(text.to_vec()),
    }
}

/// A number as SQLite casts it to text: fifteen digits, and never without a point or an exponent.
fn real(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{number:.14e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-5..15).contains(&exponent) {
        let decimals = usize::try_from(14 - exponent).unwrap_or(0);
        with_point(&format!("{number:.decimals$}"))
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", with_point(mantissa), exponent.abs())
    }
}

/// Without the zeros at the end, but with one digit behind the point.
fn with_point(digits: &str) -> String {
    if !digits.contains('.') {
        return format!("{digits}.0");
    }
    let short = digits.trim_end_matches('0');
    if short.ends_with('.') {
        format!("{short}0")
    } else {
        short.to_owned()
    }
}

/// `instr(X, Y)`: where Y first stands in X, counted from 1; in characters, or in bytes if both are blobs.
fn instr(context: &Context<'_>) -> Result<Option<i64>> {
    let (haystack, needle) = (context.get_raw(0), context.get_raw(1));
    let in_bytes = matches!((haystack, needle), (ValueRef::Blob(_), ValueRef::Blob(_)));
    let (Some(haystack), Some(needle)) = (bytes(haystack), bytes(needle)) else {
        return Ok(None);
    };
    let place = memmem::find(&haystack, &needle).map(|at| {
        if in_bytes {
            at
        } else {
            // Whatever does not continue a character begins one.
            haystack[..at].iter().filter(|&&byte| byte & 0xC0 != 0x80).count()
        }
    });
    Ok(Some(place.map_or(0, |place| {
        i64::try_from(place).unwrap_or(i64::MAX).saturating_add(1)
    })))
}

/// `replace(X, Y, Z)`: X with Z for every Y.
fn replace(context: &Context<'_>, longest: usize) -> Result<Value> {
    let (Some(text), Some(old), Some(new)) = (
        bytes(context.get_raw(0)),
        bytes(context.get_raw(1)),
        bytes(context.get_raw(2)),
    ) else {
        return Ok(Value::Null);
    };
    if old.is_empty() {
        return Ok(as_text(text));
    }
    let mut replaced = Vec::with_capacity(text.len());
    let mut from = 0;
    let mut push = |part: &[u8]| {
        if replaced.len() + part.len() > longest {
            return Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_TOOBIG), None));
        }
        replaced.extend_from_slice(part);
        Ok(())
    };
    for at in memmem::find_iter(&text, &old) {
        push(&text[from..at])?;
        push(&new)?;
        from = at + old.len();
    }
    push(&text[from..])?;
    Ok(as_text(replaced))
}

/// `trim(X)`, `trim(X, Y)`: X without the characters of Y, or spaces, at its ends.
fn trim(context: &Context<'_>, side: Side) -> Result<Value> {
    let Some(text) = bytes(context.get_raw(0)) else {
        return Ok(Value::Null);
    };
    let characters = match context.len() {
        1 => b" ".to_vec(),
        _ => match bytes(context.get_raw(1)) {
            Some(characters) => characters,
            None => return Ok(Value::Null),
        },
    };
    let unwanted = Characters::of(&characters);
    let text = String::from_utf8_lossy(&text);
    let is_unwanted = |character: char| unwanted.contain(character);
    let trimmed = match side {
        Side::Both => text.trim_matches(is_unwanted),
        Side::Left => text.trim_start_matches(is_unwanted),
        Side::Right => text.trim_end_matches(is_unwanted),
    };
    Ok(Value::Text(trimmed.to_owned()))
}

/// `unhex(X, Y)`: the bytes for which the digits of X stand, between whose pairs there may be characters of Y.
fn unhex(context: &Context<'_>) -> Result<Option<Vec<u8>>> {
    let (Some(text), Some(between)) = (bytes(context.get_raw(0)), bytes(context.get_raw(1))) else {
        return Ok(None);
    };
    let between = Characters::of(&between);
    let text = String::from_utf8_lossy(&text);
    // SQLite reads as far as the first NUL.
    let mut characters = text.chars().take_while(|character| *character != '\0');
    let mut decoded = Vec::with_capacity(text.len() / 2);
    while let Some(character) = characters.next() {
        match character.to_digit(16) {
            Some(high) => match characters.next().and_then(|low| low.to_digit(16)) {
                Some(low) => decoded.push(((high << 4) | low) as u8),
                None => return Ok(None),
            },
            None if between.contain(character) => {}
            None => return Ok(None),
        }
    }
    Ok(Some(decoded))
}

/// A set of characters, most of them of ASCII, for which a table answers.
struct Characters {
    ascii: [bool; 128],
    others: HashSet<char>,
}

impl Characters {
    fn of(text: &[u8]) -> Self {
        let mut all = Self {
            ascii: [false; 128],
            others: HashSet::new(),
        };
        for character in String::from_utf8_lossy(text).chars() {
            match all.ascii.get_mut(character as usize) {
                Some(known) => *known = true,
                None => {
                    all.others.insert(character);
                }
            }
        }
        all
    }

    fn contain(&self, character: char) -> bool {
        match self.ascii.get(character as usize) {
            Some(known) => *known,
            None => self.others.contains(&character),
        }
    }
}

fn as_text(bytes: Vec<u8>) -> Value {
    Value::Text(
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every expression gives what SQLite's own function gives.
    #[test]
    fn the_answers_are_those_of_sqlite() {
        let own = Connection::open_in_memory().unwrap();
        let ours = Connection::open_in_memory().unwrap();
        install(&ours, 1 << 20).unwrap();
        for expression in [
            "instr('häuser', 'user')",
            "instr('abc', '')",
            "instr('', 'a')",
            "instr('abc', 'd')",
            "instr(NULL, 'a')",
            "instr('a', NULL)",
            "instr(x'00ff10', x'ff')",
            "instr('äb', x'62')",
            "instr(12345, 34)",
            "instr(1.5, '.')",
            "instr(100.0, '.')",
            "replace('aaa', 'a', 'bb')",
            "replace('abc', '', 'x')",
            "replace('abc', 'c', '')",
            "replace('aXbX', 'X', 1)",
            "replace(1.25, '.', ',')",
            "replace(1e20, 'e', 'E')",
            "replace(1e-7, 'e', 'E')",
            "replace(0.1 + 0.2, '0', 'o')",
            "replace(1e15, '0', 'o')",
            "replace(123456789012345678.0, '0', 'o')",
            "replace(1e999, 'I', 'i')",
            "replace(NULL, 'a', 'b')",
            "replace('a', NULL, 'b')",
            "typeof(replace(x'61', 'b', 'c'))",
            "trim('  a b  ')",
            "trim('xxaxx', 'x')",
            "ltrim('yxaxy', 'xy')",
            "rtrim('yxaxy', 'xy')",
            "trim('äöaöä', 'äö')",
            "trim('abc', '')",
            "trim(NULL)",
            "trim('a', NULL)",
            "trim('')",
            "trim(500, 0)",
            "rtrim(500, 0)",
            "unhex('41-42 43', '- ')",
            "unhex('4-1', '-')",
            "unhex('414', '')",
            "unhex('-', '-')",
            "unhex('ä61ä', 'ä')",
            "unhex('6a', 'a')",
            "unhex('xy', 'x')",
            "unhex(x'610031', '')",
            "unhex(41, '')",
            "unhex('', '')",
            "unhex(NULL, '')",
            "unhex('61', NULL)",
        ] {
            let of = |connection: &Connection| {
                connection
                    .query_row(&format!("SELECT {expression}"), [], |row| row.get::<_, Value>(0))
                    .unwrap()
            };
            assert_eq!(of(&ours), of(&own), "{expression}");
        }
    }

    #[test]
    fn a_text_does_not_grow_beyond_its_limit() {
        let connection = Connection::open_in_memory().unwrap();
        install(&connection, 1_000).unwrap();
        let sql = "SELECT replace(hex(zeroblob(100)), '0', hex(zeroblob(100)))";
        let error = connection.query_row(sql, [], |row| row.get::<_, Value>(0));
        assert!(error.is_err());
    }
}
