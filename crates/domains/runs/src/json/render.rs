//! Writing, byte for byte as Python's `json.dumps(sort_keys=True, ensure_ascii=False)` does: that is
//! what the SDK writes its bundles with, and what their signatures are over.

use std::fmt;

use super::Json;

impl Json {
    /// The form of a bundle's files: indented by two, and a final newline.
    pub fn to_file(&self) -> String {
        let mut text = String::new();
        write_indented(self, 0, &mut text);
        text.push('\n');
        text
    }

    /// The form of a line of a bundle's `.jsonl` files, without the newline.
    pub fn to_line(&self) -> String {
        let mut text = String::new();
        write_line(self, &mut text);
        text
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_line())
    }
}

fn write_line(value: &Json, text: &mut String) {
    match value {
        Json::Array(elements) => {
            text.push('[');
            for (number, element) in elements.iter().enumerate() {
                if number > 0 {
                    text.push_str(", ");
                }
                write_line(element, text);
            }
            text.push(']');
        }
        Json::Object(members) => {
            text.push('{');
            for (number, (name, member)) in members.iter().enumerate() {
                if number > 0 {
                    text.push_str(", ");
                }
                write_string(name, text);
                text.push_str(": ");
                write_line(member, text);
            }
            text.push('}');
        }
        scalar => write_scalar(scalar, text),
    }
}

fn write_indented(value: &Json, depth: usize, text: &mut String) {
    match value {
        Json::Array(elements) if !elements.is_empty() => {
            for (number, element) in elements.iter().enumerate() {
                text.push_str(if number == 0 { "[\n" } else { ",\n" });
                indent(depth + 1, text);
                write_indented(element, depth + 1, text);
            }
            text.push('\n');
            indent(depth, text);
            text.push(']');
        }
        Json::Object(members) if !members.is_empty() => {
            for (number, (name, member)) in members.iter().enumerate() {
                text.push_str(if number == 0 { "{\n" } else { ",\n" });
                indent(depth + 1, text);
                write_string(name, text);
                text.push_str(": ");
                write_indented(member, depth + 1, text);
            }
            text.push('\n');
            indent(depth, text);
            text.push('}');
        }
        Json::Array(_) => text.push_str("[]"),
        Json::Object(_) => text.push_str("{}"),
        scalar => write_scalar(scalar, text),
    }
}

fn indent(depth: usize, text: &mut String) {
    for _ in 0..depth {
        text.push_str("  ");
    }
}

fn write_scalar(value: &Json, text: &mut String) {
    match value {
        Json::Null => text.push_str("null"),
        Json::Bool(true) => text.push_str("true"),
        Json::Bool(false) => text.push_str("false"),
        Json::Number(number) => text.push_str(number),
        Json::Text(string) => write_string(string, text),
        Json::Array(_) | Json::Object(_) => unreachable!("both callers take arrays and objects themselves"),
    }
}

fn write_string(string: &str, text: &mut String) {
    use std::fmt::Write as _;
    text.push('"');
    let mut written = 0;
    for (at, byte) in string.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0x00..=0x1f => "",
            _ => continue,
        };
        text.push_str(&string[written..at]);
        if escape.is_empty() {
            let _ = write!(text, "\\u{byte:04x}");
        } else {
            text.push_str(escape);
        }
        written = at + 1;
    }
    text.push_str(&string[written..]);
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_as_python_writes_it() {
        let value =
            Json::parse(r#"{"z":[1e-07,{"é":"\u2028\u0001\"\\/\b"}],"a":{},"b":[]}"#.as_bytes()).unwrap();
        assert_eq!(
            value.to_line(),
            "{\"a\": {}, \"b\": [], \"z\": [1e-07, {\"é\": \"\u{2028}\\u0001\\\"\\\\/\\b\"}]}"
        );
        assert_eq!(
            value.to_file(),
            "{\n  \"a\": {},\n  \"b\": [],\n  \"z\": [\n    1e-07,\n    {\n      \"é\": \"\u{2028}\\u0001\\\"\\\\/\\b\"\n    }\n  ]\n}\n"
        );
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_as_the_same(text in ".{0,40}") {
            let value = Json::Text(text);
            proptest::prop_assert_eq!(&Json::parse(value.to_line().as_bytes()).unwrap(), &value);
            proptest::prop_assert_eq!(&Json::parse(value.to_file().as_bytes()).unwrap(), &value);
        }
    }
}
