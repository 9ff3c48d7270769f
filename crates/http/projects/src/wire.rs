//! How domain values become JSON.

use pentad_kernel::Timestamp;
use pentad_projects::At;

/// Declares the JSON of an answer: its fields, and where each comes from.
macro_rules! answer {
    (
        $(#[$meta:meta])*
        $name:ident as $schema:path, from |$value:ident: $source:ty| {
            $($(#[$field_meta:meta])* $field:ident: $type:ty = $expression:expr,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, serde::Serialize, utoipa::ToSchema)]
        #[schema(as = $schema)]
        pub(crate) struct $name {
            $($(#[$field_meta])* pub(crate) $field: $type,)*
        }

        impl From<$source> for $name {
            fn from($value: $source) -> Self {
                Self { $($field: $expression,)* }
            }
        }
    };
}
pub(crate) use answer;

/// An instant as RFC 3339.
pub(crate) fn time(at: At) -> String {
    at.timestamp().to_string()
}

/// An instant as RFC 3339, when there is one.
pub(crate) fn optional_time(at: Option<At>) -> Option<String> {
    at.map(time)
}

/// An instant as RFC 3339, when there is one.
pub(crate) fn optional_timestamp(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

/// The answers for a list.
pub(crate) fn list<T, A: From<T>>(items: Vec<T>) -> Vec<A> {
    items.into_iter().map(A::from).collect()
}
