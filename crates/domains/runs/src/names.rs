//! The names that clients give: checked once, and never used as storage keys.

use std::fmt;
use std::str::FromStr;

use crate::schema::MAX_INDEX;
use crate::{Error, Result};

/// The identifier that a client gave its run; unique in its organisation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(String);

impl RunId {
    /// Reads an identifier: 1 to 200 bytes without slashes, backslashes and control characters, and
    /// neither `.` nor `..`.
    pub fn parse(text: &str) -> Option<Self> {
        // The last stands for bytes of a path that are no text: of two such paths nobody could tell the runs apart.
        let allowed = |c: char| !matches!(c, '/' | '\\' | '\x00'..='\x1f' | '\x7f' | '\u{fffd}');
        ((1..=200).contains(&text.len()) && text.chars().all(allowed) && text != "." && text != "..")
            .then(|| Self(text.to_owned()))
    }

    /// Reads an identifier out of a place in a request.
    ///
    /// # Errors
    /// [`Error::Invalid`] that names the place.
    pub fn parse_at(text: &str, location: &[&str]) -> Result<Self> {
        Self::parse(text).ok_or_else(|| {
            Error::invalid(
                location,
                "value_error",
                "a run id has 1 to 200 bytes of UTF-8, no slash, backslash or control character, and is not . or ..",
            )
        })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which of a step's screenshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShotKind {
    /// Before the action.
    Pre,
    /// After it.
    Post,
    /// What was aimed at.
    Target,
    /// What changed.
    Diff,
}

impl ShotKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pre, Self::Post, Self::Target, Self::Diff];

    /// The name in paths.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pre => "pre",
            Self::Post => "post",
            Self::Target => "target",
            Self::Diff => "diff",
        }
    }
}

impl FromStr for ShotKind {
    type Err = ();

    fn from_str(name: &str) -> std::result::Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or(())
    }
}

/// The step index in the path of an ingest call: decimal digits.
///
/// # Errors
/// [`Error::Invalid`] for anything else.
pub fn index_in_path(text: &str) -> Result<u64> {
    let digits = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| {
        Error::invalid(
            &["path", "step_index"],
            "int_parsing",
            format!("expected an integer from 0 to {MAX_INDEX}"),
        )
    })
}

/// The step index of a file name: four digits, or more without leading zeros.
pub(crate) fn index_in_file(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let long_enough = text.len() == 4 || ((5..=9).contains(&text.len()) && !text.starts_with('0'));
    (digits && long_enough).then(|| text.parse().ok()).flatten()
}

/// Whether the text is the name of a model call: `<step>-<layer>-<n>.json` or `run-<layer>-<n>.json`.
pub(crate) fn is_modelio_name(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".json") else {
        return false;
    };
    let mut parts = stem.splitn(2, '-');
    let (Some(step), Some(rest)) = (parts.next(), parts.next()) else {
        return false;
    };
    let Some((layer, sequence)) = rest.rsplit_once('-') else {
        return false;
    };
    (step == "run" || index_in_file(step).is_some())
        && (1..=64).contains(&layer.len())
        && layer
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && (1..=9).contains(&sequence.len())
        && sequence.bytes().all(|byte| byte.is_ascii_digit())
        && (sequence == "0" || !sequence.starts_with('0'))
}

/// Whether the text may name a log.
pub(crate) fn is_log_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.as_bytes()[0].is_ascii_alphanumeric()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        && !name.contains("..")
}

/// Whether the text may name a recording of a step for its replay: `<step>_<anything>.json`.
pub(crate) fn is_replay_name(name: &str) -> bool {
    name.strip_suffix(".json").is_some_and(|stem| {
        (1..=128).contains(&stem.len())
            && stem.as_bytes()[0].is_ascii_alphanumeric()
            && stem
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
            && !stem.contains("..")
    })
}

/// Whether the text may name a side effect.
pub(crate) fn is_side_effect_id(id: &str) -> bool {
    (1..=100).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_hold_what_people_write_and_nothing_that_leads_elsewhere() {
        for fine in ["run_1", "a:é part", "...", &"x".repeat(200)] {
            assert!(RunId::parse(fine).is_some(), "{fine:?}");
        }
        for wrong in [
            "",
            ".",
            "..",
            "a/b",
            "a\\b",
            "a\0b",
            "a\x7f",
            "a\u{fffd}",
            &"x".repeat(201),
        ] {
            assert!(RunId::parse(wrong).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn file_names_have_four_digits_or_more() {
        assert_eq!(index_in_file("0000"), Some(0));
        assert_eq!(index_in_file("12345"), Some(12_345));
        for wrong in ["0", "00000", "abcd", "", "1234567890", "+123"] {
            assert_eq!(index_in_file(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn model_calls_have_the_names_that_the_sdk_gives_them() {
        for fine in [
            "0000-planner-0.json",
            "run-model-0.json",
            "12345-step_recovery-10.json",
        ] {
            assert!(is_modelio_name(fine), "{fine}");
        }
        for wrong in [
            "00-planner-0.json",
            "0000--0.json",
            "0000-planner-0.exe",
            "abc.json",
            "0000-planner-00.json",
            "0000-planner-0.json.json",
            "0000-pl/anner-0.json",
            "0000-planner-0.json\0.png",
            "",
        ] {
            assert!(!is_modelio_name(wrong), "{wrong}");
        }
    }

    #[test]
    fn logs_and_side_effects_have_plain_names() {
        for fine in ["run", "big", "a.b-c_d"] {
            assert!(is_log_name(fine), "{fine}");
        }
        for wrong in ["", "..", "../x", "a/b", ".hidden", "a..b", "a\0b"] {
            assert!(!is_log_name(wrong), "{wrong}");
        }
        assert!(is_side_effect_id("se_7892e849f3674896"));
        assert!(!is_side_effect_id("a.b"));
    }
}
