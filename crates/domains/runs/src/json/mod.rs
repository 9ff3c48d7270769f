//! JSON as it was sent: numbers keep their text, objects are sorted.
//!
//! A recorded run has to come back byte for byte, and `1e-07` read as a float and printed again is
//! `1e-7`. So numbers are never turned into floats here unless somebody asks for their value.

mod parse;
mod render;

use std::collections::BTreeMap;

pub use parse::ParseError;

/// The members of an object, sorted by code point; of repeated names the last counts.
pub type Members = BTreeMap<String, Json>;

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as the text that was sent.
    Number(Box<str>),
    /// A text.
    Text(String),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(Members),
}

impl Json {
    /// The members, when it is an object.
    pub fn members(&self) -> Option<&Members> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The member of this name, when it is an object that has one.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.members()?.get(name)
    }

    /// The member that a path of names leads to.
    pub fn at(&self, path: &[&str]) -> Option<&Json> {
        path.iter().try_fold(self, |value, name| value.get(name))
    }

    /// The text, when it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of the member of this name.
    pub fn text_at(&self, name: &str) -> Option<&str> {
        self.get(name)?.text()
    }

    /// The elements, when it is an array.
    pub fn elements(&self) -> Option<&[Json]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The value of a number; infinite when it is beyond what a double holds.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The value of a number that is whole and not negative, however it is written.
    pub fn whole(&self) -> Option<u64> {
        match self {
            Self::Number(text) => text.parse().ok().or_else(|| {
                let value: f64 = text.parse().ok()?;
                // Up to 2^53 a double is exact.
                (value.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&value))
                    .then_some(value as u64)
            }),
            _ => None,
        }
    }

    /// Whether it is `null`.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// What kind of value it is, in the words of JSON Schema.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// The same value for code that does not need the text of numbers.
    pub fn to_value(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(flag) => (*flag).into(),
            Self::Number(text) => serde_json::from_str(text).unwrap_or_default(),
            Self::Text(text) => text.as_str().into(),
            Self::Array(elements) => elements.iter().map(Self::to_value).collect(),
            Self::Object(members) => members
                .iter()
                .map(|(name, value)| (name.clone(), value.to_value()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Self::Number(value.to_string().into_boxed_str())
    }
}

impl From<usize> for Json {
    fn from(value: usize) -> Self {
        Self::from(value as u64)
    }
}

impl From<bool> for Json {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl FromIterator<(String, Json)> for Json {
    fn from_iter<T: IntoIterator<Item = (String, Json)>>(members: T) -> Self {
        Self::Object(members.into_iter().collect())
    }
}

/// An object from names and values.
pub(crate) fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
