//! From uploaded bytes to searchable text.

/// What [`decode_text`] made of a file's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// Text to search. It need not be valid UTF-8: bytes that are not stay as they are.
    Text(Vec<u8>),
    /// The file holds a NUL byte, so it is not text.
    Binary,
}

/// Decides whether a file is text, and undoes its encoding marks, as ripgrep does.
///
/// A UTF-8 byte order mark is dropped; UTF-16 with a byte order mark, of either
/// endianness, becomes UTF-8 (an unpaired surrogate becomes U+FFFD). A NUL byte
/// anywhere in what remains makes the file [`Decoded::Binary`].
///
/// ```
/// use pentad_grep_engine::{Decoded, decode_text};
///
/// assert_eq!(decode_text(b"\xef\xbb\xbfhi".to_vec()), Decoded::Text(b"hi".to_vec()));
/// assert_eq!(decode_text(b"\xff\xfeh\0i\0".to_vec()), Decoded::Text(b"hi".to_vec()));
/// assert_eq!(decode_text(b"ELF\0".to_vec()), Decoded::Binary);
/// ```
pub fn decode_text(mut bytes: Vec<u8>) -> Decoded {
    let text = match bytes.as_slice() {
        [0xEF, 0xBB, 0xBF, ..] => {
            bytes.drain(..3);
            bytes
        }
        [0xFF, 0xFE, rest @ ..] => utf16_to_utf8(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16_to_utf8(rest, u16::from_be_bytes),
        _ => bytes,
    };
    if memchr::memchr(0, &text).is_some() {
        Decoded::Binary
    } else {
        Decoded::Text(text)
    }
}

fn utf16_to_utf8(bytes: &[u8], unit: impl Fn([u8; 2]) -> u16) -> Vec<u8> {
    let pairs = bytes.chunks_exact(2);
    let odd_byte = !pairs.remainder().is_empty();
    let units = pairs.map(|pair| unit([pair[0], pair[1]]));
    let mut text: String = char::decode_utf16(units)
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    if odd_byte {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        match decode_text(bytes.to_vec()) {
            Decoded::Text(text) => String::from_utf8(text).unwrap(),
            Decoded::Binary => "<binary>".into(),
        }
    }

    #[test]
    fn byte_order_marks_are_undone() {
        assert_eq!(text(b"\xef\xbb\xbfone\n"), "one\n");
        assert_eq!(text(b"\xef\xbb\xbf"), "");
        assert_eq!(text(b"\xff\xfe"), "");
        let big_endian: Vec<u8> = [0xFE, 0xFF]
            .into_iter()
            .chain("wide é 𝄞".encode_utf16().flat_map(u16::to_be_bytes))
            .collect();
        assert_eq!(text(&big_endian), "wide é 𝄞");
    }

    #[test]
    fn broken_utf16_becomes_replacement_characters() {
        assert_eq!(text(&[0xFF, 0xFE, 0x00, 0xD8, b'a', 0]), "\u{FFFD}a");
        assert_eq!(text(&[0xFF, 0xFE, b'a', 0, b'b']), "a\u{FFFD}");
    }

    #[test]
    fn a_nul_anywhere_is_binary_also_after_decoding() {
        assert_eq!(text(b"a\0"), "<binary>");
        assert_eq!(text(&[0xFF, 0xFE, b'a', 0, 0, 0]), "<binary>");
        assert_eq!(text(b""), "");
    }

    #[test]
    fn bytes_that_are_not_utf8_stay() {
        assert_eq!(
            decode_text(b"caf\xe9".to_vec()),
            Decoded::Text(b"caf\xe9".to_vec())
        );
    }
}
