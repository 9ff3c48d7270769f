//! Halves of surrogate pairs in JSON text.
//!
//! Programs that count in UTF-16 cut texts in the middle of an emoji. What they then write as `\ud83d` is well formed
//! by the grammar of JSON (RFC 8259, section 8.2), but no reader that knows only Unicode takes it.

use std::borrow::Cow;

const REPLACEMENT: &str = "\\ufffd";
const ESCAPE_BYTES: usize = 6;

/// The same JSON text, in which every half of a surrogate pair that stands alone is U+FFFD.
pub(crate) fn without_lone_surrogates(json: &str) -> Cow<'_, str> {
    let bytes = json.as_bytes();
    let mut clean = String::new();
    let (mut at, mut copied) = (0, 0);
    while let Some(found) = bytes
        .get(at..)
        .and_then(|rest| rest.iter().position(|&byte| byte == b'\\'))
    {
        let escape = at + found;
        at = match (code_unit(bytes, escape), code_unit(bytes, escape + ESCAPE_BYTES)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => escape + 2 * ESCAPE_BYTES,
            (Some(0xd800..=0xdfff), _) => {
                clean.push_str(&json[copied..escape]);
                clean.push_str(REPLACEMENT);
                copied = escape + ESCAPE_BYTES;
                copied
            }
            // Whatever is escaped otherwise begins with one more byte; a backslash, too, begins nothing then.
            _ => escape + 2,
        };
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    clean.push_str(&json[copied..]);
    Cow::Owned(clean)
}

/// The UTF-16 code unit that is written as `\uXXXX` at this place.
fn code_unit(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + ESCAPE_BYTES)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |number, &digit| {
        let digit = char::from(digit).to_digit(16)?;
        Some(number << 4 | u16::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_halves_that_stand_alone_are_replaced() {
        for (json, clean) in [
            (r#""cut \ud83d""#, r#""cut \ufffd""#),
            (
                r#""\uDC00 then \ud83d\uD83d\udE00""#,
                r#""\ufffd then \ufffd\uD83d\udE00""#,
            ),
            (r#""\ud83d\n\udeee""#, r#""\ufffd\n\ufffd""#),
        ] {
            assert_eq!(without_lone_surrogates(json), clean);
            assert!(serde_json::from_str::<String>(clean).is_ok());
        }
    }

    #[test]
    fn what_is_no_half_is_left_as_it_is() {
        for json in [
            "",
            "plain é 😀",
            r#""\ud83d\ude00""#,
            // An escaped backslash before a `u`.
            r#""\\ud83d""#,
            r#""\u00e9 \"\u12""#,
            "\\é\\",
            r"\ud8",
            r"\u+d83",
        ] {
            assert!(
                matches!(without_lone_surrogates(json), Cow::Borrowed(same) if same == json),
                "{json}"
            );
        }
    }
}
