//! Identifiers, time, scopes and error kinds: the words every layer shares.
