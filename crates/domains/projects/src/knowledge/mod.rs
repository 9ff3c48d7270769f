//! Knowledge: entries that people and agents write down, and the document they compile into.

pub(crate) mod bulk;
pub(crate) mod change;
pub(crate) mod classify;
pub(crate) mod compile;
pub(crate) mod concepts;
pub(crate) mod entry;
pub(crate) mod extract;
pub(crate) mod health;
pub(crate) mod housekeeping;
pub(crate) mod list;
pub(crate) mod merge;
pub(crate) mod pages;
pub(crate) mod phrase;
