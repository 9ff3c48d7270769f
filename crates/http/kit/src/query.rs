//! Query parameters, read by name with clear errors.

use std::future::{Ready, ready};
use std::ops::RangeInclusive;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::Fault;

/// The query of a request, percent-decoded. Unknown parameters are nobody's business.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads a query string.
    pub fn parse(text: &str) -> Self {
        Self {
            pairs: form_urlencoded::parse(text.as_bytes()).into_owned().collect(),
        }
    }

    /// A query of these parameters: for operations that take the same ones in a JSON body.
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Self {
        Self { pairs }
    }

    /// The parameter's value; of a repeated one the last.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Every value of a repeatable parameter, in order.
    pub fn texts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// A whole number within bounds; `20.0` is one, because programs that write JSON send it.
    ///
    /// # Errors
    /// A fault that names the parameter and its bounds.
    pub fn integer(&self, name: &str, bounds: &RangeInclusive<i64>) -> Result<Option<i64>, Fault> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let wrong = || {
            let (least, most) = (bounds.start(), bounds.end());
            Fault::invalid(format!(
                "{name} must be a whole number from {least} to {most}, not {text:?}"
            ))
        };
        let number = whole_number(text).ok_or_else(wrong)?;
        if bounds.contains(&number) {
            Ok(Some(number))
        } else {
            Err(wrong())
        }
    }

    /// `true`, `false`, `1` or `0` in any case; absent is false.
    ///
    /// # Errors
    /// A fault that names the parameter.
    pub fn boolean(&self, name: &str) -> Result<bool, Fault> {
        let Some(text) = self.text(name) else {
            return Ok(false);
        };
        if text == "1" || text.eq_ignore_ascii_case("true") {
            Ok(true)
        } else if text == "0" || text.eq_ignore_ascii_case("false") {
            Ok(false)
        } else {
            Err(Fault::invalid(format!(
                "{name} must be true or false, not {text:?}"
            )))
        }
    }

    /// One of a few words.
    ///
    /// # Errors
    /// A fault that names the parameter and the words.
    pub fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>, Fault> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let chosen = choices
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| *value);
        chosen.map(Some).ok_or_else(|| {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            Fault::invalid(format!(
                "{name} must be one of {}, not {text:?}",
                words.join(", ")
            ))
        })
    }
}

/// Reads `20`, `20.0` and `20.` as 20; anything with another fraction or an exponent is none.
pub fn whole_number(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    fraction
        .bytes()
        .all(|digit| digit == b'0')
        .then(|| whole.parse().ok())?
}

impl FromRequest for Query {
    type Error = Fault;
    type Future = Ready<Result<Self, Fault>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Ok(Self::parse(request.query_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer(text: &str) -> Result<Option<i64>, String> {
        let pairs = vec![("n".to_owned(), text.to_owned())];
        Query::from_pairs(pairs)
            .integer("n", &(1..=100))
            .map_err(|fault| fault.message)
    }

    #[test]
    fn whole_numbers_in_either_form_are_read_and_others_name_the_bounds() {
        assert_eq!(integer("20"), Ok(Some(20)));
        assert_eq!(integer("20.0"), Ok(Some(20)));
        for wrong in [
            "",
            "0",
            "101",
            "-1",
            "x",
            "20.5",
            "1e1",
            "0x10",
            "9999999999999999999999",
        ] {
            let message = integer(wrong).unwrap_err();
            assert!(
                message.contains("n must be a whole number from 1 to 100"),
                "{wrong:?}: {message}"
            );
        }
    }

    #[test]
    fn booleans_are_four_words() {
        let boolean = |text: &str| Query::parse(&format!("b={text}")).boolean("b").ok();
        assert_eq!(["true", "TRUE", "1"].map(boolean), [Some(true); 3]);
        assert_eq!(["false", "False", "0"].map(boolean), [Some(false); 3]);
        assert_eq!(["", "yes", "7", "maybe"].map(boolean), [None; 4]);
        assert_eq!(Query::default().boolean("b").ok(), Some(false));
    }

    #[test]
    fn the_last_of_a_repeated_parameter_counts() {
        let query = Query::parse("a=1&b=x%20y&a=2");
        assert_eq!(query.text("a"), Some("2"));
        assert_eq!(query.text("b"), Some("x y"));
        assert_eq!(query.texts("a").collect::<Vec<_>>(), ["1", "2"]);
    }
}
