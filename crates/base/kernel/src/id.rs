//! Identifiers: how they are made and the types that keep them apart.

use uuid::Uuid;

/// Declares a newtype over the text of an identifier.
#[macro_export]
macro_rules! id_type {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, $crate::id::macro_support::Serialize, $crate::id::macro_support::Deserialize)]
        #[serde(crate = "pentad_kernel::id::macro_support::serde", transparent)]
        pub struct $name(String);

        impl $name {
            /// The identifier with this text.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text of the identifier.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// What [`id_type!`] needs at its call sites.
#[doc(hidden)]
pub mod macro_support {
    pub use serde::{self, Deserialize, Serialize};
}

id_type!(
    /// A user: UUID text.
    UserId
);
id_type!(
    /// An organisation: `org_` and 16 hex digits.
    OrganisationId
);
id_type!(
    /// A key: UUID text.
    KeyId
);

/// A random UUID (version 4), lower case.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place where random identifiers are made"
)]
pub fn random_uuid() -> String {
    Uuid::new_v4().to_string()
}

/// A time-ordered UUID (version 7), lower case: for identifiers that become index keys.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place where ordered identifiers are made"
)]
pub fn ordered_uuid() -> String {
    Uuid::now_v7().to_string()
}

/// `prefix` followed by `digits` random hex digits, as `org_` and 16 make `org_0123456789abcdef`.
pub fn prefixed(prefix: &str, digits: usize) -> String {
    let mut text = String::with_capacity(prefix.len() + digits);
    text.push_str(prefix);
    let hex = crate::secret::random_hex(digits.div_ceil(2));
    text.push_str(&hex[..digits]);
    text
}

/// Whether the text is a UUID in its 8-4-4-4-12 form, in either case.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixed_identifiers_have_exactly_the_digits_asked_for() {
        let id = prefixed("org_", 16);
        assert_eq!(id.len(), 20);
        assert!(id[4..].bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(prefixed("x", 3).len(), 4);
    }

    #[test]
    fn only_the_hyphenated_form_is_a_uuid() {
        assert!(is_uuid(&random_uuid()));
        assert!(is_uuid(&ordered_uuid()));
        assert!(!is_uuid("3fa85f6457174562b3fc2c963f66afa6"));
        assert!(!is_uuid("ses_0123456789abcdef"));
    }
}
