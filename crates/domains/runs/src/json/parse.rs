//! Reading.

use std::fmt;

use super::{Json, Members};

/// How deep arrays and objects may nest.
const MAX_DEPTH: usize = 128;
/// How many values a text may hold: each takes some fifty bytes of memory, however short it is written.
const MAX_VALUES: usize = 4_000_000;

/// The bytes are not JSON that can be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    reason: &'static str,
    offset: usize,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid JSON: {} at byte {}", self.reason, self.offset)
    }
}

impl std::error::Error for ParseError {}

impl Json {
    /// Reads JSON (RFC 8259): without NaN, infinities, half surrogate pairs, more than 128 levels, or more than
    /// four million values.
    ///
    /// # Errors
    /// [`ParseError`] with the offset of the first byte that does not fit.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let text = std::str::from_utf8(bytes).map_err(|error| ParseError {
            reason: "not UTF-8",
            offset: error.valid_up_to(),
        })?;
        let mut reader = Reader {
            text,
            at: 0,
            values: 0,
        };
        reader.skip_space();
        let value = reader.value(0)?;
        reader.skip_space();
        if reader.at < text.len() {
            return Err(reader.fail("something follows the value"));
        }
        Ok(value)
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    values: usize,
}

impl Reader<'_> {
    const fn fail(&self, reason: &'static str) -> ParseError {
        ParseError {
            reason,
            offset: self.at,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let matches = self.peek() == Some(byte);
        self.at += usize::from(matches);
        matches
    }

    fn value(&mut self, depth: usize) -> Result<Json, ParseError> {
        if depth > MAX_DEPTH {
            return Err(self.fail("more than 128 levels"));
        }
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(self.fail("more than 4,000,000 values"));
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(_) => Err(self.fail("expected a value")),
            None => Err(self.fail("the text ends early")),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, ParseError> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.fail("expected a value"))
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, ParseError> {
        let mut members = Members::new();
        self.at += 1;
        self.skip_space();
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.fail("expected a member name"));
            }
            let name = self.string()?;
            self.skip_space();
            if !self.take(b':') {
                return Err(self.fail("expected ':'"));
            }
            self.skip_space();
            let value = self.value(depth + 1)?;
            members.insert(name, value);
            self.skip_space();
            if self.take(b'}') {
                return Ok(Json::Object(members));
            }
            if !self.take(b',') {
                return Err(self.fail("expected ',' or '}'"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, ParseError> {
        let mut elements = Vec::new();
        self.at += 1;
        self.skip_space();
        if self.take(b']') {
            return Ok(Json::Array(elements));
        }
        loop {
            self.skip_space();
            elements.push(self.value(depth + 1)?);
            self.skip_space();
            if self.take(b']') {
                return Ok(Json::Array(elements));
            }
            if !self.take(b',') {
                return Err(self.fail("expected ',' or ']'"));
            }
        }
    }

    fn digits(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.fail("expected a digit"));
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Json, ParseError> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Ok(Json::Number(self.text[start..self.at].into()))
    }

    fn string(&mut self) -> Result<String, ParseError> {
        self.at += 1;
        let mut string = String::new();
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let plain = rest
                .iter()
                .position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\')
                .ok_or_else(|| self.fail("a string does not end"))?;
            string.push_str(&self.text[self.at..self.at + plain]);
            self.at += plain;
            match rest[plain] {
                b'"' => {
                    self.at += 1;
                    return Ok(string);
                }
                b'\\' => string.push(self.escape()?),
                _ => return Err(self.fail("a control character in a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, ParseError> {
        self.at += 1;
        let plain = match self.peek() {
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return Err(self.fail("an unknown escape")),
        };
        self.at += 1;
        Ok(plain)
    }

    fn unicode(&mut self) -> Result<char, ParseError> {
        let first = self.four_digits()?;
        let code = match first {
            0xD800..=0xDBFF => {
                if !(self.take(b'\\') && self.take(b'u')) {
                    return Err(self.fail("half a surrogate pair"));
                }
                let second = self.four_digits()?;
                if !(0xDC00..=0xDFFF).contains(&second) {
                    return Err(self.fail("half a surrogate pair"));
                }
                0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(|| self.fail("half a surrogate pair"))
    }

    fn four_digits(&mut self) -> Result<u32, ParseError> {
        let digits = self
            .text
            .as_bytes()
            .get(self.at..self.at + 4)
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .ok_or_else(|| self.fail("expected four hex digits"))?;
        let code = digits.iter().fold(0, |code, &digit| {
            code * 16 + char::from(digit).to_digit(16).unwrap_or(0)
        });
        self.at += 4;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Json, ParseError> {
        Json::parse(text.as_bytes())
    }

    #[test]
    fn numbers_keep_their_text() {
        for number in ["1e-07", "1e+16", "12345678901234567890", "-0", "0.10", "1E5"] {
            assert_eq!(parse(number), Ok(Json::Number(number.into())));
        }
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        for (wrong, offset) in [
            ("", 0),
            ("NaN", 0),
            ("-Infinity", 1),
            ("01", 1),
            ("1.", 2),
            ("[1,]", 3),
            ("{\"a\" 1}", 5),
            ("{a:1}", 1),
            ("\"\\ud800\"", 7),
            ("\"\\udc00\"", 7),
            ("\"a\nb\"", 2),
            ("\"open", 1),
            ("1 2", 2),
            ("tru", 0),
        ] {
            assert_eq!(
                parse(wrong).map_err(|error| error.offset),
                Err(offset),
                "{wrong:?}"
            );
        }
        assert!(Json::parse(b"\"\xff\"").is_err());
        assert!(parse(&format!("{}{}", "[".repeat(129), "]".repeat(129))).is_ok());
        assert!(parse(&format!("{}{}", "[".repeat(130), "]".repeat(130))).is_err());
    }

    #[test]
    fn the_last_of_repeated_names_counts_and_pairs_are_joined() {
        assert_eq!(
            parse(r#"{"a":1,"a":"\ud83d\ude00"}"#).unwrap().text_at("a"),
            Some("😀")
        );
    }

    #[test]
    fn short_values_are_counted() {
        let of = |count: usize| format!("[{}0]", "0,".repeat(count - 2));
        assert!(parse(&of(MAX_VALUES)).is_ok());
        let refused = parse(&of(MAX_VALUES + 1)).unwrap_err();
        assert_eq!(refused.reason, "more than 4,000,000 values");
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_serde_json_on_what_is_json(text in r#"[\[\]{}:,"\\a-cu0-9eE+.\- truefalsn]{0,24}"#) {
            let theirs: Result<serde_json::Value, _> = serde_json::from_str(&text);
            match (parse(&text), theirs) {
                (Ok(ours), Ok(theirs)) => proptest::prop_assert_eq!(ours.to_value(), theirs),
                (Err(_), Err(_)) => {}
                // serde_json refuses numbers that a double cannot hold; their text is kept here.
                (Ok(_), Err(error)) => proptest::prop_assert!(error.to_string().contains("number out of range"), "{}", error),
                (Err(error), Ok(_)) => proptest::prop_assert!(false, "{}", error),
            }
        }
    }
}
