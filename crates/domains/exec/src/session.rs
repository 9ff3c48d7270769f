//! What a session is, and what may be asked of it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use pentad_kernel::{OrganisationId, Timestamp};
use pentad_sandbox::Language;
use serde_json::{Map, Value};

use crate::{Error, Result};

/// A JSON object.
pub type Object = Map<String, Value>;

/// The id of a session as its owner knows it: unique in its organisation, and free again once the session is
/// deleted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(String);

impl SessionId {
    /// Longest id, in bytes.
    pub const MAX_BYTES: usize = 128;

    /// Checks an id.
    ///
    /// # Errors
    /// [`Error::SessionId`].
    ///
    /// ```
    /// use pentad_exec::SessionId;
    /// assert!(SessionId::parse("prod:user:1").is_ok());
    /// assert!(SessionId::parse("../x").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'-');
        let fits = text.len() <= Self::MAX_BYTES
            && text.bytes().all(good)
            && text
                .bytes()
                .next()
                .is_some_and(|first| first.is_ascii_alphanumeric());
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::SessionId(text.chars().take(140).collect()))
        }
    }

    /// A fresh id.
    pub(crate) fn random() -> Self {
        Self(pentad_kernel::id::prefixed("sess-", 20))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A session without its files.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// The id as its owner knows it.
    pub id: SessionId,
    /// What tells it from every other session there ever was.
    pub key: String,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// The language of its programs.
    pub language: Language,
    /// Whether what a run leaves in the workspace is there for the next one.
    pub persistent: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When its last run began.
    pub last_run_at: Option<Timestamp>,
    /// What its owner says about it.
    pub metadata: Object,
    /// What its programs find in `.session_data.json`.
    pub data: Object,
    /// Wall time of runs that do not ask for another one.
    pub default_timeout: Option<Duration>,
    /// Whether its programs reach the internet, through the filtering proxy.
    pub allow_internet: bool,
    /// Whether requests reach its programs.
    pub allow_public: bool,
    /// The packages it was made with.
    pub setup: Option<Object>,
    /// How their installation stands: pending, running, completed or failed.
    pub setup_status: Option<String>,
    /// What came of it.
    pub setup_result: Option<Value>,
    /// Number of files.
    pub file_count: u64,
    /// Bytes of all files.
    pub total_bytes: u64,
    /// Rises with every change of the workspace.
    pub(crate) generation: i64,
}

impl Session {
    /// Whether its packages are still being installed, or wait for it.
    pub(crate) fn is_being_set_up(&self) -> bool {
        matches!(self.setup_status.as_deref(), Some("pending" | "running"))
    }
}

/// A session to be made.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its id; a fresh one when none is given.
    pub id: Option<SessionId>,
    /// The language of its programs.
    pub language: Language,
    /// Whether what a run leaves in the workspace is there for the next one.
    pub persistent: bool,
    /// What its programs find in `.session_data.json`.
    pub data: Object,
    /// What its owner says about it.
    pub metadata: Object,
    /// Settings that differ from the usual ones.
    pub settings: SessionSettings,
    /// Packages to install.
    pub setup: Option<crate::Setup>,
}

impl NewSession {
    /// A persistent session with nothing in it.
    #[must_use]
    pub fn of(language: Language) -> Self {
        Self {
            id: None,
            language,
            persistent: true,
            data: Object::new(),
            metadata: Object::new(),
            settings: SessionSettings::default(),
            setup: None,
        }
    }
}

/// Settings to change; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionSettings {
    /// Wall time of runs that do not ask for another one.
    pub default_timeout: Option<Duration>,
    /// Whether its programs reach the internet, through the filtering proxy.
    pub allow_internet: Option<bool>,
    /// Whether requests reach its programs.
    pub allow_public: Option<bool>,
    /// What its owner says about it; replaces what was said.
    pub metadata: Option<Object>,
}

/// Stored code that runs when a request brings none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The program.
    pub code: String,
    /// What it is for.
    pub description: Option<String>,
    /// When it was stored.
    pub updated_at: Timestamp,
}

/// Environment variables of one run: checked, never stored, never logged.
#[derive(Clone, Default)]
pub struct Env(Vec<(String, String)>);

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Env({} variables)", self.0.len())
    }
}

impl Env {
    /// Checks names and values.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the variable.
    pub fn new(variables: BTreeMap<String, String>) -> Result<Self> {
        for (name, value) in &variables {
            let mut bytes = name.bytes();
            let first = bytes
                .next()
                .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
            if !first || !bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                let shown: String = name.chars().take(80).collect();
                return Err(Error::Invalid(format!(
                    "env: {shown:?} is no name of a variable: letters, digits and _ are allowed, no digit first"
                )));
            }
            if value.contains('\0') {
                return Err(Error::Invalid(format!("env: the value of {name} holds NUL")));
            }
        }
        Ok(Self(variables.into_iter().collect()))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0
            .iter()
            .map(|(name, value)| name.len() + value.len() + 2)
            .sum()
    }

    /// The variables without those that every run is given, which win.
    pub(crate) fn into_variables(self) -> impl Iterator<Item = (String, String)> {
        self.0.into_iter().filter(|(name, _)| !name.starts_with("ERA_"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_plain() {
        for good in ["a", "my-session", "prod:user:1", "9.x_y", &"x".repeat(128)] {
            assert_eq!(SessionId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "..", ".a", "a/b", "a b", "é", "a\0b", "-x", &"x".repeat(129)] {
            assert!(SessionId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn variables_have_names_that_a_shell_would_take() {
        let env = |name: &str, value: &str| Env::new([(name.to_owned(), value.to_owned())].into());
        assert!(env("API_KEY", "any=thing\n").is_ok());
        for (name, value) in [("", "1"), ("A=B", "1"), ("1A", "1"), ("A", "x\0y"), ("ä", "1")] {
            assert!(env(name, value).is_err(), "{name:?}");
        }
        assert!(!format!("{:?}", env("TOKEN", "secret").unwrap()).contains("secret"));
    }
}
